/**
 * What envelope encryption needs of a key service: the in-process service and the REST client have these methods, among
 * many others.
 *
 * @module
 */
import type { EncryptionContext } from '../model/encryption-context.ts';

/** Which key did the work. */
export interface ServedKey {
  readonly keyId: string;
  readonly arn: string;
  readonly keyVersion: number;
  /** Homes that hold no wrap of what was encrypted; absent for keys of the built-in keystore. */
  readonly missingHomes?: readonly string[];
}

/** As `ClavigerApi` has them; see there for errors. */
export interface KeyService {
  generateDataKey(input: {
    readonly key: string;
    readonly bytes?: number;
    readonly context?: EncryptionContext;
  }): Promise<ServedKey & { readonly ciphertext: Uint8Array; readonly plaintext?: Uint8Array }>;
  encrypt(input: {
    readonly key: string;
    readonly plaintext: Uint8Array;
    readonly context?: EncryptionContext;
  }): Promise<ServedKey & { readonly ciphertext: Uint8Array }>;
  decrypt(input: {
    readonly key?: string;
    readonly ciphertext: Uint8Array;
    readonly context?: EncryptionContext;
  }): Promise<ServedKey & { readonly plaintext: Uint8Array }>;
  describeKey(input: { readonly key: string }): Promise<unknown>;
}
