/**
 * Our specs and algorithms ↔ those of Cloud KMS, where a version of a key has exactly one algorithm, for good.
 *
 * A provider has one of them for each spec and usage: its configuration says which. So it can say before any call what a
 * key does; keys with another algorithm are for another provider on the same key ring.
 *
 * Left out: SLH-DSA, X-Wing, AES-128, CBC and CTR, HMAC-SHA-1 and RSA without a hash, which none of our specs has; OAEP
 * with SHA-512, which none of our algorithms is; ML-DSA with mu from outside, which cannot sign a message by itself.
 *
 * @module
 * @see https://cloud.google.com/kms/docs/algorithms
 */
import type { EncryptionAlgorithmName, MacAlgorithmName, SigningAlgorithmName } from '../../model/algorithm.ts';
import { specRow, type Spec, type Usage } from '../../model/spec.ts';
import type { Capability } from '../provider.ts';
import type { GcpKmsConfig } from './config.ts';

export type Purpose =
  'ENCRYPT_DECRYPT' | 'RAW_ENCRYPT_DECRYPT' | 'ASYMMETRIC_SIGN' | 'ASYMMETRIC_DECRYPT' | 'MAC' | 'KEY_ENCAPSULATION';

export interface GcpAlgorithm {
  readonly name: string;
  readonly purpose: Purpose;
  readonly spec: Spec;
  readonly usage: Usage;
  readonly signing: SigningAlgorithmName | null;
  readonly encryption: EncryptionAlgorithmName | null;
  readonly mac: MacAlgorithmName | null;
}

const OF_PURPOSE = {
  ENCRYPT_DECRYPT: 'encrypt-decrypt',
  RAW_ENCRYPT_DECRYPT: 'encrypt-decrypt',
  ASYMMETRIC_SIGN: 'sign-verify',
  ASYMMETRIC_DECRYPT: 'encrypt-decrypt',
  MAC: 'mac',
  KEY_ENCAPSULATION: 'kem',
} as const satisfies Record<Purpose, Usage>;

/** By Google's name. */
export const ALGORITHMS: ReadonlyMap<string, GcpAlgorithm> = new Map(
  [
    cipher('GOOGLE_SYMMETRIC_ENCRYPTION', 'ENCRYPT_DECRYPT', 'AES-256-GCM', 'SYMMETRIC_DEFAULT'),
    cipher('EXTERNAL_SYMMETRIC_ENCRYPTION', 'ENCRYPT_DECRYPT', 'AES-256-GCM', 'SYMMETRIC_DEFAULT'),
    cipher('AES_256_GCM', 'RAW_ENCRYPT_DECRYPT', 'AES-256-GCM', 'SYMMETRIC_DEFAULT'),
    signer('RSA_SIGN_PSS_2048_SHA256', 'RSA-2048', 'RSASSA_PSS_SHA_256'),
    signer('RSA_SIGN_PSS_3072_SHA256', 'RSA-3072', 'RSASSA_PSS_SHA_256'),
    signer('RSA_SIGN_PSS_4096_SHA256', 'RSA-4096', 'RSASSA_PSS_SHA_256'),
    signer('RSA_SIGN_PSS_4096_SHA512', 'RSA-4096', 'RSASSA_PSS_SHA_512'),
    signer('RSA_SIGN_PKCS1_2048_SHA256', 'RSA-2048', 'RSASSA_PKCS1_V1_5_SHA_256'),
    signer('RSA_SIGN_PKCS1_3072_SHA256', 'RSA-3072', 'RSASSA_PKCS1_V1_5_SHA_256'),
    signer('RSA_SIGN_PKCS1_4096_SHA256', 'RSA-4096', 'RSASSA_PKCS1_V1_5_SHA_256'),
    signer('RSA_SIGN_PKCS1_4096_SHA512', 'RSA-4096', 'RSASSA_PKCS1_V1_5_SHA_512'),
    cipher('RSA_DECRYPT_OAEP_2048_SHA256', 'ASYMMETRIC_DECRYPT', 'RSA-2048', 'RSAES_OAEP_SHA_256'),
    cipher('RSA_DECRYPT_OAEP_3072_SHA256', 'ASYMMETRIC_DECRYPT', 'RSA-3072', 'RSAES_OAEP_SHA_256'),
    cipher('RSA_DECRYPT_OAEP_4096_SHA256', 'ASYMMETRIC_DECRYPT', 'RSA-4096', 'RSAES_OAEP_SHA_256'),
    cipher('RSA_DECRYPT_OAEP_2048_SHA1', 'ASYMMETRIC_DECRYPT', 'RSA-2048', 'RSAES_OAEP_SHA_1'),
    cipher('RSA_DECRYPT_OAEP_3072_SHA1', 'ASYMMETRIC_DECRYPT', 'RSA-3072', 'RSAES_OAEP_SHA_1'),
    cipher('RSA_DECRYPT_OAEP_4096_SHA1', 'ASYMMETRIC_DECRYPT', 'RSA-4096', 'RSAES_OAEP_SHA_1'),
    signer('EC_SIGN_P256_SHA256', 'P-256', 'ECDSA_SHA_256'),
    signer('EC_SIGN_P384_SHA384', 'P-384', 'ECDSA_SHA_384'),
    signer('EC_SIGN_SECP256K1_SHA256', 'secp256k1', 'ECDSA_SHA_256'),
    signer('EC_SIGN_ED25519', 'Ed25519', 'ED25519_SHA_512'),
    signer('PQ_SIGN_ML_DSA_44', 'ML-DSA-44', 'ML_DSA_SHAKE_256'),
    signer('PQ_SIGN_ML_DSA_65', 'ML-DSA-65', 'ML_DSA_SHAKE_256'),
    signer('PQ_SIGN_ML_DSA_87', 'ML-DSA-87', 'ML_DSA_SHAKE_256'),
    row('HMAC_SHA224', 'MAC', 'HMAC-SHA-224', { mac: 'HMAC_SHA_224' }),
    row('HMAC_SHA256', 'MAC', 'HMAC-SHA-256', { mac: 'HMAC_SHA_256' }),
    row('HMAC_SHA384', 'MAC', 'HMAC-SHA-384', { mac: 'HMAC_SHA_384' }),
    row('HMAC_SHA512', 'MAC', 'HMAC-SHA-512', { mac: 'HMAC_SHA_512' }),
    row('ML_KEM_768', 'KEY_ENCAPSULATION', 'ML-KEM-768', {}),
    row('ML_KEM_1024', 'KEY_ENCAPSULATION', 'ML-KEM-1024', {}),
  ].map((algorithm) => [algorithm.name, algorithm]),
);

