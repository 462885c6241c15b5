/**
 * The event loop's side of the log: hands jobs to the writer thread and gives back what became of them.
 *
 * The rule that makes caches safe: a job names the entities that its decision read and the sequence of changes that the
 * loop had seen before. If one of them has changed since, the thread sends the job back unrecorded (`stale`), and the
 * caller decides again. So nothing that was decided before a change is answered after it.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { joined } from '../bytes/joined.ts';
import { ClavigerError } from '../errors.ts';
import type { SigningAlgorithmName } from '../model/algorithm.ts';
import type { Spec } from '../model/spec.ts';
import type { Change, HousekeepingChange } from '../store/change.ts';
import type { StoredCheckpoint } from '../store/contract.ts';
import type { LogSigner } from './note.ts';
import {
  VERDICTS,
  type CommittedMessage,
  type GroupMessage,
  type Outcome,
  type SignerMessage,
  type ThreadMessage,
  type ThreadStart,
  type WireJob,
  type WireSign,
} from './protocol.ts';
import type { RecordDraft } from './record.ts';
import { Waiting } from './waiting.ts';

/** Sign jobs after which a turn of the event loop hands over without waiting for its end. */
const HAND_OVER_SIGNS = 8;

/** A signature for the thread to make. */
export interface SignTask {
  /** Names the key in the thread; the same id always means the same key. */
  readonly keyHandleId: string;
  readonly spec: Spec;
  readonly key: KeyObject;
  readonly algorithm: SigningAlgorithmName;
  readonly input: { readonly message: Uint8Array } | { readonly digest: Uint8Array };
}

export interface Job {
  readonly decidedAt: number;
  readonly read: readonly string[];
  readonly draft: RecordDraft;
  readonly outcome: Outcome;
  readonly changes: readonly Change[];
  readonly signs: readonly SignTask[];
}

export type Receipt =
  | { readonly verdict: 'stale' }
  | { readonly verdict: 'conflict' | 'sign-failed'; readonly index: number }
  | { readonly verdict: 'done'; readonly index: number; readonly signatures: readonly Buffer[] };

/** Who waits for what becomes of a job. */
interface Waiter {
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: ClavigerError) => void;
  readonly signs: readonly SignTask[];
}

const NO_SIGNS: readonly SignTask[] = [];

/** What happens to the log that others act on. */
export interface LedgerEvents {
  /** Entities that have just changed; caches drop them before anything else runs. */
  changed(entities: readonly string[]): void;
  /** A group is durable. */
  committed?(jobs: number, commitMs: number): void;
  /** The thread cannot go on: nothing will be answered any more. */
  failed(reason: string): void;
}

export class Ledger {
  readonly #thread: Worker;
  readonly #events: LedgerEvents;
  readonly #waiting = new Waiting<Waiter>();
  readonly #known = new Set<string>();
  readonly #followers = new Set<(size: number) => void>();
  #logId = '';
  #size = 0;
  #checkpoint: StoredCheckpoint | null = null;
  #seen = 0;
  #failed: string | null = null;
  #closing = false;
  #jobs: WireJob[] = [];
  #bytes: Uint8Array[] = [];
  #byteLength = 0;
  #signs = 0;
  #changes = new Map<number, readonly Change[]>();
  #keys: NonNullable<GroupMessage['keys']>[number][] = [];
  #drops: string[] = [];
  #handOverPlanned = false;

  private constructor(thread: Worker, events: LedgerEvents) {
    this.#thread = thread;
    this.#events = events;
  }

  /**
   * Starts the writer thread on a store, which makes or migrates it.
   *
   * @throws STORE_UNAVAILABLE where the thread cannot open the store
   */
  static async open(start: ThreadStart, events: LedgerEvents): Promise<Ledger> {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const thread = new Worker(new URL(`./thread.${extension}`, import.meta.url), { workerData: start });
    const ledger = new Ledger(thread, events);
    await ledger.#ready();
    return ledger;
  }

  get logId(): string {
    return this.#logId;
  }

  /** Records that are durable. */
  get size(): number {
    return this.#size;
  }

  /** The newest checkpoint, with what witnesses have signed of it; null before the first. */
  get checkpoint(): StoredCheckpoint | null {
    return this.#checkpoint;
  }

  /** Jobs that were submitted and have not been answered. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Milliseconds that the writer thread has worked, commits included, and has been idle, since it began. */
  get threadTimes(): { readonly activeMs: number; readonly idleMs: number } {
    const { active, idle } = this.#thread.performance.eventLoopUtilization();
    return { activeMs: active, idleMs: idle };
  }

