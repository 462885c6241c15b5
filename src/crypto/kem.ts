/**
 * ML-KEM (FIPS 203): a shared secret of 32 bytes and its ciphertext.
 *
 * @module
 */
import { decapsulate as open, encapsulate as seal } from 'node:crypto';
import { invalidCiphertext } from '../errors.ts';
import type { Spec } from '../model/spec.ts';
import { loadPublic, type PrivateHandle } from './key-material.ts';

/** FIPS 203, table 3. */
const CIPHERTEXT_BYTES: Readonly<Partial<Record<Spec, number>>> = {
  'ML-KEM-512': 768,
  'ML-KEM-768': 1088,
  'ML-KEM-1024': 1568,
};

/** A fresh secret for whoever holds the private key. */
export function encapsulate(
  spec: Spec,
  spki: Uint8Array,
): { readonly ciphertext: Buffer; readonly sharedSecret: Buffer } {
  const { ciphertext, sharedKey } = seal(loadPublic(spec, spki));
  return { ciphertext, sharedSecret: sharedKey };
}

/**
 * The secret of a ciphertext, which the caller owns. A ciphertext that was changed gives another secret rather than an
 * error (implicit rejection: FIPS 203, section 6.3).
 *
 * @throws INVALID_CIPHERTEXT where it has not the length that the spec has
 */
export function decapsulate({ key, spec }: PrivateHandle, ciphertext: Uint8Array): Buffer {
  if (ciphertext.length !== CIPHERTEXT_BYTES[spec]) throw invalidCiphertext();
  return open(key, ciphertext);
}
