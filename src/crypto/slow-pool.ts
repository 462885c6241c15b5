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
const BATCH_MS = 3;
const BATCH_TASKS_MAX = 16;
/** How fast the estimate of a spec's time follows what is measured. */
const LEARNING_RATE = 0.2;

export interface SlowTask {
  readonly spec: Spec;
  readonly algorithm: SigningAlgorithmName;
  readonly input: SignInput;
  /** Null to sign. */
  readonly signature: Uint8Array | null;
}

/** What goes to a thread. */
export type SlowRequest =
  | { readonly kind: 'batch'; readonly tasks: readonly (SlowTask & { readonly keyId: number })[] }
  | { readonly kind: 'key'; readonly keyId: number; readonly key: KeyObject }
  | { readonly kind: 'drop'; readonly keyId: number };

/** What comes back of each task of a batch, in order: a signature, whether one is valid, or the words of an error. */
export interface SlowAnswer {
  readonly result: Uint8Array | boolean | string;
  readonly tookMs: number;
}

interface Pending {
  readonly key: KeyObject;
  readonly task: SlowTask;
  readonly resolve: (result: Uint8Array | boolean) => void;
  readonly reject: (error: ClavigerError) => void;
}

const queue: Pending[] = [];
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

export async function signAside(
  spec: Spec,
  key: KeyObject,
  algorithm: SigningAlgorithmName,
  input: SignInput,
): Promise<Buffer> {
  const signature = await run(key, { spec, algorithm, input: exactInput(input), signature: null });
  return Buffer.from((signature as Uint8Array<ArrayBuffer>).buffer);
}

export async function verifyAside(
  spec: Spec,
  key: KeyObject,
  algorithm: SigningAlgorithmName,
  input: SignInput,
  signature: Uint8Array,
): Promise<boolean> {
  const valid = await run(key, { spec, algorithm, input: exactInput(input), signature: exact(signature) });
  return valid as boolean;
}

function run(key: KeyObject, task: SlowTask): Promise<Uint8Array | boolean> {
  return new Promise((resolve, reject) => {
    queue.push({ key, task, resolve, reject });
    dispatch();
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
    this.#worker.on('message', (answers: readonly SlowAnswer[]) => this.#done(answers));
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
    const tasks = batch.map(({ key, task }) => ({ ...task, keyId: this.#sent(key) }));
    this.#batches.push(batch);
    this.#worker.ref();
    this.#post({ kind: 'batch', tasks });
  }

  #done(answers: readonly SlowAnswer[]): void {
    const batch = this.#batches.shift()!;
    if (this.#batches.length === 0) this.#worker.unref();
    // The thread is to have its next batch before this one's callers go on.
    dispatch();
    for (const [at, { task, resolve, reject }] of batch.entries()) {
      const { result, tookMs } = answers[at]!;
      learn(task.spec, tookMs);
      if (typeof result === 'string') reject(failed(new Error(result)));
      else resolve(result);
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

function exactInput(input: SignInput): SignInput {
  return 'message' in input ? { message: exact(input.message) } : { digest: exact(input.digest) };
}

/** A copy with memory of its own: a view would take all the memory behind it along to the other thread. */
function exact(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes);
}
