/**
 * What the name of an algorithm says, read from the name itself, so that a mistake in the adapter's table is not made
 * here again.
 *
 * @module
 * @see https://cloud.google.com/kms/docs/algorithms
 */
import type { SigningAlgorithmName } from '../../../src/model/algorithm.ts';
import type { Spec } from '../../../src/model/spec.ts';

export interface Algorithm {
  readonly purpose: string;
  readonly spec: Spec;
  /** Of signatures by digest, OAEP and HMAC: `sha256`. */
  readonly hash: string | null;
  /** By which our own code signs. */
  readonly signing: SigningAlgorithmName | null;
}

const CURVES: Readonly<Record<string, Spec>> = { P256: 'P-256', P384: 'P-384', SECP256K1: 'secp256k1' };

/** Null for what this server does not have. */
export function readAlgorithm(name: string): Algorithm | null {
  if (name === 'GOOGLE_SYMMETRIC_ENCRYPTION') return of('ENCRYPT_DECRYPT', 'AES-256-GCM');
  if (name === 'AES_256_GCM') return of('RAW_ENCRYPT_DECRYPT', 'AES-256-GCM');
  if (name === 'EC_SIGN_ED25519') return of('ASYMMETRIC_SIGN', 'Ed25519', null, 'ED25519_SHA_512');
  const mac = /^HMAC_SHA(?<bits>224|256|384|512)$/.exec(name)?.groups;
  if (mac) return of('MAC', `HMAC-SHA-${mac['bits']}` as Spec, `sha${mac['bits']}`);
  const kem = /^ML_KEM_(?<level>768|1024)$/.exec(name)?.groups;
  if (kem) return of('KEY_ENCAPSULATION', `ML-KEM-${kem['level']}` as Spec);
  const mlDsa = /^PQ_SIGN_ML_DSA_(?<level>44|65|87)$/.exec(name)?.groups;
  if (mlDsa) return of('ASYMMETRIC_SIGN', `ML-DSA-${mlDsa['level']}` as Spec, null, 'ML_DSA_SHAKE_256');
  const oaep = /^RSA_DECRYPT_OAEP_(?<bits>2048|3072|4096)_SHA(?<hash>1|256)$/.exec(name)?.groups;
  if (oaep) return of('ASYMMETRIC_DECRYPT', `RSA-${oaep['bits']}` as Spec, `sha${oaep['hash']}`);
  const rsa = /^RSA_SIGN_(?<padding>PSS|PKCS1)_(?<bits>2048|3072|4096)_SHA(?<hash>256|512)$/.exec(name)?.groups;
  if (rsa) {
    const padding = rsa['padding'] === 'PSS' ? 'RSASSA_PSS' : 'RSASSA_PKCS1_V1_5';
    const signing = `${padding}_SHA_${rsa['hash']}` as SigningAlgorithmName;
    return of('ASYMMETRIC_SIGN', `RSA-${rsa['bits']}` as Spec, `sha${rsa['hash']}`, signing);
  }
  const ec = /^EC_SIGN_(?<curve>P256|P384|SECP256K1)_SHA(?<hash>256|384)$/.exec(name)?.groups;
  const spec = ec && CURVES[ec['curve']!];
  return spec
    ? of('ASYMMETRIC_SIGN', spec, `sha${ec['hash']}`, `ECDSA_SHA_${ec['hash']}` as SigningAlgorithmName)
    : null;
}

/** Whether a protection level has the algorithm. */
export function isAtLevel({ spec }: Algorithm, level: string): boolean {
  if (spec === 'secp256k1') return level === 'HSM';
  return level === 'SOFTWARE' || (level === 'HSM' && spec !== 'Ed25519' && !spec.startsWith('ML-'));
}

function of(
  purpose: string,
  spec: Spec,
  hash: string | null = null,
  signing: SigningAlgorithmName | null = null,
): Algorithm {
  return { purpose, spec, hash, signing };
}
