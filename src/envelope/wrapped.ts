/**
 * The cryptography of a wrapped blob: a text under a data key that several homes have wrapped.
 *
 * HKDF-SHA-512 (RFC 5869) makes two keys of data key and salt, one that encrypts and one that only commits to them: who
 * has another data key, from whichever home, finds out before anything is decrypted. Each wrap carries a seal of ours
 * (HMAC-SHA-256, RFC 2104), so that a forged one is refused before any home is called, and a home that authenticates no
 * context, as RSA-OAEP does not, is bound to tenant, key and version all the same.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual, type KeyObject } from 'node:crypto';
import { encodeContext, lengthPrefixed } from '../bytes/length-prefixed.ts';
import { invalidCiphertext } from '../errors.ts';
import type { EncryptionContext } from '../model/encryption-context.ts';
import type { Random } from '../ports/random.ts';
import { COMMITMENT_BYTES, encodeWrapped, SALT_BYTES, type WrapEntry, type WrappedBlob } from './ciphertext.ts';

export const DATA_KEY_BYTES = 32;
const KEY_BYTES = 32;
const TAG_BYTES = 16;
/** Each key encrypts one text, for its salt is fresh; so the nonce may stand still. */
const NONCE = Buffer.alloc(12);
const AAD_LABEL = Buffer.from('claviger/ciphertext/v1');
const SEAL_LABEL = Buffer.from('claviger/wrap/v1');

/** Encrypts a text under a data key, and puts the wraps of that data key with it. */
export function sealWrapped(
  header: Uint8Array,
  dataKey: Uint8Array,
  wraps: readonly WrapEntry[],
  plaintext: Uint8Array,
  context: EncryptionContext,
  random: Random,
): Buffer {
  const salt = random.bytes(SALT_BYTES);
  const commitment = derive(dataKey, salt, 'commit', COMMITMENT_BYTES);
  const key = derive(dataKey, salt, 'encrypt', KEY_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, NONCE);
  key.fill(0);
  cipher.setAAD(aadOf(header, salt, commitment, context));
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return encodeWrapped({ header, salt, commitment, wraps, sealed: Buffer.concat([ciphertext, cipher.getAuthTag()]) });
}

/** Whether this is the data key that the blob was made with; what a home unwrapped is to be asked before it is used. */
export function commitsTo({ salt, commitment }: WrappedBlob, dataKey: Uint8Array): boolean {
  return timingSafeEqual(derive(dataKey, salt, 'commit', COMMITMENT_BYTES), commitment);
}

/**
 * Decrypts the text of a blob under a data key that it commits to.
 *
 * @throws INVALID_CIPHERTEXT
 */
export function openWrapped(blob: WrappedBlob, dataKey: Uint8Array, context: EncryptionContext): Buffer {
  if (!commitsTo(blob, dataKey)) throw invalidCiphertext();
  const { header, salt, commitment, sealed } = blob;
  const key = derive(dataKey, salt, 'encrypt', KEY_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES });
  key.fill(0);
  decipher.setAAD(aadOf(header, salt, commitment, context));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    throw invalidCiphertext();
  }
  return plaintext;
}

/** Our seal of a home's wrap: HMAC-SHA-256 under the version's integrity key, 32 bytes. */
export function sealOfWrap(
  integrityKey: KeyObject | Uint8Array,
  header: Uint8Array,
  home: number,
  wrap: Uint8Array,
): Buffer {
  return createHmac('sha256', integrityKey)
    .update(lengthPrefixed(SEAL_LABEL, header, Buffer.of(home), wrap))
    .digest();
}

/** Whether each wrap carries the seal that was put on it. */
export function wrapsAreOurs(integrityKey: KeyObject | Uint8Array, { header, wraps }: WrappedBlob): boolean {
  return wraps.every(({ home, wrap, seal }) => timingSafeEqual(sealOfWrap(integrityKey, header, home, wrap), seal));
}

function derive(dataKey: Uint8Array, salt: Uint8Array, info: 'encrypt' | 'commit', bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha512', dataKey, salt, info, bytes));
}

function aadOf(header: Uint8Array, salt: Uint8Array, commitment: Uint8Array, context: EncryptionContext): Buffer {
  return lengthPrefixed(AAD_LABEL, header, salt, commitment, encodeContext(context));
}
