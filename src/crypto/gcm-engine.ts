/**
 * AES-GCM (SP 800-38D) for many short texts under one key, with IVs of 12 bytes and tags of 16: what each way of doing it
 * offers.
 *
 * @module
 */
import type { SecretBytes } from './secret-bytes.ts';

export const GCM_IV_BYTES = 12;
export const GCM_TAG_BYTES = 16;

/** Bytes of the key of each. */
export const GCM_CIPHERS = { 'aes-128-gcm': 16, 'aes-192-gcm': 24, 'aes-256-gcm': 32 } as const;
export type GcmCipher = keyof typeof GCM_CIPHERS;

/**
 * One text after the other: `begin`, then `aad` and `update` as often as there are pieces, then what ends it.
 *
 * Each throws INTERNAL after this was disposed of.
 */
interface GcmText extends Disposable {
  /** @param iv 12 bytes; to encrypt, none may come twice under one key */
  begin(iv: Uint8Array): void;
  /** Adds data that is authenticated only, before any text. */
  aad(bytes: Uint8Array): void;
  /** A piece of the text in its other form: of the same length, in memory of its own. */
  update(bytes: Uint8Array): Buffer;
}

export interface GcmEncryption extends GcmText {
  /** Ends the text. */
  tag(): Buffer;
}

export interface GcmDecryption extends GcmText {
  /**
   * Ends the text.
   *
   * @param tag 16 bytes
   * @returns whether it is the tag of the text; where it is not, what `update` gave must not be used
   */
  isGenuine(tag: Uint8Array): boolean;
}

/** Keys become the property of what is returned. */
export interface GcmEngine {
  readonly encryption: (cipher: GcmCipher, key: SecretBytes) => GcmEncryption;
  readonly decryption: (cipher: GcmCipher, key: SecretBytes) => GcmDecryption;
}
