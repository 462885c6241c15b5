/**
 * The algorithm suites of the AWS Encryption SDK (its specification, "Algorithm suites"), by the names that its libraries
 * give them.
 *
 * All encrypt with AES-GCM, 12 bytes of IV and 16 of tag. Those of message format 2 commit to their data key; those of
 * format 1 do not, and are read only where a commitment policy says so. 0x0478 is the one that is written.
 *
 * @module
 */
import type { GcmCipher } from '../../crypto/gcm-engine.ts';

export interface Suite {
  /** As it stands in the header, such as 0x0478. */
  readonly id: number;
  readonly name: string;
  readonly formatVersion: 1 | 2;
  readonly cipher: GcmCipher;
  /** Bytes of the data key, and of the key that is derived from it. */
  readonly keyBytes: 16 | 24 | 32;
  /** Hash of HKDF; null where the data key itself encrypts. */
  readonly kdfHash: 'sha256' | 'sha384' | 'sha512' | null;
  /** Whether the header commits to the data key. */
  readonly committing: boolean;
  /** ECDSA over the whole message, its footer; null where there is none. */
  readonly signature: SignatureScheme | null;
}

export interface SignatureScheme {
  readonly curve: 'P-256' | 'P-384';
  readonly hash: 'sha256' | 'sha384';
  /** Bytes of a coordinate of the curve. */
  readonly fieldBytes: 32 | 48;
}

const P256: SignatureScheme = { curve: 'P-256', hash: 'sha256', fieldBytes: 32 };
const P384: SignatureScheme = { curve: 'P-384', hash: 'sha384', fieldBytes: 48 };

/** The suite that is written. */
export const COMMITTING_SUITE: Suite = {
  id: 0x0478,
  name: 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY',
  formatVersion: 2,
  cipher: 'aes-256-gcm',
  keyBytes: 32,
  kdfHash: 'sha512',
  committing: true,
  signature: null,
};

export const SUITES: ReadonlyMap<number, Suite> = new Map(
  [
    COMMITTING_SUITE,
    { ...COMMITTING_SUITE, id: 0x0578, name: 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384', signature: P384 },
    v1(0x0378, 'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384', 'aes-256-gcm', 32, 'sha384', P384),
    v1(0x0346, 'ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384', 'aes-192-gcm', 24, 'sha384', P384),
    v1(0x0214, 'ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256', 'aes-128-gcm', 16, 'sha256', P256),
    v1(0x0178, 'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256', 'aes-256-gcm', 32, 'sha256', null),
    v1(0x0146, 'ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA256', 'aes-192-gcm', 24, 'sha256', null),
    v1(0x0114, 'ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256', 'aes-128-gcm', 16, 'sha256', null),
    v1(0x0078, 'ALG_AES_256_GCM_IV12_TAG16_NO_KDF', 'aes-256-gcm', 32, null, null),
    v1(0x0046, 'ALG_AES_192_GCM_IV12_TAG16_NO_KDF', 'aes-192-gcm', 24, null, null),
    v1(0x0014, 'ALG_AES_128_GCM_IV12_TAG16_NO_KDF', 'aes-128-gcm', 16, null, null),
  ].map((suite) => [suite.id, Object.freeze(suite)]),
);

function v1(
  id: number,
  name: string,
  cipher: Suite['cipher'],
  keyBytes: Suite['keyBytes'],
  kdfHash: Suite['kdfHash'],
  signature: SignatureScheme | null,
): Suite {
  return { id, name, formatVersion: 1, cipher, keyBytes, kdfHash, committing: false, signature };
}
