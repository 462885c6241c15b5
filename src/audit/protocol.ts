/**
 * What the event loop and the writer thread say to each other. One message carries a whole group: the jobs as one JSON
 * text, the bytes to sign as one buffer, which together cost a third of cloning an object for each job.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import type { ErrorCode } from '../errors.ts';
import type { SigningAlgorithmName } from '../model/algorithm.ts';
import type { Spec } from '../model/spec.ts';
import type { Change } from '../store/change.ts';
import type { StoredCheckpoint } from '../store/contract.ts';
import type { LogSigner } from './note.ts';
import type { RecordDraft } from './record.ts';

export type Outcome = 'OK' | ErrorCode;

/** A signature that the thread makes: its input is `bytes[from, to)` of the group. */
export interface WireSign {
  readonly key: string;
  readonly algorithm: SigningAlgorithmName;
  readonly input: 'message' | 'digest';
  readonly from: number;
  readonly to: number;
}

/** A job is an answer or a refusal with its record, or housekeeping, which has none. */
export type WireJob = RecordedJob | HousekeepingJob;

export interface HousekeepingJob {
  readonly id: number;
  readonly draft: null;
}

export interface RecordedJob {
  readonly id: number;
  /** The sequence of changes that the loop had seen when the decision began. */
  readonly decidedAt: number;
  /** Entities that the decision read. */
  readonly read: readonly string[];
  readonly draft: RecordDraft;
  readonly outcome: Outcome;
  readonly signs: readonly WireSign[];
}

export interface GroupMessage {
  readonly jobs: string;
  /** What is signed; null where nothing is. */
  readonly bytes: Uint8Array | null;
  /** Job id → what it changes; null where none changes anything, as most do not. */
  readonly changes: ReadonlyMap<number, readonly Change[]> | null;
  /** Keys that the thread has not been given yet. */
  readonly keys: readonly { readonly id: string; readonly spec: Spec; readonly key: KeyObject }[] | null;
  /** Keys to forget. */
  readonly drops: readonly string[] | null;
}

export const VERDICTS = ['done', 'stale', 'conflict', 'sign-failed'] as const;

/** Gives the thread the key that it signs checkpoints with; there are none before. */
export interface SignerMessage {
  readonly signer: LogSigner;
}

/** What became of a group. The jobs are in the order of `ids`. */
export interface CommittedMessage {
  readonly kind: 'committed';
  /** Records in the log after this group. */
  readonly size: number;
  /** The checkpoint that was committed with it, where one was due. */
  readonly checkpoint: StoredCheckpoint | null;
  /** Milliseconds that the commit took: for the most part, the wait for the disk. */
  readonly commitMs: number;
  /** Sequence of changes after this group. */
  readonly sequence: number;
  readonly changed: readonly string[];
  readonly ids: Float64Array;
  /** Position in `VERDICTS`. */
  readonly verdicts: Uint8Array;
  readonly indexes: Float64Array;
  /** For each signature of each job that is done: 16-bit length, then the bytes. */
  readonly signatures: Uint8Array;
}

/** Nothing of these jobs is in the log. */
export interface FailedMessage {
  readonly kind: 'failed';
  readonly ids: readonly number[];
  readonly reason: string;
  /** True where the thread cannot go on and the process should end. */
  readonly fatal: boolean;
}

export interface ReadyMessage {
  readonly kind: 'ready';
  readonly logId: string;
  readonly size: number;
  readonly checkpoint: StoredCheckpoint | null;
}

export type ThreadMessage = CommittedMessage | FailedMessage | ReadyMessage;

export interface ThreadStart {
  readonly databasePath: string;
  /** Settings that are written where the store does not have them yet. */
  readonly settings: Readonly<Record<string, string>>;
}
