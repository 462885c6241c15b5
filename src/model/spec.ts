/**
 * Key specs and usages, one row a spec.
 *
 * Exactly one usage a key (NIST SP 800-57 part 1 rev. 5, section 5.2). AWS names are those of the KMS API; X25519 has
 * none there and keeps its own.
 *
 * @module
 */
import type { AlgorithmName } from './algorithm.ts';

export const USAGES = ['encrypt-decrypt', 'sign-verify', 'mac', 'key-agreement', 'kem'] as const;
export type Usage = (typeof USAGES)[number];

/** Usage ↔ the AWS `KeyUsage`. */
export const AWS_USAGES = {
  'encrypt-decrypt': 'ENCRYPT_DECRYPT',
  'sign-verify': 'SIGN_VERIFY',
  mac: 'GENERATE_VERIFY_MAC',
  'key-agreement': 'KEY_AGREEMENT',
  kem: 'ENCAPSULATE_DECAPSULATE',
} as const satisfies Record<Usage, string>;

export type SpecFamily = 'aes' | 'hmac' | 'rsa' | 'ec' | 'ed25519' | 'x25519' | 'ml-dsa' | 'ml-kem';

export interface SpecRow {
  readonly aws: string;
  readonly family: SpecFamily;
  /** First usage is the default of the native API; AWS asks for one wherever there are two. */
  readonly usages: Readonly<Partial<Record<Usage, readonly AlgorithmName[]>>>;
  /** Secret key bytes (aes, hmac), modulus bits (rsa), or null. */
  readonly size: number | null;
  /** OpenSSL's name of the curve, for family `ec`. */
  readonly curve: string | null;
}

const RSA_SIGN = [
  'RSASSA_PSS_SHA_256',
  'RSASSA_PSS_SHA_384',
  'RSASSA_PSS_SHA_512',
  'RSASSA_PKCS1_V1_5_SHA_256',
  'RSASSA_PKCS1_V1_5_SHA_384',
  'RSASSA_PKCS1_V1_5_SHA_512',
] as const;
const RSA_ENCRYPT = ['RSAES_OAEP_SHA_256', 'RSAES_OAEP_SHA_1'] as const;

export const SPECS = {
  'AES-256-GCM': spec('SYMMETRIC_DEFAULT', 'aes', { 'encrypt-decrypt': ['SYMMETRIC_DEFAULT'] }, 32),
  'RSA-2048': rsa('RSA_2048', 2048),
  'RSA-3072': rsa('RSA_3072', 3072),
  'RSA-4096': rsa('RSA_4096', 4096),
  'P-256': ec('ECC_NIST_P256', 'prime256v1', 'ECDSA_SHA_256'),
  'P-384': ec('ECC_NIST_P384', 'secp384r1', 'ECDSA_SHA_384'),
  'P-521': ec('ECC_NIST_P521', 'secp521r1', 'ECDSA_SHA_512'),
  secp256k1: spec('ECC_SECG_P256K1', 'ec', { 'sign-verify': ['ECDSA_SHA_256'] }, null, 'secp256k1'),
  Ed25519: spec('ECC_NIST_EDWARDS25519', 'ed25519', { 'sign-verify': ['ED25519_SHA_512', 'ED25519_PH_SHA_512'] }),
  X25519: spec('X25519', 'x25519', { 'key-agreement': ['ECDH'] }),
  'HMAC-SHA-224': spec('HMAC_224', 'hmac', { mac: ['HMAC_SHA_224'] }, 28),
  'HMAC-SHA-256': spec('HMAC_256', 'hmac', { mac: ['HMAC_SHA_256'] }, 32),
  'HMAC-SHA-384': spec('HMAC_384', 'hmac', { mac: ['HMAC_SHA_384'] }, 48),
  'HMAC-SHA-512': spec('HMAC_512', 'hmac', { mac: ['HMAC_SHA_512'] }, 64),
  'ML-DSA-44': spec('ML_DSA_44', 'ml-dsa', { 'sign-verify': ['ML_DSA_SHAKE_256'] }),
  'ML-DSA-65': spec('ML_DSA_65', 'ml-dsa', { 'sign-verify': ['ML_DSA_SHAKE_256'] }),
  'ML-DSA-87': spec('ML_DSA_87', 'ml-dsa', { 'sign-verify': ['ML_DSA_SHAKE_256'] }),
  'ML-KEM-512': spec('ML_KEM_512', 'ml-kem', { kem: ['ML_KEM'] }),
  'ML-KEM-768': spec('ML_KEM_768', 'ml-kem', { kem: ['ML_KEM'] }),
  'ML-KEM-1024': spec('ML_KEM_1024', 'ml-kem', { kem: ['ML_KEM'] }),
} as const satisfies Record<string, SpecRow>;

export type Spec = keyof typeof SPECS;
export const SPEC_NAMES = Object.keys(SPECS) as readonly Spec[];

/** The row of a spec, widened to what every row has. */
export function specRow(name: Spec): SpecRow {
  return SPECS[name];
}

/** True where the spec has a key pair, so a public key can be given away. */
export function isAsymmetric(name: Spec): boolean {
  const { family } = SPECS[name];
  return family !== 'aes' && family !== 'hmac';
}

/** The usage that a spec has when none is named: its first. */
export function defaultUsage(name: Spec): Usage {
  return Object.keys(SPECS[name].usages)[0] as Usage;
}

/** Algorithms of a spec under a usage, the preferred one first; empty where the spec does not have the usage. */
export function algorithmsOf(name: Spec, usage: Usage): readonly AlgorithmName[] {
  return specRow(name).usages[usage] ?? [];
}

const SPEC_BY_AWS: ReadonlyMap<string, Spec> = new Map(SPEC_NAMES.map((name) => [SPECS[name].aws, name]));
const USAGE_BY_AWS: ReadonlyMap<string, Usage> = new Map(USAGES.map((usage) => [AWS_USAGES[usage], usage]));

/** The spec with this AWS name, or undefined. */
export function specOfAws(aws: string): Spec | undefined {
  return SPEC_BY_AWS.get(aws);
}

/** The usage with this AWS name, or undefined. */
export function usageOfAws(aws: string): Usage | undefined {
  return USAGE_BY_AWS.get(aws);
}

function spec(
  aws: string,
  family: SpecFamily,
  usages: SpecRow['usages'],
  size: number | null = null,
  curve: string | null = null,
): SpecRow {
  return { aws, family, usages, size, curve };
}

function rsa(aws: string, bits: number): SpecRow {
  return spec(aws, 'rsa', { 'sign-verify': RSA_SIGN, 'encrypt-decrypt': RSA_ENCRYPT }, bits);
}

function ec(aws: string, curve: string, algorithm: AlgorithmName): SpecRow {
  return spec(aws, 'ec', { 'sign-verify': [algorithm], 'key-agreement': ['ECDH'] }, null, curve);
}
