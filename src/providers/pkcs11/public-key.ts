/**
 * What the token says of a key, as our spec, usage and SPKI.
 *
 * @module
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { SPEC_NAMES, specRow, type Spec, type Usage } from '../../model/spec.ts';
import { SPEC_MECHANISMS } from './algorithms.ts';
import { CKK } from './cryptoki.ts';
import type { FoundKey } from './protocol.ts';

const OCTET_STRING = 0x04;
/** SEC 1, section 2.3.3. */
const UNCOMPRESSED = 0x04;
/** Names that some modules give as text instead of an object identifier: PKCS#11 v3.0, section 2.3.5. */
const PRINTABLE_ED25519 = '130c656477617264733235353139';

const HMAC_TYPES: ReadonlyMap<number, Spec> = new Map<number, Spec>([
  [CKK.SHA224_HMAC, 'HMAC-SHA-224'],
  [CKK.SHA256_HMAC, 'HMAC-SHA-256'],
  [CKK.SHA384_HMAC, 'HMAC-SHA-384'],
  [CKK.SHA512_HMAC, 'HMAC-SHA-512'],
]);

/** Null where none of our specs describes the key. */
export function specOf(found: FoundKey): Spec | null {
  const { keyClass, keyType, valueBytes, curve, modulus } = found;
  if (keyClass === 'secret') {
    if (keyType === CKK.AES) return valueBytes === 32 ? 'AES-256-GCM' : null;
    if (keyType !== CKK.GENERIC_SECRET) return HMAC_TYPES.get(keyType) ?? null;
    return SPEC_NAMES.find((spec) => specRow(spec).family === 'hmac' && specRow(spec).size === valueBytes) ?? null;
  }
  if (keyType === CKK.RSA) {
    const bits = modulus === null ? null : BigInt(`0x${modulus}`).toString(2).length;
    return SPEC_NAMES.find((spec) => specRow(spec).family === 'rsa' && specRow(spec).size === bits) ?? null;
  }
  if (curve === PRINTABLE_ED25519) return 'Ed25519';
  return (
    SPEC_NAMES.find((spec) => {
      const row = SPEC_MECHANISMS[spec];
      return row?.keyType === keyType && row.curve === curve;
    }) ?? null
  );
}

/** Null where the token lets the key do more than one thing, or nothing of ours. */
export function usageOf(found: FoundKey, spec: Spec | null): Usage | null {
  if (spec === null) return null;
  const signs: Usage = found.keyClass === 'private' ? 'sign-verify' : 'mac';
  const usages = new Set(
    found.uses.map((use): Usage => (use === 'sign' ? signs : use === 'derive' ? 'key-agreement' : 'encrypt-decrypt')),
  );
  const ours = [...usages].filter((usage) => usage in specRow(spec).usages);
  return ours.length === 1 ? ours[0]! : null;
}

/** SPKI DER, checked by OpenSSL: a point that is not on its curve is none. Null for symmetric keys and unknown parts. */
export function publicKeyOf(found: FoundKey): Buffer | null {
  if (found.keyClass === 'secret') return null;
  try {
    return fromParts(found)?.export({ format: 'der', type: 'spki' }) ?? null;
  } catch {
    return null;
  }
}

function fromParts(found: FoundKey): KeyObject | null {
  const { modulus, publicExponent, point, spki } = found;
  if (modulus !== null && publicExponent !== null) {
    return createPublicKey({ key: { kty: 'RSA', n: base64url(modulus), e: base64url(publicExponent) }, format: 'jwk' });
  }
  const spec = specOf(found);
  if (point !== null && spec !== null) return fromPoint(spec, Buffer.from(point, 'hex'));
  return spki === null ? null : createPublicKey({ key: Buffer.from(spki, 'hex'), format: 'der', type: 'spki' });
}

/** A point stands in an OCTET STRING in PKCS#11; some modules give it bare. */
function fromPoint(spec: Spec, point: Buffer): KeyObject | null {
  const bytes = SPEC_MECHANISMS[spec]!.fieldBytes!;
  const isEdwards = specRow(spec).family === 'ed25519';
  const size = isEdwards ? bytes : 1 + 2 * bytes;
  if (point.length !== size && !isOctetString(point, size)) return null;
  const bare = point.subarray(-size);
  if (isEdwards)
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: bare.toString('base64url') }, format: 'jwk' });
  if (bare[0] !== UNCOMPRESSED) return null;
  const x = bare.subarray(1, 1 + bytes).toString('base64url');
  const y = bare.subarray(1 + bytes).toString('base64url');
  return createPublicKey({ key: { kty: 'EC', crv: spec, x, y }, format: 'jwk' });
}

function isOctetString(bytes: Buffer, size: number): boolean {
  const header = size < 0x80 ? [OCTET_STRING, size] : [OCTET_STRING, 0x81, size];
  return bytes.length === size + header.length && header.every((byte, at) => bytes[at] === byte);
}

function base64url(hex: string): string {
  return Buffer.from(hex.replace(/^(00)+/, ''), 'hex').toString('base64url');
}
