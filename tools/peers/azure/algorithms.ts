/**
 * Cryptography of the test server: which algorithm goes with which key, and what it takes.
 *
 * @module
 * @see https://learn.microsoft.com/azure/key-vault/keys/about-keys-details
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { readHeader } from '../../../src/bytes/der.ts';
import { ecdsaToDer } from '../../../src/bytes/der.ts';
import { signDigest, verifyDigest } from '../../../src/crypto/digest.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../../../src/model/algorithm.ts';
import type { Spec } from '../../../src/model/spec.ts';
import { badParameter } from './http.ts';
import type { Fields } from './fields.ts';

export type Family = 'RSA' | 'EC' | 'oct';

export const CURVES: Readonly<
  Record<string, { readonly spec: Spec; readonly node: string; readonly jwk: string; readonly bytes: number }>
> = {
  'P-256': { spec: 'P-256', node: 'prime256v1', jwk: 'P-256', bytes: 32 },
  'P-384': { spec: 'P-384', node: 'secp384r1', jwk: 'P-384', bytes: 48 },
  'P-521': { spec: 'P-521', node: 'secp521r1', jwk: 'P-521', bytes: 66 },
  'P-256K': { spec: 'secp256k1', node: 'secp256k1', jwk: 'secp256k1', bytes: 32 },
};

interface Signing {
  readonly ours: SigningAlgorithmName;
  readonly family: Family;
  readonly curve?: string;
}

const SIGNING: Readonly<Record<string, Signing>> = {
  PS256: { ours: 'RSASSA_PSS_SHA_256', family: 'RSA' },
  PS384: { ours: 'RSASSA_PSS_SHA_384', family: 'RSA' },
  PS512: { ours: 'RSASSA_PSS_SHA_512', family: 'RSA' },
  RS256: { ours: 'RSASSA_PKCS1_V1_5_SHA_256', family: 'RSA' },
  RS384: { ours: 'RSASSA_PKCS1_V1_5_SHA_384', family: 'RSA' },
  RS512: { ours: 'RSASSA_PKCS1_V1_5_SHA_512', family: 'RSA' },
  ES256: { ours: 'ECDSA_SHA_256', family: 'EC', curve: 'P-256' },
  ES384: { ours: 'ECDSA_SHA_384', family: 'EC', curve: 'P-384' },
  ES512: { ours: 'ECDSA_SHA_512', family: 'EC', curve: 'P-521' },
  ES256K: { ours: 'ECDSA_SHA_256', family: 'EC', curve: 'P-256K' },
};

const OAEP: Readonly<Record<string, string>> = { 'RSA-OAEP': 'sha1', 'RSA-OAEP-256': 'sha256' };
const KW: Readonly<Record<string, number>> = { A128KW: 16, A192KW: 24, A256KW: 32 };
const GCM: Readonly<Record<string, number>> = { A128GCM: 16, A192GCM: 24, A256GCM: 32 };
const KW_IV = Buffer.alloc(8, 0xa6);
const GCM_IV_BYTES = 12;
const GCM_TAG_BYTES = 16;

/** What cryptography needs to know of a key. */
export interface Usable {
  readonly family: Family;
  readonly curve: string | null;
  readonly key: KeyObject;
}

type Result = Readonly<Record<string, string>>;

export function sign(key: Usable, fields: Fields): Result {
  const algorithm = signing(key, fields.text('alg'));
  const digest = requireDigest(fields, 'value', algorithm.ours);
  const signature = signDigest(specOf(key), key.key, SIGNING_ALGORITHMS[algorithm.ours], digest);
  return { value: url(key.family === 'EC' ? p1363(signature, CURVES[key.curve!]!.bytes) : signature) };
}

export function verify(key: Usable, fields: Fields): { readonly value: boolean } {
  const algorithm = signing(key, fields.text('alg'));
  const digest = requireDigest(fields, 'digest', algorithm.ours);
  const given = fields.bytes('value');
  if (key.family === 'EC' && given.length !== CURVES[key.curve!]!.bytes * 2) return { value: false };
  const signature = key.family === 'EC' ? ecdsaToDer(given) : given;
  const publicKey = createPublicKey(key.key);
  return { value: verifyDigest(specOf(key), publicKey, SIGNING_ALGORITHMS[algorithm.ours], digest, signature) };
}

export function encrypt(key: Usable, fields: Fields): Result {
  const alg = fields.text('alg');
  const value = fields.bytes('value');
  const hash = OAEP[alg];
  if (hash !== undefined) {
    requireFamily(key, 'RSA', alg);
    requireOnlyValue(fields, alg);
    return guarded(`The 'value' is too long for ${alg}.`, () => ({
      value: url(publicEncrypt(oaep(createPublicKey(key.key), hash), value)),
    }));
  }
  const bytes = GCM[alg];
  if (bytes === undefined) throw badParameter(`The algorithm '${alg}' is not supported.`);
  requireAes(key, bytes, alg);
  // The service makes the nonce: https://learn.microsoft.com/rest/api/keyvault/keys/encrypt/encrypt
  if (fields.has('iv') || fields.has('tag'))
    throw badParameter(`Properties 'iv' and 'tag' must not be given with ${alg}.`);
  const iv = randomBytes(GCM_IV_BYTES);
  const cipher = createCipheriv(`aes-${bytes * 8}-gcm` as 'aes-256-gcm', key.key, iv);
  if (fields.has('aad')) cipher.setAAD(fields.bytes('aad'));
  const ciphertext = Buffer.concat([cipher.update(value), cipher.final()]);
  const aad: Result = fields.has('aad') ? { aad: fields.text('aad') } : {};
  return { value: url(ciphertext), iv: url(iv), tag: url(cipher.getAuthTag()), ...aad };
}

