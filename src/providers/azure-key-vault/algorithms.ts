/**
 * Our specs and algorithms, and what Azure calls them.
 *
 * A vault has RSA and EC keys, a Managed HSM also AES (`oct-HSM`). A vault stands in for an AES key with an RSA key that
 * only wraps: that is all an AES key of ours asks of its homes.
 *
 * @module
 * @see https://learn.microsoft.com/azure/key-vault/keys/about-keys-details
 */
import type { KeyCurveName, KeyOperation, KeyType, SignatureAlgorithm } from '@azure/keyvault-keys';
import { ClavigerError } from '../../errors.ts';
import {
  SIGNING_ALGORITHMS,
  type AlgorithmName,
  type EncryptionAlgorithmName,
  type SigningAlgorithmName,
} from '../../model/algorithm.ts';
import { SPECS, algorithmsOf, specRow, type Spec, type SpecFamily, type Usage } from '../../model/spec.ts';
import type { Capability, CapabilityOperation } from '../provider.ts';
import type { AzureKeyVaultConfig } from './config.ts';

/** RSA with OAEP and SHA-256, for wrapping in vaults. */
export const RSA_WRAP = 'RSA-OAEP-256';
/** Lengths of what the service gives with A256GCM: the nonce is its own choice, never ours. */
export const GCM_IV_BYTES = 12;
export const GCM_TAG_BYTES = 16;
/** A data key that is wrapped (contract), and the shortest that AES-KW takes (RFC 3394). */
export const DATA_KEY_BYTES_MAX = 64;
export const AES_KW_BYTES_MIN = 16;
export const AES_KW_BLOCK_BYTES = 8;
/** Plaintext for an AES key of a Managed HSM. The service names no limit; ours is that of every gateway. */
export const AES_PLAINTEXT_BYTES_MAX = 4096;

const RSA_SIGN: Readonly<Partial<Record<SigningAlgorithmName, SignatureAlgorithm>>> = {
  RSASSA_PSS_SHA_256: 'PS256',
  RSASSA_PSS_SHA_384: 'PS384',
  RSASSA_PSS_SHA_512: 'PS512',
  RSASSA_PKCS1_V1_5_SHA_256: 'RS256',
  RSASSA_PKCS1_V1_5_SHA_384: 'RS384',
  RSASSA_PKCS1_V1_5_SHA_512: 'RS512',
};

const RSA_ENCRYPT = {
  RSAES_OAEP_SHA_256: { azure: 'RSA-OAEP-256', hashBytes: 32 },
  RSAES_OAEP_SHA_1: { azure: 'RSA-OAEP', hashBytes: 20 },
} as const;

interface Curve {
  readonly spec: Spec;
  readonly azure: KeyCurveName;
  readonly sign: SignatureAlgorithm;
  /** Bytes of a coordinate, and of r and s. */
  readonly bytes: number;
}

export const CURVES: readonly Curve[] = [
  { spec: 'P-256', azure: 'P-256', sign: 'ES256', bytes: 32 },
  { spec: 'P-384', azure: 'P-384', sign: 'ES384', bytes: 48 },
  { spec: 'P-521', azure: 'P-521', sign: 'ES512', bytes: 66 },
  { spec: 'secp256k1', azure: 'P-256K', sign: 'ES256K', bytes: 32 },
];

const CURVE_BY_SPEC: ReadonlyMap<Spec, Curve> = new Map(CURVES.map((curve) => [curve.spec, curve]));
const RSA_SPECS = ['RSA-2048', 'RSA-3072', 'RSA-4096'] as const satisfies readonly Spec[];

/** Operations of a key as Azure has them, by what our key is for. */
const SIGN_OPS: readonly KeyOperation[] = ['sign', 'verify'];
const WRAP_OPS: readonly KeyOperation[] = ['wrapKey', 'unwrapKey'];
const ENCRYPT_OPS: readonly KeyOperation[] = ['encrypt', 'decrypt'];

/** A key to be made or imported. */
export interface NativeSpec {
  readonly kty: KeyType;
  readonly keySize?: number;
  readonly curve?: KeyCurveName;
  readonly keyOps: readonly KeyOperation[];
}

type Mode = Pick<AzureKeyVaultConfig, 'managedHsm' | 'protection' | 'wrapKeyBits'>;

/**
 * The native key for a spec and usage of ours.
 *
 * @throws UNSUPPORTED
 */
export function nativeSpecOf(spec: Spec, usage: Usage, mode: Mode): NativeSpec {
  const hsm = mode.managedHsm || mode.protection === 'hsm';
  const rsa = (keySize: number, keyOps: readonly KeyOperation[]): NativeSpec => ({
    kty: hsm ? 'RSA-HSM' : 'RSA',
    keySize,
    keyOps,
  });
  const { family, size } = specRow(spec);
  if (usage === 'encrypt-decrypt' && family === 'aes') {
    if (!mode.managedHsm) return rsa(mode.wrapKeyBits, WRAP_OPS);
    return { kty: 'oct-HSM', keySize: size! * 8, keyOps: [...ENCRYPT_OPS, ...WRAP_OPS] };
  }
  if (family === 'rsa' && usage === 'sign-verify') return rsa(size!, SIGN_OPS);
  if (family === 'rsa' && usage === 'encrypt-decrypt') return rsa(size!, ENCRYPT_OPS);
  const curve = CURVE_BY_SPEC.get(spec);
  if (curve !== undefined && usage === 'sign-verify')
    return { kty: hsm ? 'EC-HSM' : 'EC', curve: curve.azure, keyOps: SIGN_OPS };
  throw new ClavigerError('UNSUPPORTED', `there are no keys of spec \`${spec}\` for \`${usage}\` in Azure`);
}

