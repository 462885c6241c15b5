/**
 * Our specs and algorithms ↔ Transit's.
 *
 * Transit has no secp256k1, no key agreement and no OAEP with SHA-1. Its HMAC keys begin at 32 bytes, so there is no
 * HMAC-SHA-224. Post-quantum signatures and Ed25519ph are in Vault Enterprise alone and are left out.
 *
 * @module
 * @see https://developer.hashicorp.com/vault/api-docs/secret/transit
 */
import {
  SIGNING_ALGORITHMS,
  type AlgorithmName,
  type EncryptionAlgorithmName,
  type MacAlgorithmName,
  type SigningAlgorithmName,
} from '../../model/algorithm.ts';
import { algorithmsOf, SPEC_NAMES, specRow, type Spec, type Usage } from '../../model/spec.ts';
import type { Capability, CapabilityOperation } from '../provider.ts';

/** Data keys are at most this long (WrapFacet). */
export const DATA_KEY_BYTES_MAX = 64;
/** More than any caller of ours can send, and far less than the 32 MiB of a request that Vault takes. */
export const INPUT_BYTES_MAX = 1024 * 1024;

interface TypeRow {
  readonly type: string;
  /** What is asked for beside the type. */
  readonly keySizeBytes?: number;
  readonly usages: readonly Usage[];
}

const TYPES: Readonly<Partial<Record<Spec, TypeRow>>> = {
  'AES-256-GCM': { type: 'aes256-gcm96', usages: ['encrypt-decrypt'] },
  'RSA-2048': { type: 'rsa-2048', usages: ['sign-verify', 'encrypt-decrypt'] },
  'RSA-3072': { type: 'rsa-3072', usages: ['sign-verify', 'encrypt-decrypt'] },
  'RSA-4096': { type: 'rsa-4096', usages: ['sign-verify', 'encrypt-decrypt'] },
  'P-256': { type: 'ecdsa-p256', usages: ['sign-verify'] },
  'P-384': { type: 'ecdsa-p384', usages: ['sign-verify'] },
  'P-521': { type: 'ecdsa-p521', usages: ['sign-verify'] },
  Ed25519: { type: 'ed25519', usages: ['sign-verify'] },
  'HMAC-SHA-256': { type: 'hmac', keySizeBytes: 32, usages: ['mac'] },
  'HMAC-SHA-384': { type: 'hmac', keySizeBytes: 48, usages: ['mac'] },
  'HMAC-SHA-512': { type: 'hmac', keySizeBytes: 64, usages: ['mac'] },
};

/** What an HMAC key has where Vault says nothing: versions before `key_size` made no others. */
const HMAC_KEY_BYTES_DEFAULT = 32;

const rsa = (hash: string, scheme: 'pss' | 'pkcs1v15'): Readonly<Record<string, string>> => ({
  hash_algorithm: hash,
  signature_algorithm: scheme,
  // Left out, a salt would be as long as fits.
  ...(scheme === 'pss' ? { salt_length: 'hash' } : {}),
});
const ecdsa = (hash: string): Readonly<Record<string, string>> => ({
  hash_algorithm: hash,
  marshaling_algorithm: 'asn1',
});

/** Fields of a request to sign. */
const SIGNING: Readonly<Partial<Record<SigningAlgorithmName, Readonly<Record<string, string>>>>> = {
  RSASSA_PSS_SHA_256: rsa('sha2-256', 'pss'),
  RSASSA_PSS_SHA_384: rsa('sha2-384', 'pss'),
  RSASSA_PSS_SHA_512: rsa('sha2-512', 'pss'),
  RSASSA_PKCS1_V1_5_SHA_256: rsa('sha2-256', 'pkcs1v15'),
  RSASSA_PKCS1_V1_5_SHA_384: rsa('sha2-384', 'pkcs1v15'),
  RSASSA_PKCS1_V1_5_SHA_512: rsa('sha2-512', 'pkcs1v15'),
  ECDSA_SHA_256: ecdsa('sha2-256'),
  ECDSA_SHA_384: ecdsa('sha2-384'),
  ECDSA_SHA_512: ecdsa('sha2-512'),
  ED25519_SHA_512: {},
};

