/**
 * Signing and verifying a digest that the caller made, which node:crypto cannot: it would hash again.
 *
 * RSA stands in `rsa-digest.ts`. The other families use the OpenSSL inside Node where it can be reached, and a library
 * in JavaScript where it cannot. Inputs were checked by `requireSignable`.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import type { SigningAlgorithm } from '../model/algorithm.ts';
import type { Spec } from '../model/spec.ts';
import { nativeDigests } from './digest-native.ts';
import { portableDigests } from './digest-portable.ts';
import { signPkcs1, signPss, verifyPkcs1, verifyPss } from './rsa-digest.ts';

const digests = nativeDigests ?? portableDigests;

export function signDigest(spec: Spec, key: KeyObject, { scheme, hash }: SigningAlgorithm, digest: Uint8Array): Buffer {
  switch (scheme) {
    case 'rsa-pkcs1':
      return signPkcs1(key, hash!, digest);
    case 'rsa-pss':
      return signPss(key, hash!, digest);
    default:
      return digests.sign(spec, key, digest);
  }
}

/** False for a malformed signature, too. */
export function verifyDigest(
  spec: Spec,
  key: KeyObject,
  { scheme, hash }: SigningAlgorithm,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  switch (scheme) {
    case 'rsa-pkcs1':
      return verifyPkcs1(key, hash!, digest, signature);
    case 'rsa-pss':
      return verifyPss(key, hash!, digest, signature);
    default:
      return digests.verify(spec, key, digest, signature);
  }
}
