/**
 * One group of the log: jobs that commit together. The functions here are the writer, apart from the thread they run in.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import type { Random } from '../ports/random.ts';
import { monotonicMs } from '../ports/clock.ts';
import { entityOf, type Change } from '../store/change.ts';
import type { LogTail, StoreWriter } from '../store/contract.ts';
import { VERDICTS, type CommittedMessage, type Outcome, type WireJob } from './protocol.ts';
import { sealRecord, type RecordDraft } from './record.ts';

/** SQLite's primary result code for a violated constraint. */
const SQLITE_CONSTRAINT = 19;

/** Signs what a job asks for; throws where a key cannot. */
export type SignAll = (job: WireJob) => readonly Uint8Array[];

interface Verdict {
  readonly id: number;
  readonly verdict: (typeof VERDICTS)[number];
  readonly index: number;
  readonly signatures: readonly Uint8Array[];
}

interface OpenGroup {
  readonly verdicts: Verdict[];
  readonly changed: Set<string>;
  nextIndex: number;
  lastTimeMs: number;
}

/**
 * The state of the log between groups: where the next record goes, and when each entity last changed.
 *
 * A group is begun, takes jobs, and commits. Nothing it did is remembered here before the commit has returned, so a
 * failed commit leaves the state as it was, and `reload` reads it again from the store, as the start does.
 */
export class LogWriter {
  readonly #random: Random;
  #store: StoreWriter;
  #tail: LogTail;
  #sequence = 0;
  /** Entity → sequence of its last change. What is not here has not changed since the start. */
  readonly #changedAt = new Map<string, number>();
  #group: OpenGroup | null = null;

  constructor(store: StoreWriter, random: Random) {
    this.#store = store;
    this.#random = random;
    this.#tail = store.tail();
  }

  get logId(): string {
    return this.#tail.logId;
  }

  /** Index of the record that comes next. */
  get nextIndex(): number {
    return this.#tail.nextIndex;
  }

  begin(): void {
    this.#store.begin();
    const { nextIndex, lastTimeMs } = this.#tail;
    this.#group = { verdicts: [], changed: new Set(), nextIndex, lastTimeMs };
  }

  /** Takes one job into the group: checks that its decision still holds, applies its changes, signs, records. */
  take(job: WireJob, changes: readonly Change[], signAll: SignAll): void {
    const group = this.#open();
    if (job.read.some((entity) => group.changed.has(entity) || (this.#changedAt.get(entity) ?? 0) > job.decidedAt)) {
      group.verdicts.push({ id: job.id, verdict: 'stale', index: -1, signatures: [] });
      return;
    }
    if (changes.length > 0 && !this.#applied(changes)) return this.#record(job, 'CONFLICT', 'conflict', []);
    for (const change of changes) {
      const touched = entityOf(change);
      if (touched !== null) group.changed.add(touched);
    }
    let signatures: readonly Uint8Array[];
    try {
      signatures = signAll(job);
    } catch {
      return this.#record(job, 'INTERNAL', 'sign-failed', []);
    }
    this.#record(job, job.outcome, 'done', signatures);
  }

  /** Makes the group durable and says what became of its jobs. A throw means that nothing is known to be durable. */
  commit(): CommittedMessage {
    const group = this.#open();
    const begunMs = performance.now();
    this.#store.commit();
    const commitMs = performance.now() - begunMs;
    // From here on the group is durable: a crash before the answers leave costs the callers an answer, not the log.
    this.#group = null;
    this.#tail = { ...this.#tail, nextIndex: group.nextIndex, lastTimeMs: group.lastTimeMs };
    if (group.changed.size > 0) {
      this.#sequence += 1;
      for (const entity of group.changed) this.#changedAt.set(entity, this.#sequence);
    }
    return committedMessage(group.verdicts, this.#sequence, [...group.changed], commitMs);
  }

  /** Gives up the group; the ids of its jobs. */
  abandon(): number[] {
    const ids = this.#group?.verdicts.map(({ id }) => id) ?? [];
    this.#group = null;
    try {
      this.#store.rollback();
    } catch {
      // The connection is beyond use; `reload` opens a new one.
    }
    return ids;
  }

  /** Goes on with a store that was opened anew: what it holds is what happened. */
  reload(store: StoreWriter): void {
    this.#store = store;
    this.#tail = store.tail();
  }

  close(): void {
    this.#store.close();
  }

  #applied(changes: readonly Change[]): boolean {
    try {
      this.#store.apply(changes);
      return true;
    } catch (error) {
      if (((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_CONSTRAINT) return false;
      throw error;
    }
  }

  #record(job: WireJob, outcome: Outcome, verdict: Verdict['verdict'], signatures: readonly Uint8Array[]): void {
    const group = this.#open();
    const index = group.nextIndex;
    const { draft } = job;
    group.lastTimeMs = Math.max(group.lastTimeMs, draft.atMs);
    const sealed = sealRecord(
      draft,
      {
        logId: this.#tail.logId,
        index,
        timeMs: group.lastTimeMs,
        latencyUs: Math.max(0, Math.round((monotonicMs() - draft.startedMs) * 1000)),
        outcome: draft.phase === 'intent' ? null : outcome,
      },
      this.#random,
    );
    this.#store.append({ index, ...sealed, ...columns(draft), timeMs: group.lastTimeMs, outcome });
    group.nextIndex = index + 1;
    group.verdicts.push({ id: job.id, verdict, index, signatures });
  }

  #open(): OpenGroup {
    if (this.#group === null) throw new ClavigerError('INTERNAL', 'no group is open');
    return this.#group;
  }
}

function columns(draft: RecordDraft): {
  tenantId: string | null;
  requestId: string;
  keyId: string | null;
  principal: string | null;
  operation: string;
} {
  const { tenantId, requestId, keyId, principal, operation } = draft;
  return { tenantId, requestId, keyId, principal, operation: operation ?? '' };
}

function committedMessage(
  verdicts: readonly Verdict[],
  sequence: number,
  changed: readonly string[],
  commitMs: number,
): CommittedMessage {
  return {
    kind: 'committed',
    sequence,
    changed,
    ids: Float64Array.from(verdicts, ({ id }) => id),
    verdicts: Uint8Array.from(verdicts, ({ verdict }) => VERDICTS.indexOf(verdict)),
    indexes: Float64Array.from(verdicts, ({ index }) => index),
    signatures: packSignatures(verdicts.flatMap(({ signatures }) => signatures)),
    commitMs,
  };
}

function packSignatures(signatures: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(signatures.reduce((sum, signature) => sum + 2 + signature.length, 0));
  let offset = 0;
  for (const signature of signatures) {
    packed[offset] = signature.length >> 8;
    packed[offset + 1] = signature.length & 0xff;
    packed.set(signature, offset + 2);
    offset += 2 + signature.length;
  }
  return packed;
}
