/**
 * Keys for the tests of this folder: one of each spec, made once, since RSA takes its time.
 *
 * @module
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { generateMaterial, loadPrivate, type PrivateHandle } from '../../../src/crypto/key-material.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import type { SigningAlgorithmName } from '../../../src/model/algorithm.ts';
import { algorithmsOf, SPEC_NAMES, type Spec } from '../../../src/model/spec.ts';

export interface TestKey {
  readonly spec: Spec;
  readonly handle: PrivateHandle;
  readonly privateBytes: Buffer;
  /** Empty for a symmetric key. */
  readonly spki: Uint8Array;
  /** The private key again for a symmetric key. */
  readonly publicKey: KeyObject;
}

const keys = new Map<Spec, Promise<TestKey>>();

export function keyOf(spec: Spec): Promise<TestKey> {
  const known = keys.get(spec) ?? newKey(spec);
  keys.set(spec, known);
  return known;
}

export async function newKey(spec: Spec): Promise<TestKey> {
  const { privateMaterial, publicKey } = await generateMaterial(spec, systemRandom);
  const handle = loadPrivate(spec, privateMaterial.reveal());
  return {
    spec,
    handle,
    privateBytes: Buffer.from(privateMaterial.reveal()),
    spki: publicKey ?? new Uint8Array(0),
    publicKey: publicKey === null ? handle.key : createPublicKey(handle.key),
  };
}

export function signingAlgorithms(spec: Spec): readonly SigningAlgorithmName[] {
  return algorithmsOf(spec, 'sign-verify') as readonly SigningAlgorithmName[];
}

export const SIGNING_SPECS: readonly Spec[] = SPEC_NAMES.filter((spec) => signingAlgorithms(spec).length > 0);

/** A copy with one bit of it turned. */
export function flipped(bytes: Uint8Array, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[Math.floor(bit / 8) % copy.length]! ^= 1 << (bit % 8);
  return copy;
}
