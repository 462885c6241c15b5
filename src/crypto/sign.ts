/**
 * Signing: RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 8017), ECDSA (FIPS 186-5), Ed25519 and Ed25519ph (RFC 8032), ML-DSA
 * (FIPS 204).
 *
 * A PSS salt is as long as the hash; ECDSA signatures are DER (RFC 3279, section 2.2.3); ML-DSA has the empty context.
 *
 * @module
 */
import { constants, sign as signMessage, type KeyObject, type SignKeyObjectInput } from 'node:crypto';
import type { SigningAlgorithm, SigningAlgorithmName } from '../model/algorithm.ts';
import type { Spec } from '../model/spec.ts';
import { signDigest } from './digest.ts';
import type { PrivateHandle } from './key-material.ts';
import { requireSignable, type SignInput } from './sign-input.ts';
import { signAside } from './slow-pool.ts';

export type { SignInput } from './sign-input.ts';

/** True for specs that sign in some tens of microseconds: handing those to the thread pool would cost as much. */
export function signsNow(spec: Spec): boolean {
  return spec === 'P-256' || spec === 'Ed25519';
}

/**
 * A signature, made here and now.
 *
 * @throws KEY_USAGE or INVALID_ARGUMENT where spec, algorithm and input do not fit
 */
export function signNow({ key, spec }: PrivateHandle, name: SigningAlgorithmName, input: SignInput): Buffer {
  const algorithm = requireSignable(spec, name, input);
  if ('digest' in input) return signDigest(spec, key, algorithm, input.digest);
  return signMessage(algorithm.hash, input.message, signatureKey(key, algorithm));
}

/**
 * A signature, made beside the event loop where the spec is slow.
 *
 * @throws KEY_USAGE or INVALID_ARGUMENT where spec, algorithm and input do not fit
 */
export async function sign(handle: PrivateHandle, name: SigningAlgorithmName, input: SignInput): Promise<Buffer> {
  if (signsNow(handle.spec)) return signNow(handle, name, input);
  requireSignable(handle.spec, name, input);
  return signAside(handle.spec, handle.key, name, input);
}

/** The key with the padding of its scheme, as node:crypto takes it. */
export function signatureKey(key: KeyObject, { scheme }: SigningAlgorithm): KeyObject | SignKeyObjectInput {
  if (scheme !== 'rsa-pss') return key;
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
}