/** Specs that one protection level alone has; the others are had in software and in an HSM. */
const ONLY_IN: ReadonlyMap<Spec, GcpKmsConfig['protectionLevel']> = new Map([
  ['secp256k1', 'hsm'],
  ['Ed25519', 'software'],
  ['ML-DSA-44', 'software'],
  ['ML-DSA-65', 'software'],
  ['ML-DSA-87', 'software'],
  ['ML-KEM-768', 'software'],
  ['ML-KEM-1024', 'software'],
]);

/** What a key that is imported can be: Google names these, and no others. */
const IMPORTED: ReadonlySet<Spec> = new Set<Spec>([
  'AES-256-GCM',
  'RSA-2048',
  'RSA-3072',
  'RSA-4096',
  'P-256',
  'P-384',
  'secp256k1',
  'HMAC-SHA-224',
  'HMAC-SHA-256',
  'HMAC-SHA-384',
  'HMAC-SHA-512',
]);

/** Longest plaintext of Encrypt and RawEncrypt, and longest data of AsymmetricSign and MacSign. */
const DATA_BYTES_MAX = 65_536;
/** In an HSM plaintext and additional data have this together. */
export const HSM_CIPHER_BYTES_MAX = 8192;
const HSM_MAC_BYTES_MAX = 16_384;
export interface Limits {
  readonly cipherBytes: number;
  readonly macBytes: number;
  readonly signBytes: number;
}

export function limitsOf({ protectionLevel }: Pick<GcpKmsConfig, 'protectionLevel'>): Limits {
  const hsm = protectionLevel === 'hsm';
  return {
    cipherBytes: hsm ? HSM_CIPHER_BYTES_MAX : DATA_BYTES_MAX,
    macBytes: hsm ? HSM_MAC_BYTES_MAX : DATA_BYTES_MAX,
    signBytes: DATA_BYTES_MAX,
  };
}

/** The one algorithm that keys of a spec have here for a usage; null where there is none. */
export function algorithmFor(spec: Spec, usage: Usage, config: GcpKmsConfig): GcpAlgorithm | null {
  return ALGORITHMS.values().find((one) => one.spec === spec && one.usage === usage && isOurs(one, config)) ?? null;
}

/** Whether keys with this algorithm are used here. */
export function isOurs({ spec, purpose, signing, encryption }: GcpAlgorithm, config: GcpKmsConfig): boolean {
  // External key managers encrypt with symmetric keys and sign with others, and nothing else.
  if (config.protectionLevel === 'external' && !['ENCRYPT_DECRYPT', 'ASYMMETRIC_SIGN'].includes(purpose)) return false;
  if (spec === 'AES-256-GCM') return (purpose === 'RAW_ENCRYPT_DECRYPT') === (config.symmetricKeys === 'raw');
  if (!spec.startsWith('RSA-')) return true;
  return signing === RSA_SIGNING[config.rsaSigning] || encryption === RSA_ENCRYPTION[config.rsaEncryption];
}