/** Only the hash of the key's own length: Transit would take any, our specs have one each. */
const MACS: Readonly<Partial<Record<MacAlgorithmName, string>>> = {
  HMAC_SHA_256: 'sha2-256',
  HMAC_SHA_384: 'sha2-384',
  HMAC_SHA_512: 'sha2-512',
};

const ENCRYPTION: ReadonlySet<AlgorithmName> = new Set(['SYMMETRIC_DEFAULT', 'RSAES_OAEP_SHA_256']);

/** RFC 8017, section 7.1.1, with SHA-256. */
const OAEP_EXTRA_BYTES = 2 * 32 + 2;

/** Transit's type for a spec; undefined where it has none. */
export function typeOf(spec: Spec): TypeRow | undefined {
  return TYPES[spec];
}

/** The spec of a key of Transit; null where we have none for it. */
export function specOf(type: string, keySizeBytes: number | undefined): Spec | null {
  const size = type === 'hmac' ? keySizeBytes || HMAC_KEY_BYTES_DEFAULT : undefined;
  return SPEC_NAMES.find((spec) => TYPES[spec]?.type === type && TYPES[spec].keySizeBytes === size) ?? null;
}

/** Fields that ask for this signature; undefined where the spec has none of this kind here. */
export function signingFields(
  spec: Spec,
  algorithm: SigningAlgorithmName,
): Readonly<Record<string, string>> | undefined {
  return algorithmsOf(spec, 'sign-verify').includes(algorithm) ? SIGNING[algorithm] : undefined;
}

/** Transit's name of the hash; undefined where the spec has no such MAC here. */
export function macHash(spec: Spec, algorithm: MacAlgorithmName): string | undefined {
  return algorithmsOf(spec, 'mac').includes(algorithm) ? MACS[algorithm] : undefined;
}

/** Longest plaintext; undefined where the spec has no such cipher here. */
export function plaintextBytesMax(spec: Spec, algorithm: EncryptionAlgorithmName): number | undefined {
  if (!algorithmsOf(spec, 'encrypt-decrypt').includes(algorithm) || !ENCRYPTION.has(algorithm)) return undefined;
  const { family, size } = specRow(spec);
  return family === 'rsa' ? size! / 8 - OAEP_EXTRA_BYTES : INPUT_BYTES_MAX;
}

/** All that can be done, of every spec that Transit has. */
export const CAPABILITIES: readonly Capability[] = SPEC_NAMES.filter((spec) => typeOf(spec) !== undefined).flatMap(
  capabilitiesOf,
);

function capabilitiesOf(spec: Spec): readonly Capability[] {
  const plain = (operation: CapabilityOperation, maxBytes: number | null = null): Capability => ({
    operation,
    spec,
    maxBytes,
  });
  const rows = (['create', 'rotate', 'import', 'destroy'] as const).map((operation) => plain(operation));
  if (specRow(spec).family === 'aes') rows.push(plain('wrap', DATA_KEY_BYTES_MAX));
  for (const algorithm of algorithmsOf(spec, 'encrypt-decrypt') as readonly EncryptionAlgorithmName[]) {
    const maxBytes = plaintextBytesMax(spec, algorithm);
    if (maxBytes === undefined) continue;
    rows.push({ operation: 'encrypt', spec, algorithm, maxBytes });
    rows.push({ operation: 'decrypt', spec, algorithm, maxBytes: null });
  }
  for (const algorithm of algorithmsOf(spec, 'sign-verify') as readonly SigningAlgorithmName[]) {
    if (signingFields(spec, algorithm) === undefined) continue;
    rows.push({ operation: 'sign', spec, algorithm, input: 'message', maxBytes: INPUT_BYTES_MAX });
    const { digestBytes } = SIGNING_ALGORITHMS[algorithm];
    if (digestBytes !== null) rows.push({ operation: 'sign', spec, algorithm, input: 'digest', maxBytes: digestBytes });
  }
  for (const algorithm of algorithmsOf(spec, 'mac') as readonly MacAlgorithmName[]) {
    if (macHash(spec, algorithm) === undefined) continue;
    rows.push({ operation: 'mac', spec, algorithm, maxBytes: INPUT_BYTES_MAX });
  }
  return rows;
}
