/**
 * Every algorithm that a caller can name, one row each: what it is for, its hash and padding, the length of a digest.
 *
 * Names are those of AWS KMS, on every way in. Hash names are those of OpenSSL.
 *
 * @module
 */

/** What the signing primitive is; `crypto/` switches on it once. */
export type SignScheme = 'rsa-pss' | 'rsa-pkcs1' | 'ecdsa' | 'ed25519' | 'ed25519ph' | 'ml-dsa';

export interface SigningAlgorithm {
  readonly scheme: SignScheme;
  /** OpenSSL's name of the hash over the message; null where the scheme hashes by itself. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  /** Length that a caller's digest must have; null where the algorithm takes none. ML-DSA takes the 64-byte mu. */
  readonly digestBytes: number | null;
  /** False where only a digest is taken (Ed25519ph). */
  readonly takesMessage: boolean;
}

function signing(
  scheme: SignScheme,
  hash: SigningAlgorithm['hash'],
  digestBytes: number | null,
  takesMessage = true,
): SigningAlgorithm {
  return { scheme, hash, digestBytes, takesMessage };
}

export const SIGNING_ALGORITHMS = {
  RSASSA_PSS_SHA_256: signing('rsa-pss', 'sha256', 32),
  RSASSA_PSS_SHA_384: signing('rsa-pss', 'sha384', 48),
  RSASSA_PSS_SHA_512: signing('rsa-pss', 'sha512', 64),
  RSASSA_PKCS1_V1_5_SHA_256: signing('rsa-pkcs1', 'sha256', 32),
  RSASSA_PKCS1_V1_5_SHA_384: signing('rsa-pkcs1', 'sha384', 48),
  RSASSA_PKCS1_V1_5_SHA_512: signing('rsa-pkcs1', 'sha512', 64),
  ECDSA_SHA_256: signing('ecdsa', 'sha256', 32),
  ECDSA_SHA_384: signing('ecdsa', 'sha384', 48),
  ECDSA_SHA_512: signing('ecdsa', 'sha512', 64),
  ED25519_SHA_512: signing('ed25519', null, null),
  ED25519_PH_SHA_512: signing('ed25519ph', 'sha512', 64, false),
  ML_DSA_SHAKE_256: signing('ml-dsa', null, 64),
} as const satisfies Record<string, SigningAlgorithm>;

export type SigningAlgorithmName = keyof typeof SIGNING_ALGORITHMS;

export const ENCRYPTION_ALGORITHMS = {
  SYMMETRIC_DEFAULT: { scheme: 'xaes-256-gcm', hash: null },
  RSAES_OAEP_SHA_1: { scheme: 'rsa-oaep', hash: 'sha1' },
  RSAES_OAEP_SHA_256: { scheme: 'rsa-oaep', hash: 'sha256' },
} as const;

export type EncryptionAlgorithmName = keyof typeof ENCRYPTION_ALGORITHMS;

export const MAC_ALGORITHMS = {
  HMAC_SHA_224: { hash: 'sha224', macBytes: 28 },
  HMAC_SHA_256: { hash: 'sha256', macBytes: 32 },
  HMAC_SHA_384: { hash: 'sha384', macBytes: 48 },
  HMAC_SHA_512: { hash: 'sha512', macBytes: 64 },
} as const;

export type MacAlgorithmName = keyof typeof MAC_ALGORITHMS;

/** Ways to wrap key material for import; the RSA wrapping key is 2048, 3072 or 4096 bits long. */
export const IMPORT_ALGORITHMS = {
  RSAES_OAEP_SHA_1: { hash: 'sha1', aesKeyWrap: false },
  RSAES_OAEP_SHA_256: { hash: 'sha256', aesKeyWrap: false },
  RSA_AES_KEY_WRAP_SHA_1: { hash: 'sha1', aesKeyWrap: true },
  RSA_AES_KEY_WRAP_SHA_256: { hash: 'sha256', aesKeyWrap: true },
} as const;

export type ImportAlgorithmName = keyof typeof IMPORT_ALGORITHMS;

export type AlgorithmName = SigningAlgorithmName | EncryptionAlgorithmName | MacAlgorithmName | 'ECDH' | 'ML_KEM';