export function decrypt(key: Usable, fields: Fields): Result {
  const alg = fields.text('alg');
  const value = fields.bytes('value');
  const hash = OAEP[alg];
  if (hash !== undefined) {
    requireFamily(key, 'RSA', alg);
    requireOnlyValue(fields, alg);
    return guarded('Error occurred while decoding OAEP padding.', () => ({
      value: url(privateDecrypt(oaep(key.key, hash), value)),
    }));
  }
  const bytes = GCM[alg];
  if (bytes === undefined) throw badParameter(`The algorithm '${alg}' is not supported.`);
  requireAes(key, bytes, alg);
  const iv = fields.bytes('iv');
  const tag = fields.bytes('tag');
  if (iv.length !== GCM_IV_BYTES || tag.length !== GCM_TAG_BYTES)
    throw badParameter("Invalid length of 'iv' or 'tag'.");
  return guarded('The authentication tag is not valid.', () => {
    const cipher = createDecipheriv(`aes-${bytes * 8}-gcm` as 'aes-256-gcm', key.key, iv, {
      authTagLength: GCM_TAG_BYTES,
    });
    if (fields.has('aad')) cipher.setAAD(fields.bytes('aad'));
    cipher.setAuthTag(tag);
    return { value: url(Buffer.concat([cipher.update(value), cipher.final()])) };
  });
}

export function wrap(key: Usable, fields: Fields): Result {
  const alg = fields.text('alg');
  const bytes = KW[alg];
  if (bytes === undefined) return encryptRsa(key, fields, alg);
  requireAes(key, bytes, alg);
  requireOnlyValue(fields, alg);
  return guarded(`The 'value' has a length that ${alg} does not take.`, () => {
    const cipher = createCipheriv(`id-aes${bytes * 8}-wrap`, key.key, KW_IV);
    return { value: url(Buffer.concat([cipher.update(fields.bytes('value')), cipher.final()])) };
  });
}

export function unwrap(key: Usable, fields: Fields): Result {
  const alg = fields.text('alg');
  const bytes = KW[alg];
  if (bytes === undefined) {
    if (OAEP[alg] === undefined) throw badParameter(`The algorithm '${alg}' is not supported.`);
    return decrypt(key, fields);
  }
  requireAes(key, bytes, alg);
  requireOnlyValue(fields, alg);
  return guarded('Unable to decrypt specified value with this key.', () => {
    const cipher = createDecipheriv(`id-aes${bytes * 8}-wrap`, key.key, KW_IV);
    return { value: url(Buffer.concat([cipher.update(fields.bytes('value')), cipher.final()])) };
  });
}

function encryptRsa(key: Usable, fields: Fields, alg: string): Result {
  if (OAEP[alg] === undefined) throw badParameter(`The algorithm '${alg}' is not supported.`);
  return encrypt(key, fields);
}

function signing(key: Usable, alg: string): Signing {
  const algorithm = Object.hasOwn(SIGNING, alg) ? SIGNING[alg]! : null;
  if (algorithm === null) throw badParameter(`The algorithm '${alg}' is not supported.`);
  if (algorithm.family !== key.family || (algorithm.curve ?? null) !== key.curve)
    throw badParameter(`Key and signing algorithm are incompatible: the algorithm is '${alg}'.`);
  return algorithm;
}

function requireDigest(fields: Fields, name: string, ours: SigningAlgorithmName): Buffer {
  const digest = fields.bytes(name);
  const { digestBytes } = SIGNING_ALGORITHMS[ours];
  if (digest.length !== digestBytes)
    throw badParameter(
      `Invalid length of '${name}': ${digest.length} bytes. The algorithm requires ${digestBytes} bytes.`,
    );
  return digest;
}

function requireFamily(key: Usable, family: Family, alg: string): void {
  if (key.family !== family)
    throw badParameter(`Key and encryption algorithm are incompatible: the algorithm is '${alg}'.`);
}

function requireAes(key: Usable, bytes: number, alg: string): void {
  requireFamily(key, 'oct', alg);
  if (key.key.symmetricKeySize !== bytes) throw badParameter(`The key has another length than '${alg}' takes.`);
}

function requireOnlyValue(fields: Fields, alg: string): void {
  for (const name of ['iv', 'aad', 'tag'])
    if (fields.has(name)) throw badParameter(`Property '${name}' must not be given with ${alg}.`);
}

function specOf(key: Usable): Spec {
  if (key.curve !== null) return CURVES[key.curve]!.spec;
  return `RSA-${key.key.asymmetricKeyDetails!.modulusLength!}` as Spec;
}

function oaep(key: KeyObject, oaepHash: string) {
  return { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash };
}

function guarded(message: string, run: () => Result): Result {
  try {
    return run();
  } catch {
    throw badParameter(message);
  }
}

/** A DER signature as r ‖ s. */
function p1363(der: Buffer, bytes: number): Buffer {
  const parts: Buffer[] = [];
  let at = readHeader(der)!.contentAt;
  while (at < der.length) {
    const { contentAt, length } = readHeader(der.subarray(at))!;
    const integer = der.subarray(at + contentAt, at + contentAt + length);
    const digits = integer.length > bytes ? integer.subarray(integer.length - bytes) : integer;
    parts.push(Buffer.concat([Buffer.alloc(bytes - digits.length), digits]));
    at += contentAt + length;
  }
  return Buffer.concat(parts);
}

function url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