  /** From now on, checkpoints are made. */
  signWith(signer: LogSigner): void {
    this.#thread.postMessage({ signer } satisfies SignerMessage);
  }

  /** Calls back whenever records or a checkpoint have become durable, until the returned function is called. */
  follow(follower: (size: number) => void): () => void {
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  /**
   * Waits until a checkpoint covers a record that is durable: a quarter of a second at most, while the log is written.
   *
   * @throws AUDIT_UNAVAILABLE where the log fails meanwhile
   */
  async checkpointOver(index: number): Promise<StoredCheckpoint> {
    const covering = (): StoredCheckpoint | null =>
      this.#checkpoint !== null && this.#checkpoint.size > index ? this.#checkpoint : null;
    const now = covering();
    if (now !== null) return now;
    if (this.#failed !== null || this.#closing) throw unavailable();
    // Many may wait at once, and groups come by the hundreds a second: each looks, and only what is over is settled.
    return new Promise((resolve, reject) => {
      const end = this.follow(() => {
        const found = covering();
        if (found === null && this.#failed === null) return;
        end();
        if (found === null) reject(unavailable());
        else resolve(found);
      });
    });
  }

  /** Sequence of changes that the loop has seen. Take it before the first read of a decision. */
  get seen(): number {
    return this.#seen;
  }

  /** False once nothing can be recorded any more. */
  get healthy(): boolean {
    return this.#failed === null;
  }

  /**
   * Records a job, with its changes and signatures, and resolves when all of it is durable, or when it is stale.
   *
   * @throws AUDIT_UNAVAILABLE where nothing of it is in the log
   */
  submit(job: Job): Promise<Receipt> {
    if (this.#failed !== null || this.#closing) return Promise.reject(unavailable());
    const { decidedAt, read, draft, outcome, changes } = job;
    const signs = job.signs.map((task) => this.#wireSign(task));
    return new Promise((resolve, reject) => {
      const id = this.#waiting.add({ resolve, reject, signs: job.signs });
      this.#jobs.push({ id, decidedAt, read, draft, outcome, signs });
      if (changes.length > 0) this.#changes.set(id, changes);
      this.#signs += signs.length;
      if (this.#signs >= HAND_OVER_SIGNS) this.#handOver();
      else this.#planHandOver();
    });
  }

  /**
   * Makes housekeeping changes durable, without a record.
   *
   * @throws AUDIT_UNAVAILABLE where they are not
   */
  async keep(changes: readonly HousekeepingChange[]): Promise<void> {
    if (this.#failed !== null || this.#closing) throw unavailable();
    await new Promise((resolve, reject) => {
      const id = this.#waiting.add({ resolve, reject, signs: NO_SIGNS });
      this.#jobs.push({ id, draft: null });
      this.#changes.set(id, changes);
      this.#planHandOver();
    });
    for (const change of changes) {
      if (!('put' in change) || change.put !== 'cosigned') continue;
      // Meanwhile, there may be a newer one.
      if (change.size === this.#checkpoint?.size) {
        this.#checkpoint = { size: change.size, note: change.note };
      }
    }
  }

  /** Makes the thread forget a key, after a change that ended its use. */
  forget(keyHandleId: string): void {
    if (!this.#known.delete(keyHandleId)) return;
    // The drops of a message come before its keys: one that was not handed over yet has to be given before it is dropped.
    if (this.#keys.length > 0) this.#handOver();
    this.#drops.push(keyHandleId);
    this.#planHandOver();
  }

  /** Waits for what was submitted, then ends the thread. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#handOver();
    while (this.#waiting.size > 0 && this.#failed === null) await new Promise((resolve) => setTimeout(resolve, 1));
    this.#closing = true;
    if (this.#failed !== null) {
      await this.#thread.terminate();
      return;
    }
    const ended = new Promise((resolve) => this.#thread.once('exit', resolve));
    this.#thread.postMessage('close');
    await ended;
  }

  #ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#thread.on('message', (message: ThreadMessage) => {
        if (message.kind === 'ready') {
          this.#logId = message.logId;
          this.#size = message.size;
          this.#checkpoint = message.checkpoint;
          resolve();
        } else if (message.kind === 'committed') this.#committed(message);
        else {
          for (const id of message.ids) this.#waiting.take(id)?.reject(unavailable());
          if (message.fatal) this.#fail(message.reason);
        }
      });
      this.#thread.on('error', (error) => {
        reject(error instanceof Error && 'code' in error ? asStoreError(error) : error);
        this.#fail(error instanceof Error ? error.message : String(error));
      });
      this.#thread.on('exit', () => {
        reject(unavailable());
        this.#fail('the writer thread has ended');
      });
    });
  }

  #wireSign(task: SignTask): WireSign {
    if (!this.#known.has(task.keyHandleId)) {
      this.#known.add(task.keyHandleId);
      this.#keys.push({ id: task.keyHandleId, spec: task.spec, key: task.key });
    }
    const isMessage = 'message' in task.input;
    const part = 'message' in task.input ? task.input.message : task.input.digest;
    const from = this.#byteLength;
    this.#bytes.push(part);
    this.#byteLength += part.length;
    return {
      key: task.keyHandleId,
      algorithm: task.algorithm,
      input: isMessage ? 'message' : 'digest',
      from,
      to: from + part.length,
    };
  }

  #planHandOver(): void {
    if (this.#handOverPlanned) return;
    this.#handOverPlanned = true;
    setImmediate(() => this.#handOver());
  }

  #handOver(): void {
    this.#handOverPlanned = false;
    if (this.#jobs.length === 0 && this.#drops.length === 0) return;
    const bytes = this.#byteLength === 0 ? null : joined(this.#bytes);
    const message: GroupMessage = {
      jobs: JSON.stringify(this.#jobs),
      bytes,
      changes: this.#changes.size === 0 ? null : this.#changes,
      keys: this.#keys.length === 0 ? null : this.#keys,
      drops: this.#drops.length === 0 ? null : this.#drops,
    };
    this.#thread.postMessage(message, bytes === null ? [] : [bytes.buffer]);
    this.#jobs = [];
    this.#bytes = [];
    this.#byteLength = 0;
    this.#signs = 0;
    if (message.changes !== null) this.#changes = new Map();
    if (message.keys !== null) this.#keys = [];
    if (message.drops !== null) this.#drops = [];
  }

  /** Releases all answers of a group in one turn of the event loop; caches are dropped first. */
  #committed(message: CommittedMessage): void {
    if (message.changed.length > 0) this.#events.changed(message.changed);
    this.#events.committed?.(message.ids.length, message.commitMs);
    this.#seen = message.sequence;
    this.#size = message.size;
    if (message.checkpoint !== null) this.#checkpoint = message.checkpoint;
    const packed = Buffer.from(message.signatures.buffer, message.signatures.byteOffset, message.signatures.length);
    let offset = 0;
    for (const [position, id] of message.ids.entries()) {
      const verdict = VERDICTS[message.verdicts[position]!]!;
      const waiting = this.#waiting.take(id);
      const index = message.indexes[position]!;
      if (verdict === 'stale') {
        // It may have given the thread a key that was forgotten before, and is not to be there any more.
        for (const { keyHandleId } of waiting?.signs ?? NO_SIGNS) this.forget(keyHandleId);
        waiting?.resolve({ verdict });
      } else if (verdict !== 'done') waiting?.resolve({ verdict, index });
      else {
        const signatures: Buffer[] = [];
        for (let n = 0; n < (waiting?.signs.length ?? 0); n++) {
          const length = packed.readUInt16BE(offset);
          signatures.push(packed.subarray(offset + 2, offset + 2 + length));
          offset += 2 + length;
        }
        waiting?.resolve({ verdict, index, signatures });
      }
    }
    for (const follower of this.#followers) follower(message.size);
  }

  #fail(reason: string): void {
    if (this.#failed !== null || this.#closing) return;
    this.#failed = reason;
    for (const { reject } of this.#waiting.takeAll()) reject(unavailable());
    for (const follower of this.#followers) follower(this.#size);
    // A thread that was never ready has failed the start, and `open` says so.
    if (this.#logId !== '') this.#events.failed(reason);
  }
}

function unavailable(): ClavigerError {
  return new ClavigerError(
    'AUDIT_UNAVAILABLE',
    'the audit log cannot be written, so nothing is answered; see the server log',
  );
}

/** Errors cross the thread's border as plain copies: a ClavigerError keeps its code and message only. */
function asStoreError(error: Error): ClavigerError {
  return new ClavigerError('STORE_UNAVAILABLE', error.message, { cause: error });
}
