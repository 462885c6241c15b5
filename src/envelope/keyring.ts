/**
 * The contract between messages and whatever wraps their data keys.
 *
 * A message is encrypted under a data key of its own, which stands in its header as often as there are homes that wrapped
 * it: one encrypted data key each (AWS Encryption SDK, "Keyring interface"). A keyring makes such data keys and gets them
 * back. Keyrings stand in `keyrings/`; a cache is a keyring in front of another; `message/` knows none of them.
 *
 * @module
 */
import type { SecretBytes } from '../crypto/secret-bytes.ts';
import type { ClavigerError } from '../errors.ts';
import type { EncryptionContext } from '../model/encryption-context.ts';

/** A data key as one home has wrapped it, as it stands in the header of a message. */
export interface EncryptedDataKey {
  /** `aws-kms` for AWS and for Claviger's own keys, `claviger:<kind>` for other homes, a namespace for raw keys. */
  readonly providerId: string;
  /** Which key: an ARN, the native reference of a home, a name; raw AES keys add their nonce. */
  readonly providerInfo: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** What a message wants of a data key. */
export interface WrapRequest {
  /** Length of the data key: that of its suite's key-derivation input, 32 for what we write. */
  readonly bytes: number;
  /** Number of the algorithm suite, such as 0x0478: part of what a cache goes by. */
  readonly suiteId: number;
  /** As it will stand in the header, and is bound to each wrap by homes that bind one. */
  readonly context: EncryptionContext;
  /** Bytes of plaintext that the data key is to protect; null where nobody knows, as of a stream. */
  readonly plaintextBytes: number | null;
  /**
   * The data key to wrap, where another keyring has made it already: it stays its owner's, and the answer has a copy. A
   * fresh one is made where it is not given.
   */
  readonly dataKey?: SecretBytes;
  readonly signal: AbortSignal;
}

export interface WrappedDataKey {
  /** Belongs to whoever asked, who disposes of it. */
  readonly dataKey: SecretBytes;
  /** In the order of the homes, at least one. */
  readonly encryptedDataKeys: readonly EncryptedDataKey[];
  /** Homes that hold no wrap of it though they were to, and why. */
  readonly missing: readonly { readonly home: string; readonly error: ClavigerError }[];
}

export interface UnwrapRequest {
  readonly bytes: number;
  readonly suiteId: number;
  readonly context: EncryptionContext;
  /** Those of the header, in its order. */
  readonly encryptedDataKeys: readonly EncryptedDataKey[];
  readonly signal: AbortSignal;
}

export interface UnwrappedDataKey {
  /** Belongs to whoever asked, who disposes of it. */
  readonly dataKey: SecretBytes;
  /** The one that was opened. */
  readonly opened: EncryptedDataKey;
}

export interface Keyring {
  /**
   * A fresh data key and its wraps.
   *
   * @throws what a home refuses with; ALL_BACKINGS_FAILED where too few have wrapped it; UNSUPPORTED where the keyring only
   *   opens
   */
  wrap(request: WrapRequest): Promise<WrappedDataKey>;
  /**
   * The data key of a message.
   *
   * @throws INVALID_CIPHERTEXT where no encrypted data key is for this keyring, or those that are do not open
   */
  unwrap(request: UnwrapRequest): Promise<UnwrappedDataKey>;
}
