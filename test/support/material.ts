/**
 * Key material of every spec, made by node:crypto and not by us: what an owner imports.
 *
 * @module
 */
import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { SPECS, specRow, type Spec } from '../../src/model/spec.ts';

export interface OwnMaterial {
  /** Raw bytes, or PKCS#8 DER. */
  readonly material: Buffer;
  /** Null for symmetric specs. */
  readonly publicKey: KeyObject | null;
  /** The parts of it that nobody may see, by name. */
  readonly secrets: Readonly<Record<string, Uint8Array>>;
}

const generate = generateKeyPairSync as unknown as (
  type: string,
  options: object,
) => { readonly privateKey: KeyObject; readonly publicKey: KeyObject };

export function newMaterial(spec: Spec): OwnMaterial {
  const { family, size, curve } = specRow(spec);
  if (family === 'aes' || family === 'hmac') {
    const material = randomBytes(size!);
    return { material, publicKey: null, secrets: { key: material } };
  }
  const type = family === 'ml-dsa' || family === 'ml-kem' ? spec.toLowerCase() : family;
  const { privateKey, publicKey } = generate(type, { modulusLength: size, namedCurve: curve });
  const material = privateKey.export({ format: 'der', type: 'pkcs8' });
  return { material, publicKey, secrets: { pkcs8: material, ...secretParts(privateKey, family) } };
}

/** Families that can be imported: all of them. */
export const IMPORTABLE = Object.keys(SPECS) as readonly Spec[];

function secretParts(key: KeyObject, family: string): Record<string, Uint8Array> {
  const jwk = key.export({ format: 'jwk' }) as Record<string, string>;
  const names = family === 'rsa' ? ['d', 'p', 'q', 'dp', 'dq', 'qi'] : family.startsWith('ml-') ? ['priv'] : ['d'];
  return Object.fromEntries(names.map((name) => [name, Buffer.from(jwk[name]!, 'base64url')]));
}