/** Whether keys with this algorithm are made here: some are had in software alone, or in an HSM alone. */
export function isMade({ spec }: GcpAlgorithm, { protectionLevel }: GcpKmsConfig): boolean {
  return protectionLevel !== 'external' && (ONLY_IN.get(spec) ?? protectionLevel) === protectionLevel;
}

/** Everything that the provider's keys can do. */
export function capabilitiesOf(config: GcpKmsConfig): readonly Capability[] {
  const limits = limitsOf(config);
  // One row for what Google has under two names.
  const ours = [...ALGORITHMS.values()].filter((one) => one === algorithmFor(one.spec, one.usage, config));
  const made = new Set(ours.filter((algorithm) => isMade(algorithm, config)).map(({ spec }) => spec));
  const changes = (['rotate', 'destroy'] as const).filter(
    (one) => one === 'destroy' || config.protectionLevel !== 'external',
  );
  const specs = [...new Set(ours.map(({ spec }) => spec))];
  return [
    ...ours.flatMap((algorithm) => usesOf(algorithm, limits, config)),
    ...[...made].flatMap(makingOf),
    ...changes.flatMap((operation) => specs.map((spec) => ({ operation, spec, maxBytes: null }))),
  ];
}

function usesOf(
  { spec, signing, encryption, mac, purpose }: GcpAlgorithm,
  limits: Limits,
  config: GcpKmsConfig,
): readonly Capability[] {
  if (encryption !== null) {
    const maxBytes = purpose === 'ASYMMETRIC_DECRYPT' ? oaepBytesMax(spec, encryption) : limits.cipherBytes;
    return [
      { operation: 'wrap', spec, maxBytes },
      { operation: 'encrypt', spec, algorithm: encryption, maxBytes },
      { operation: 'decrypt', spec, algorithm: encryption, maxBytes: null },
    ];
  }
  if (mac !== null) return [{ operation: 'mac', spec, algorithm: mac, maxBytes: limits.macBytes }];
  if (signing === null) return [{ operation: 'decapsulate', spec, algorithm: 'ML_KEM', maxBytes: null }];
  const sign = { operation: 'sign', spec, algorithm: signing } as const;
  if (signsData(signing, config)) return [{ ...sign, input: 'message', maxBytes: limits.signBytes }];
  return [
    { ...sign, input: 'message', maxBytes: null },
    { ...sign, input: 'digest', maxBytes: null },
  ];
}

/** Modulus less two hashes and two bytes (RFC 8017, section 7.1.1). */
export function oaepBytesMax(spec: Spec, encryption: EncryptionAlgorithmName): number {
  return specRow(spec).size! / 8 - 2 * (encryption === 'RSAES_OAEP_SHA_1' ? 20 : 32) - 2;
}

function makingOf(spec: Spec): readonly Capability[] {
  const operations = ['create', ...(IMPORTED.has(spec) ? (['import'] as const) : [])] as const;
  return operations.map((operation) => ({ operation, spec, maxBytes: null }));
}

export function isImported(spec: Spec): boolean {
  return IMPORTED.has(spec);
}

/**
 * True where the service takes the message itself: these algorithms hash in a way of their own, and an external key
 * manager takes nothing else.
 */
export function signsData(signing: SigningAlgorithmName, { protectionLevel }: GcpKmsConfig): boolean {
  return protectionLevel === 'external' || signing === 'ED25519_SHA_512' || signing === 'ML_DSA_SHAKE_256';
}

const RSA_SIGNING = {
  'pss-sha256': 'RSASSA_PSS_SHA_256',
  'pss-sha512': 'RSASSA_PSS_SHA_512',
  'pkcs1-sha256': 'RSASSA_PKCS1_V1_5_SHA_256',
  'pkcs1-sha512': 'RSASSA_PKCS1_V1_5_SHA_512',
} as const satisfies Record<GcpKmsConfig['rsaSigning'], SigningAlgorithmName>;

const RSA_ENCRYPTION = {
  'oaep-sha256': 'RSAES_OAEP_SHA_256',
  'oaep-sha1': 'RSAES_OAEP_SHA_1',
} as const satisfies Record<GcpKmsConfig['rsaEncryption'], EncryptionAlgorithmName>;

function signer(name: string, spec: Spec, signing: SigningAlgorithmName): GcpAlgorithm {
  return row(name, 'ASYMMETRIC_SIGN', spec, { signing });
}

function cipher(name: string, purpose: Purpose, spec: Spec, encryption: EncryptionAlgorithmName): GcpAlgorithm {
  return row(name, purpose, spec, { encryption });
}

function row(
  name: string,
  purpose: Purpose,
  spec: Spec,
  algorithm: Partial<Pick<GcpAlgorithm, 'signing' | 'encryption' | 'mac'>>,
): GcpAlgorithm {
  return { name, purpose, spec, usage: OF_PURPOSE[purpose], signing: null, encryption: null, mac: null, ...algorithm };
}
