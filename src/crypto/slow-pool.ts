/**
 * Slow signatures, made and verified beside the event loop: RSA, the curves other than P-256 and Ed25519, ML-DSA.
 *
 * Threads of our own, one for each core, rather than Node's pool: they take digests as well as messages, several tasks at
 * a time, and a lower priority. Each result alone would be a turn of the event loop, a message to the writer thread and a
 * commit, which together cost half as much as an RSA-2048 signature; and what is fast must not wait for what is slow.
 *
 * Threads are started at need and are no reason for the process to stay. A thread is sent a key once, as a native object
 * that shares its memory, and told when that key is gone here.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { joined } from '../bytes/joined.ts';
import { ClavigerError } from '../errors.ts';
import type { SigningAlgorithmName } from '../model/algorithm.ts';
import type { Spec } from '../model/spec.ts';
import type { SignInput } from './sign-input.ts';

const THREADS_MAX = availableParallelism();
/** Batches that a thread has at a time: while it works at one, the next is there already. */
const BATCHES_MAX = 2;
/**
 * A batch is filled up to about so much work. Where there are that many tasks the wait for a thread is longer than the
 * one for the others of a batch, and the larger batch shortens both: each costs the event loop and the writer less.
 */
const BATCH_MS = 8;
const BATCH_TASKS_MAX = 32;
/** How fast the estimate of a spec's time follows what is measured. */
const LEARNING_RATE = 0.2;

/** A task on its way: its bytes follow those of the one before, first the input, then the signature. */
export interface WireTask {
  readonly keyId: number;
  readonly spec: Spec;
  readonly algorithm: SigningAlgorithmName;
  readonly input: 'message' | 'digest';
  readonly inputBytes: number;
  /** Null to sign. */
  readonly signatureBytes: number | null;
}

/** What goes to a thread. A batch is one JSON text and one buffer: to clone an object for each task costs three times that. */
export type SlowRequest =
  | { readonly kind: 'batch'; readonly tasks: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'key'; readonly keyId: number; readonly key: KeyObject }
  | { readonly kind: 'drop'; readonly keyId: number };

/** What comes back of a batch, in its order. */
export interface SlowAnswers {
  /** Of each task its result and how many milliseconds it took. A signature is only told by how many bytes it has. */
  readonly results: string;
  /** The signatures, one behind the other. */
  readonly signatures: Uint8Array<ArrayBuffer>;
}

/** Bytes of a signature, whether one is valid, or the words of an error; and milliseconds. */
export type WireResult = readonly [result: number | boolean | string, tookMs: number];

interface Task {
  readonly spec: Spec;
  readonly algorithm: SigningAlgorithmName;
  readonly input: SignInput;
  /** Null to sign. */
  readonly signature: Uint8Array | null;
}

interface Pending {
  readonly key: KeyObject;
  readonly task: Task;
  readonly resolve: (result: Buffer | boolean) => void;
  readonly reject: (error: ClavigerError) => void;
}

const queue: Pending[] = [];
let dispatchPlanned = false;
const threads = new Set<SlowThread>();
const estimatesMs = new Map<Spec, number>();

/** Tasks that a thread has, and tasks that wait for one. */
export const slowTasks = {
  get running(): number {
    return threads.values().reduce((sum, thread) => sum + thread.tasks, 0);
  },
  get waiting(): number {
    return queue.length;
  },
} as const;

export function signAside(
  spec: Spec,
  key: KeyObject,
  algorithm: SigningAlgorithmName,
  input: SignInput,
): Promise<Buffer> {
  return run<Buffer>(key, { spec, algorithm, input: copied(input), signature: null });
}

export function verifyAside(
  spec: Spec,
  key: KeyObject,
  algorithm: SigningAlgorithmName,
  input: SignInput,
  signature: Uint8Array,
): Promise<boolean> {
  return run<boolean>(key, { spec, algorithm, input: copied(input), signature: Buffer.from(signature) });
}

function run<R extends Buffer | boolean>(key: KeyObject, task: Task): Promise<R> {
  return new Promise((resolve, reject) => {
    queue.push({ key, task, resolve: resolve as Pending['resolve'], reject });
    if (dispatchPlanned) return;
    // What comes within a turn of the event loop is to be one batch, though a thread would be free for the first of it.
    dispatchPlanned = true;
    setImmediate(() => {
      dispatchPlanned = false;
      dispatch();
    });
  });
}

