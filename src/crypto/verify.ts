/**
 * Verifying what `sign.ts` makes, and what others made by the same standards.
 *
 * A signature that is malformed, too long or too short is a wrong signature: false, never an error.
 *
 * @module
 */
import { verify as verifyMessage, type KeyObject } from 'node:crypto';
import type { SigningAlgorithm, SigningAlgorithmName } from '../model/algorithm.ts';
import { specRow, type Spec } from '../model/spec.ts';
import { verifyDigest } from './digest.ts';
import { isModulusLong, loadPublic } from './key-material.ts';
import { requireSignable, type SignInput } from './sign-input.ts';
import { signatureKey } from './sign.ts';
import { verifyAside } from './slow-pool.ts';

/** Specs that verify slowly; RSA does not, with its short exponent. */
const SLOW: ReadonlySet<Spec> = new Set<Spec>(['P-384', 'P-521', 'secp256k1', 'ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87']);

/**
 * Whether the signature is one of this key over this input.
 *
 * @param spki SPKI DER; keep the same object from call to call, its parsed form is kept with it
 * @throws KEY_USAGE or INVALID_ARGUMENT where spec, public key, algorithm and input do not fit
 */
export async function verify(
  spec: Spec,
  spki: Uint8Array,
  name: SigningAlgorithmName,
  input: SignInput,
  signature: Uint8Array,
): Promise<boolean> {
  const algorithm = requireSignable(spec, name, input);
  const key = loadPublic(spec, spki);
  if (SLOW.has(spec)) return verifyAside(spec, key, name, input, signature);
  return verifyNow(spec, key, algorithm, input, signature);
}

/** As `verify`, here and now, of inputs that were checked. */
export function verifyNow(
  spec: Spec,
  key: KeyObject,
  algorithm: SigningAlgorithm,
  input: SignInput,
  signature: Uint8Array,
): boolean {
  if (specRow(spec).family === 'rsa' && !isModulusLong(key, signature)) return false;
  if ('digest' in input) return verifyDigest(spec, key, algorithm, input.digest, signature);
  return verifyMessage(algorithm.hash, input.message, signatureKey(key, algorithm), signature);
}
