/**
 * Slow operations on digests, beside the event loop. The thread pool of Node takes messages only, so these have threads
 * of their own: started at need, at most one for each turn of `slow.ts`, and no reason for the process to stay.
 *
 * A thread is sent a key once, as a native object that shares its memory, and told when that key is gone here.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { ClavigerError } from '../errors.ts';
import type { SigningAlgorithmName } from '../model/algorithm.ts';
import type { Spec } from '../model/spec.ts';
import { slowTurns } from './slow.ts';

export interface DigestTask {
  readonly spec: Spec;
  readonly algorithm: SigningAlgorithmName;
  readonly digest: Uint8Array;
  /** Null to sign. */
  readonly signature: Uint8Array | null;
}

/** What goes to a thread. */
export type DigestRequest =
  | { readonly kind: 'task'; readonly keyId: number; readonly task: DigestTask }
  | { readonly kind: 'key'; readonly keyId: number; readonly key: KeyObject }
  | { readonly kind: 'drop'; readonly keyId: number };

/** What comes back: a signature, or whether one is valid. A thread that cannot say ends, with its error. */
export type DigestAnswer = Uint8Array | boolean;

const idle = new Set<DigestThread>();

export async function signDigestAside(
  spec: Spec,
  key: KeyObject,
  algorithm: SigningAlgorithmName,
  digest: Uint8Array,
): Promise<Buffer> {
  const signature = await run(key, { spec, algorithm, digest: exact(digest), signature: null });
  return Buffer.from((signature as Uint8Array<ArrayBuffer>).buffer);
}

export async function verifyDigestAside(
  spec: Spec,
  key: KeyObject,
  algorithm: SigningAlgorithmName,
  digest: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const valid = await run(key, { spec, algorithm, digest: exact(digest), signature: exact(signature) });
  return valid as boolean;
}

function run(key: KeyObject, task: DigestTask): Promise<DigestAnswer> {
  return slowTurns.run(async () => {
    const [thread = new DigestThread()] = idle;
    idle.delete(thread);
    const answer = await thread.run(key, task);
    idle.add(thread);
    return answer;
  });
}

/** Does one task at a time. */
class DigestThread {
  readonly #worker: Worker;
  readonly #keyIds = new WeakMap<KeyObject, number>();
  readonly #gone = new FinalizationRegistry<number>((keyId) => this.#post({ kind: 'drop', keyId }));
  #lastKeyId = 0;
  #task = Promise.withResolvers<DigestAnswer>();

  constructor() {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#worker = new Worker(new URL(`./digest-thread.${extension}`, import.meta.url), { name: 'digest' });
    this.#worker.on('message', (answer: DigestAnswer) => this.#task.resolve(answer));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(undefined));
  }

  async run(key: KeyObject, task: DigestTask): Promise<DigestAnswer> {
    this.#task = Promise.withResolvers();
    this.#worker.ref();
    this.#post({ kind: 'task', keyId: this.#sent(key), task });
    try {
      return await this.#task.promise;
    } finally {
      this.#worker.unref();
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

  #post(request: DigestRequest): void {
    this.#worker.postMessage(request);
  }

  #end(cause: unknown): void {
    idle.delete(this);
    this.#task.reject(new ClavigerError('INTERNAL', 'an operation on a digest failed', { cause }));
  }
}

/** A copy with memory of its own: a view would take all the memory behind it along to the other thread. */
function exact(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes);
}
