/**
 * A cache in front of a keyring: messages share a data key for a while, and a message that is opened again needs no home.
 *
 * Messages of one data key have message ids, and so keys, of their own. What the cache gives up is the word of the home: who
 * may use its key, and whether anybody may, is asked once in `ttlMs`.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { ownBytes } from '../../bytes/own.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import type { Clock } from '../../ports/clock.ts';
import {
  DataKeyCache,
  INCOMPLETE_TTL_MS,
  LIMITS_DEFAULT,
  type DataKeyCacheCounts,
  type DataKeyCacheEvents,
  type DataKeyCacheLimits,
} from '../data-key-cache.ts';
import type {
  EncryptedDataKey,
  Keyring,
  UnwrappedDataKey,
  UnwrapRequest,
  WrappedDataKey,
  WrapRequest,
} from '../keyring.ts';
import { defined } from './defined.ts';

export interface CachingOptions extends Partial<DataKeyCacheLimits> {
  /** Has to be said: for so long a key that was disabled is still in use here. At most an hour; five minutes are usual. */
  readonly ttlMs: number;
  /** Keeps apart what must not share data keys, such as the customers of one application. */
  readonly partition?: string;
  readonly clock?: Clock;
  readonly events?: DataKeyCacheEvents;
}

/** An id that is longer is a digest: digests of short ones would be half of what a message costs here. */
const ID_LENGTH_MAX = 2048;

/** A data key that was wrapped, or one that was unwrapped. */
type Cached = WrappedDataKey | UnwrappedDataKey;

/**
 * A keyring that remembers data keys of another one.
 *
 * Not remembered: the data key of a message whose length is not known beforehand or is more than `bytesMax`, and one that
 * another keyring has made.
 *
 * @example using keyring = cachingKeyring(clavigerKeyring(client, { key: 'alias:orders' }), { ttlMs: 300_000 });
 * @throws INVALID_ARGUMENT for a limit that is none
 */
export function cachingKeyring(keyring: Keyring, options: CachingOptions): CachingKeyring {
  return new CachingKeyring(keyring, options);
}

export class CachingKeyring implements Keyring, Disposable {
  readonly #keyring: Keyring;
  readonly #partition: string;
  readonly #cache: DataKeyCache<Cached>;

  constructor(keyring: Keyring, options: CachingOptions) {
    const { ttlMs, messagesMax, bytesMax, entriesMax, partition = '', clock, events } = options;
    this.#keyring = keyring;
    this.#partition = partition;
    const limits = { ...LIMITS_DEFAULT, ...defined({ messagesMax, bytesMax, entriesMax }), ttlMs };
    this.#cache = new DataKeyCache(limits, ({ dataKey }) => dataKey[Symbol.dispose](), defined({ clock, events }));
  }

  get counts(): DataKeyCacheCounts {
    return this.#cache.counts;
  }

  async wrap(request: WrapRequest): Promise<WrappedDataKey> {
    const { plaintextBytes: bytes, signal } = request;
    const isCounted = bytes !== null && bytes <= this.#cache.limits.bytesMax;
    if (!isCounted || request.dataKey !== undefined) return this.#keyring.wrap(request);
    // What the caller does to its own object later is no part of this.
    const context = { ...request.context };
    const make = async (stop: AbortSignal): Promise<{ readonly value: WrappedDataKey; readonly ttlMs?: number }> => {
      const made = await this.#keyring.wrap({ ...request, context, signal: stop });
      const encryptedDataKeys = made.encryptedDataKeys.map(keptEntry);
      const value = { ...made, dataKey: made.dataKey.kept(), encryptedDataKeys };
      return value.missing.length === 0 ? { value } : { value, ttlMs: INCOMPLETE_TTL_MS };
    };
    const id = this.#id('wrap', request, context, []);
    const copy = (made: Cached): WrappedDataKey => {
      const { dataKey, encryptedDataKeys, missing } = made as WrappedDataKey;
      return { dataKey: dataKey.copy(), encryptedDataKeys: encryptedDataKeys.map(entryOf), missing };
    };
    return (await this.#cache.take({ id, owner: null, bytes, make, copy, signal })).value;
  }

  async unwrap(request: UnwrapRequest): Promise<UnwrappedDataKey> {
    const { context, encryptedDataKeys, signal } = request;
    // Called before this method returns, or never, as uses of opening are not counted: so the copies are of what was given.
    const make = async (stop: AbortSignal): Promise<{ readonly value: UnwrappedDataKey }> => {
      const copies = { context: { ...context }, encryptedDataKeys: encryptedDataKeys.map(entryOf) };
      const made = await this.#keyring.unwrap({ ...request, ...copies, signal: stop });
      return { value: { dataKey: made.dataKey.kept(), opened: keptEntry(made.opened) } };
    };
    const id = this.#id('unwrap', request, context, encryptedDataKeys);
    const copy = (made: Cached): UnwrappedDataKey => ({ ...(made as UnwrappedDataKey), dataKey: made.dataKey.copy() });
    return (await this.#cache.take({ id, owner: null, bytes: null, make, copy, signal })).value;
  }

  /** Wipes every data key that is kept. */
  clear(): void {
    this.#cache.clear();
  }

  /** As `clear`; nothing is wrapped or unwrapped from then on. */
  [Symbol.dispose](): void {
    this.#cache[Symbol.dispose]();
  }

  /** No two requests that differ have one id: each part stands behind its length. */
  #id(
    what: 'wrap' | 'unwrap',
    { suiteId, bytes }: { readonly suiteId: number; readonly bytes: number },
    context: EncryptionContext,
    entries: readonly EncryptedDataKey[],
  ): string {
    const names = Object.keys(context).sort();
    let id = `${what} ${suiteId} ${bytes} ${names.length} ${part(this.#partition)}`;
    for (const name of names) id += part(name) + part(context[name]!);
    for (const { providerId, providerInfo, ciphertext } of entries)
      id += part(providerId) + part(latin1(providerInfo)) + part(latin1(ciphertext));
    return id.length <= ID_LENGTH_MAX ? id : `long ${hash('sha256', Buffer.from(id, 'utf16le'), 'base64')}`;
  }
}

function part(text: string): string {
  return `${text.length}:${text}`;
}

/** Each byte as a character. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** A copy: a caller's are views of a message, which they would keep in memory; ours are not the caller's to write to. */
function entryOf({ providerId, providerInfo, ciphertext }: EncryptedDataKey): EncryptedDataKey {
  return { providerId, providerInfo: Buffer.from(providerInfo), ciphertext: Buffer.from(ciphertext) };
}

/** An entry as it is kept. */
function keptEntry({ providerId, providerInfo, ciphertext }: EncryptedDataKey): EncryptedDataKey {
  return { providerId, providerInfo: ownBytes(providerInfo), ciphertext: ownBytes(ciphertext) };
}
