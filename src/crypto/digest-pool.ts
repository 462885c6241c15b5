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

/** What comes back: a signature, whether one is valid, or null where it failed. */
export type DigestAnswer = Uint8Array | boolean | null;

const idle: DigestThread[] = [];

export async function signDigestAside(
  spec: Spec,
  key: KeyObject,
  algorithm: SigningAlgorithmName,
  digest: Uint8Array,
): Promise<Buffer> {
  const signature = await run(key, { spec, algorithm, digest: exact(digest), signature: null });
  if (!(signature instanceof Uint8Array)) throw failed();
  return Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength);
}

export async function verifyDigestAside(
  spec: Spec,
  key: KeyObject,
  algorithm: SigningAlgorithmName,
  digest: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const valid = await run(key, { spec, algorithm, digest: exact(digest), signature: exact(signature) });
  if (typeof valid !== 'boolean') throw failed();
  return valid;
}

function run(key: KeyObject, task: DigestTask): Promise<DigestAnswer> {
  return slowTurns.run(async () => {
    const thread = idle.pop() ?? new DigestThread();
    const answer = await thread.run(key, task);
    // A thread that failed is not used again.
    if (answer !== null) idle.push(thread);
    else await thread.close();
    return answer;
  });
}

/** Does one task at a time. */
class DigestThread {
  readonly #worker: Worker;
  readonly #keyIds = new WeakMap<KeyObject, number>();
  readonly #gone = new FinalizationRegistry<number>((keyId) => this.#post({ kind: 'drop', keyId }));
  #lastKeyId = 0;
  #answer: (answer: DigestAnswer) => void = () => undefined;

  constructor() {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#worker = new Worker(new URL(`./digest-thread.${extension}`, import.meta.url), { name: 'digest' });
    this.#worker.on('message', (answer: DigestAnswer) => this.#answer(answer));
    this.#worker.on('error', () => this.#answer(null));
    this.#worker.on('exit', () => {
      const position = idle.indexOf(this);
      if (position >= 0) idle.splice(position, 1);
      this.#answer(null);
    });
  }

  async run(key: KeyObject, task: DigestTask): Promise<DigestAnswer> {
    this.#worker.ref();
    const { promise, resolve } = Promise.withResolvers<DigestAnswer>();
    this.#answer = resolve;
    this.#post({ kind: 'task', keyId: this.#sent(key), task });
    const answer = await promise;
    this.#worker.unref();
    return answer;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
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
}

/** A copy with memory of its own: a view would take all the memory behind it along to the other thread. */
function exact(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes);
}

function failed(): ClavigerError {
  return new ClavigerError('INTERNAL', 'an operation on a digest failed');
}
