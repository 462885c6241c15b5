/**
 * A key that wraps the data keys of messages, whatever keeps it: a service, a provider, this process.
 *
 * @module
 */
import { invalidCiphertext } from '../../errors.ts';
import { SecretBytes } from '../../crypto/secret-bytes.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import type { Random } from '../../ports/random.ts';
import type { CallOptions } from '../../providers/provider.ts';
import type {
  EncryptedDataKey,
  Keyring,
  UnwrappedDataKey,
  UnwrapRequest,
  WrappedDataKey,
  WrapRequest,
} from '../keyring.ts';

/** Provider id of AWS KMS, which the keys of a Claviger server have as well: official clients open them as AWS's. */
export const AWS_PROVIDER_ID = 'aws-kms';
/** Of the other homes, before their kind. */
export const HOME_PROVIDER_PREFIX = 'claviger:';

/**
 * Encrypted data keys of one message that are tried under one key. More than one names the same key only where two keyrings
 * shared it, and each costs a call.
 */
export const TRIES_MAX = 4;

/** A data key as a wrapping key gives it back. */
export interface Unwrapped {
  /** Belongs to whoever asked, who wipes it. */
  readonly dataKey: Buffer;
  readonly opened: EncryptedDataKey;
}

export interface WrappedEntry {
  readonly entry: EncryptedDataKey;
  /** Homes behind this one key that hold no wrap of it. */
  readonly missing: readonly string[];
}

export interface WrappingKey {
  /** False where it is certain, without a call, that this key has not made an encrypted data key. */
  mayHaveMade(entry: EncryptedDataKey): boolean;
  wrap(dataKey: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<WrappedEntry>;
  /**
   * The data key of the first entry that is this key's own and opens; null where there is none. Nothing is asked for an
   * entry of another key.
   *
   * @param bytes how long the data key has to be
   * @throws refusals, and errors of whoever keeps the key; never INVALID_CIPHERTEXT
   */
  unwrap(
    entries: readonly EncryptedDataKey[],
    bytes: number,
    context: EncryptionContext,
    options: CallOptions,
  ): Promise<Unwrapped | null>;
}

/** What a key says of entries that may be its own: tries them in turn, and takes what does not open for another's. */
export async function firstThatOpens(
  entries: readonly EncryptedDataKey[],
  bytes: number,
  open: (entry: EncryptedDataKey) => Promise<Buffer | null>,
): Promise<Unwrapped | null> {
  for (const opened of entries.slice(0, TRIES_MAX)) {
    const dataKey = await open(opened);
    if (dataKey === null) continue;
    if (dataKey.length === bytes) return { dataKey, opened };
    dataKey.fill(0);
  }
  return null;
}

/** The data key that a request brings, or a fresh one; a copy that its receiver owns in either case. */
export function dataKeyFor({ dataKey, bytes }: WrapRequest, random: Random): SecretBytes {
  return dataKey === undefined ? new SecretBytes(random.bytes(bytes)) : dataKey.copy();
}

/** The keyring of one key in this process, which neither fails nor takes long. */
export class LocalKeyring implements Keyring {
  readonly #key: WrappingKey;
  readonly #random: Random;

  constructor(key: WrappingKey, random: Random) {
    this.#key = key;
    this.#random = random;
  }

  async wrap(request: WrapRequest): Promise<WrappedDataKey> {
    const dataKey = dataKeyFor(request, this.#random);
    try {
      const { entry } = await this.#key.wrap(dataKey.reveal(), request.context, optionsOf(request));
      return { dataKey, encryptedDataKeys: [entry], missing: [] };
    } catch (error) {
      dataKey[Symbol.dispose]();
      throw error;
    }
  }

  async unwrap(request: UnwrapRequest): Promise<UnwrappedDataKey> {
    const { encryptedDataKeys, bytes, context } = request;
    const own = encryptedDataKeys.filter((entry) => this.#key.mayHaveMade(entry));
    const unwrapped = await this.#key.unwrap(own, bytes, context, optionsOf(request));
    if (unwrapped === null) throw invalidCiphertext();
    return { dataKey: new SecretBytes(unwrapped.dataKey), opened: unwrapped.opened };
  }
}

function optionsOf({ signal }: { readonly signal: AbortSignal }): CallOptions {
  return { signal, timeoutMs: Number.POSITIVE_INFINITY };
}