function dispatch(): void {
  while (queue.length > 0) {
    const thread = freeThread();
    if (thread === null) return;
    thread.work(nextBatch());
  }
}

/** A thread that has nothing to do, a new one, or one that will soon want more; null where all have enough. */
function freeThread(): SlowThread | null {
  let best: SlowThread | null = null;
  for (const thread of threads) if (best === null || thread.batches < best.batches) best = thread;
  if ((best === null || best.batches > 0) && threads.size < THREADS_MAX) {
    best = new SlowThread();
    threads.add(best);
  }
  return best!.batches < BATCHES_MAX ? best : null;
}

function nextBatch(): Pending[] {
  let filledMs = 0;
  let count = 0;
  while (count < queue.length && count < BATCH_TASKS_MAX && filledMs < BATCH_MS) {
    filledMs += estimatesMs.get(queue[count]!.task.spec) ?? BATCH_MS;
    count += 1;
  }
  return queue.splice(0, count);
}

function learn(spec: Spec, tookMs: number): void {
  const known = estimatesMs.get(spec) ?? tookMs;
  estimatesMs.set(spec, known + (tookMs - known) * LEARNING_RATE);
}

class SlowThread {
  readonly #worker: Worker;
  readonly #keyIds = new WeakMap<KeyObject, number>();
  readonly #gone = new FinalizationRegistry<number>((keyId) => this.#post({ kind: 'drop', keyId }));
  readonly #batches: Pending[][] = [];
  #lastKeyId = 0;

  constructor() {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#worker = new Worker(new URL(`./slow-thread.${extension}`, import.meta.url), { name: 'slow' });
    this.#worker.on('message', (answers: SlowAnswers) => this.#done(answers));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(undefined));
  }

  get batches(): number {
    return this.#batches.length;
  }

  get tasks(): number {
    return this.#batches.reduce((sum, batch) => sum + batch.length, 0);
  }

  work(batch: Pending[]): void {
    const parts: Uint8Array[] = [];
    const tasks = batch.map(({ key, task: { spec, algorithm, input, signature } }): WireTask => {
      const isMessage = 'message' in input;
      const part = isMessage ? input.message : input.digest;
      parts.push(part);
      if (signature !== null) parts.push(signature);
      return {
        keyId: this.#sent(key),
        spec,
        algorithm,
        input: isMessage ? 'message' : 'digest',
        inputBytes: part.length,
        signatureBytes: signature?.length ?? null,
      };
    });
    this.#batches.push(batch);
    this.#worker.ref();
    this.#post({ kind: 'batch', tasks: JSON.stringify(tasks), bytes: joined(parts) });
  }

  #done({ results, signatures }: SlowAnswers): void {
    const batch = this.#batches.shift()!;
    if (this.#batches.length === 0) this.#worker.unref();
    // The thread is to have its next batch before this one's callers go on.
    dispatch();
    const bytes = Buffer.from(signatures.buffer);
    let offset = 0;
    for (const [at, [result, tookMs]] of (JSON.parse(results) as WireResult[]).entries()) {
      const { task, resolve, reject } = batch[at]!;
      learn(task.spec, tookMs);
      if (typeof result === 'string') reject(failed(new Error(result)));
      else if (typeof result === 'boolean') resolve(result);
      else resolve(bytes.subarray(offset, (offset += result)));
    }
  }

  #sent(key: KeyObject): number {
    const known = this.#keyIds.get(key);
    if (known !== undefined) return known;
    const keyId = (this.#lastKeyId += 1);
    this.#keyIds.set(key, keyId);
    this.#gone.register(key, keyId);
    this.#post({ kind: 'key', keyId, key });
    return keyId;
  }

  #post(request: SlowRequest): void {
    this.#worker.postMessage(request);
  }

  /** What it had is refused, and the rest goes to the others. */
  #end(cause: unknown): void {
    threads.delete(this);
    for (const { reject } of this.#batches.splice(0).flat()) reject(failed(cause));
    dispatch();
  }
}

function failed(cause: unknown): ClavigerError {
  return new ClavigerError('INTERNAL', 'a slow operation failed', { cause });
}

/** The caller may write to its bytes again while they wait. */
function copied(input: SignInput): SignInput {
  return 'message' in input ? { message: Buffer.from(input.message) } : { digest: Buffer.from(input.digest) };
}
