/**
 * Keys as Azure writes them (JWK, RFC 7517, with its own `kty` for keys in hardware), and as we do: SPKI and PKCS#8.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, type webcrypto } from 'node:crypto';
import type { JsonWebKey } from '@azure/keyvault-keys';
import { isOneSequence } from '../../bytes/der.ts';
import { ClavigerError } from '../../errors.ts';
import { SPECS, SPEC_NAMES, type Spec } from '../../model/spec.ts';
import { CURVES, type NativeSpec } from './algorithms.ts';

type NodeJwk = webcrypto.JsonWebKey;

/** Node's names of the two curves that JOSE and Azure call differently. */
const NODE_CURVES: ReadonlyMap<string, string> = new Map([['P-256K', 'secp256k1']]);
const HSM_SUFFIX = '-HSM';

/** What a native key is. */
export interface KeyShape {
  /** Null where none of our specs describes it. */
  readonly spec: Spec | null;
  /** SPKI DER; null for symmetric keys, and where the spec is null. */
  readonly publicKey: Buffer | null;
  readonly hsm: boolean;
}

/**
 * Reads the public part of a native key.
 *
 * @throws INVALID_ARGUMENT where it is no key at all
 */
export function shapeOf(jwk: JsonWebKey): KeyShape {
  const kty = jwk.kty ?? '';
  const hsm = kty.endsWith(HSM_SUFFIX);
  switch (hsm ? kty.slice(0, -HSM_SUFFIX.length) : kty) {
    case 'RSA':
      return { hsm, ...rsaShape(jwk) };
    case 'EC':
      return { hsm, ...ecShape(jwk) };
    case 'oct':
      // The service does not say how long a symmetric key is; another length shows at its first use.
      return { hsm, spec: 'AES-256-GCM', publicKey: null };
    default:
      return { hsm, spec: null, publicKey: null };
  }
}

function rsaShape({ n, e }: JsonWebKey): Omit<KeyShape, 'hsm'> {
  const key = publicKeyOf({ kty: 'RSA', n: unsigned(n).toString('base64url'), e: unsigned(e).toString('base64url') });
  const bits = key.asymmetricKeyDetails?.modulusLength;
  const spec = SPEC_NAMES.find((name) => SPECS[name].family === 'rsa' && SPECS[name].size === bits);
  if (spec === undefined) return { spec: null, publicKey: null };
  return { spec, publicKey: key.export({ format: 'der', type: 'spki' }) };
}

function ecShape({ crv, x, y }: JsonWebKey): Omit<KeyShape, 'hsm'> {
  const curve = CURVES.find(({ azure }) => azure === crv);
  if (curve === undefined) return { spec: null, publicKey: null };
  const coordinate = (bytes: Uint8Array | undefined): string => padded(unsigned(bytes), curve.bytes);
  const key = publicKeyOf({ kty: 'EC', crv: nodeCurve(curve.azure), x: coordinate(x), y: coordinate(y) });
  return { spec: curve.spec, publicKey: key.export({ format: 'der', type: 'spki' }) };
}

/**
 * The JWK to import.
 *
 * @param material raw bytes of a symmetric key, PKCS#8 DER of another
 * @throws INVALID_ARGUMENT where it is not a key of this kind
 */
export function importedJwk(material: Uint8Array, native: NativeSpec): JsonWebKey {
  const keyOps = [...native.keyOps];
  if (native.kty === 'oct-HSM') {
    if (material.length * 8 !== native.keySize)
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        `the material has ${material.length} bytes, not ${native.keySize! / 8}`,
      );
    return { kty: native.kty, keyOps, k: material };
  }
  const jwk = privateJwk(material);
  if (native.kty.startsWith('RSA') ? jwk.kty !== 'RSA' : nodeCurve(native.curve!) !== jwk.crv)
    throw new ClavigerError('INVALID_ARGUMENT', 'the material is a key of another spec');
  if (native.keySize !== undefined && unsigned(bytesOf(jwk.n)).length * 8 !== native.keySize)
    throw new ClavigerError('INVALID_ARGUMENT', 'the material is a key of another length');
  const parts = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi', 'x', 'y'] as const;
  const values = parts.flatMap((part) => (jwk[part] === undefined ? [] : [[part, bytesOf(jwk[part])] as const]));
  return {
    kty: native.kty,
    keyOps,
    ...(native.curve === undefined ? {} : { crv: native.curve }),
    ...Object.fromEntries(values),
  };
}

function privateJwk(material: Uint8Array): NodeJwk {
  try {
    // OpenSSL does not mind what comes after the key.
    if (!isOneSequence(material)) throw new RangeError('more than one structure');
    return createPrivateKey({ key: Buffer.from(material), format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
  } catch {
    throw new ClavigerError('INVALID_ARGUMENT', 'the material is not a private key in PKCS#8 DER');
  }
}

function publicKeyOf(key: NodeJwk): ReturnType<typeof createPublicKey> {
  try {
    return createPublicKey({ key, format: 'jwk' });
  } catch {
    throw new ClavigerError('INVALID_ARGUMENT', 'the public part of the key is not a key');
  }
}

function nodeCurve(azure: string): string {
  return NODE_CURVES.get(azure) ?? azure;
}

function bytesOf(text: string | undefined): Buffer {
  return Buffer.from(text ?? '', 'base64url');
}

/** Without zeros before it, which some write and some do not. */
function unsigned(bytes: Uint8Array = new Uint8Array()): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? Buffer.alloc(0) : Buffer.from(bytes.subarray(first));
}

function padded(bytes: Buffer, length: number): string {
  return Buffer.concat([Buffer.alloc(Math.max(0, length - bytes.length)), bytes]).toString('base64url');
}