/** True where a key may wrap and unwrap, and nothing else. */
export function onlyWraps(ops: readonly string[]): boolean {
  return ops.length > 0 && ops.every((op) => WRAP_OPS.includes(op));
}

/** The usage of a key by its operations; null where it may do more than one thing, or nothing. */
export function usageOfOps(ops: readonly string[]): Usage | null {
  const signs = SIGN_OPS.some((op) => ops.includes(op));
  const encrypts = [...ENCRYPT_OPS, ...WRAP_OPS].some((op) => ops.includes(op));
  if (signs === encrypts) return null;
  return signs ? 'sign-verify' : 'encrypt-decrypt';
}

/** @throws UNSUPPORTED where Azure does not sign with this spec */
export function signatureAlgorithm(
  spec: Spec,
  name: SigningAlgorithmName,
): { readonly azure: SignatureAlgorithm; readonly bytes: number; readonly ecdsa: boolean } {
  const curve = CURVE_BY_SPEC.get(spec);
  if (curve !== undefined) return { azure: curve.sign, bytes: curve.bytes * 2, ecdsa: true };
  const azure = RSA_SIGN[name];
  if (azure === undefined || SPECS[spec].family !== 'rsa')
    throw new ClavigerError('UNSUPPORTED', `there is no \`${name}\` for keys of spec \`${spec}\` in Azure`);
  return { azure, bytes: modulusBytes(spec), ecdsa: false };
}

/** @throws UNSUPPORTED for an algorithm that RSA keys do not have */
export function rsaEncryption(name: EncryptionAlgorithmName): {
  readonly azure: 'RSA-OAEP-256' | 'RSA-OAEP';
  readonly hashBytes: number;
} {
  if (name === 'SYMMETRIC_DEFAULT')
    throw new ClavigerError('UNSUPPORTED', `an RSA key does not encrypt with \`${name}\``);
  return RSA_ENCRYPT[name];
}

export function modulusBytes(spec: Spec): number {
  return specRow(spec).size! / 8;
}

/** Longest plaintext of RSAES-OAEP (RFC 8017, section 7.1.1). */
export function oaepBytesMax(spec: Spec, hashBytes: number): number {
  return modulusBytes(spec) - 2 * hashBytes - 2;
}

/** @throws UNSUPPORTED where neither a vault nor a Managed HSM can use a key of this spec */
export function requireFamily(spec: Spec): Extract<SpecFamily, 'aes' | 'rsa' | 'ec'> {
  const { family } = specRow(spec);
  if (family === 'aes' || family === 'rsa' || family === 'ec') return family;
  throw new ClavigerError('UNSUPPORTED', `there are no keys of spec \`${spec}\` in Azure`);
}

/** Everything that a vault or a Managed HSM can do, as data. */
export function capabilitiesOf(managedHsm: boolean): readonly Capability[] {
  const found: Capability[] = [];
  const add = (
    operation: CapabilityOperation,
    spec: Spec,
    maxBytes: number | null = null,
    algorithm?: AlgorithmName,
    input?: 'message' | 'digest',
  ): void =>
    void found.push({
      operation,
      spec,
      maxBytes,
      ...(algorithm === undefined ? {} : { algorithm }),
      ...(input === undefined ? {} : { input }),
    });

  add('wrap', 'AES-256-GCM', DATA_KEY_BYTES_MAX);
  if (managedHsm) {
    add('encrypt', 'AES-256-GCM', AES_PLAINTEXT_BYTES_MAX, 'SYMMETRIC_DEFAULT');
    add('decrypt', 'AES-256-GCM', AES_PLAINTEXT_BYTES_MAX + GCM_IV_BYTES + GCM_TAG_BYTES, 'SYMMETRIC_DEFAULT');
  }
  for (const spec of RSA_SPECS) {
    for (const name of ['RSAES_OAEP_SHA_256', 'RSAES_OAEP_SHA_1'] as const) {
      add('encrypt', spec, oaepBytesMax(spec, RSA_ENCRYPT[name].hashBytes), name);
      add('decrypt', spec, modulusBytes(spec), name);
    }
  }
  for (const spec of [...RSA_SPECS, ...CURVE_BY_SPEC.keys()]) {
    for (const name of algorithmsOf(spec, 'sign-verify') as readonly SigningAlgorithmName[]) {
      add('sign', spec, null, name, 'message');
      add('sign', spec, SIGNING_ALGORITHMS[name].digestBytes, name, 'digest');
    }
  }
  for (const spec of ['AES-256-GCM', ...RSA_SPECS, ...CURVE_BY_SPEC.keys()] as const) {
    for (const operation of ['create', 'rotate', 'destroy'] as const) add(operation, spec);
    // A vault takes no AES keys, and an RSA key in place of one is not the material that was to be imported.
    if (managedHsm || spec !== 'AES-256-GCM') add('import', spec);
  }
  return found;
}
