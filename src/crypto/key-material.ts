/**
 * Key material: made, taken in from outside, loaded for use, and shown as a public key.
 *
 * Private material is the raw bytes of a symmetric key, or PKCS#8 DER (RFC 5958) as OpenSSL writes it: with the public
 * point for curves, as the seed for ML-DSA and ML-KEM. Public keys are SPKI DER (RFC 5280, section 4.1).
 *
 * @module
 */
import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPair,
  hash,
  sign,
  verify,
  type KeyObject,
  type PrivateKeyInput,
} from 'node:crypto';
import { promisify } from 'node:util';
import { BIT_STRING, isOneSequence, readHeader, SEQUENCE } from '../bytes/der.ts';
import { ClavigerError, errorOf } from '../errors.ts';
import { SPEC_NAMES, specRow, type Spec } from '../model/spec.ts';
import type { Random } from '../ports/random.ts';
import { SecretBytes } from './secret-bytes.ts';

export interface KeyMaterial {
  readonly privateMaterial: SecretBytes;
  /** SPKI DER; null for symmetric keys. */
  readonly publicKey: Uint8Array | null;
}

/** A private or secret key that is ready for use. */
export interface PrivateHandle {
  readonly key: KeyObject;
  readonly spec: Spec;
}

/** The members of a public JWK (RFC 7517); which there are depends on `kty`. */
export type PublicJwk = Readonly<Record<string, string>>;

const PUBLIC_EXPONENT = 65_537;

/** Fresh material of a spec; a key pair is made on the thread pool. */
export async function generateMaterial(spec: Spec, random: Random): Promise<KeyMaterial> {
  const { size } = specRow(spec);
  if (isSymmetric(spec)) return { privateMaterial: new SecretBytes(random.bytes(size!)), publicKey: null };
  return materialOf(await generatePrivate(spec));
}

/**
 * Material from outside, checked to be exactly what the spec says and written anew in our own form.
 *
 * @param bytes raw bytes for AES and HMAC, PKCS#8 DER for the others; the caller keeps them
 * @throws INVALID_ARGUMENT
 */
export function importMaterial(spec: Spec, bytes: Uint8Array): KeyMaterial {
  const { size } = specRow(spec);
  if (!isSymmetric(spec)) return materialOf(importPrivate(spec, bytes));
  if (bytes.length !== size) throw unfit(spec, `it has ${bytes.length} bytes, not ${size}`);
  return { privateMaterial: new SecretBytes(ownCopy(bytes)), publicKey: null };
}

/** Material of ours, loaded; `bytes` may be zeroed after this. */
export function loadPrivate(spec: Spec, bytes: Uint8Array): PrivateHandle {
  if (isSymmetric(spec)) return privateHandle(spec, createSecretKey(bytes));
  return privateHandle(spec, createPrivateKey({ key: viewOf(bytes), format: 'der', type: 'pkcs8' }));
}

/** A key object that came from another thread. */
export function privateHandle(spec: Spec, key: KeyObject): PrivateHandle {
  return { key, spec };
}

/**
 * A public key, parsed once for as long as these bytes live.
 *
 * @throws INVALID_ARGUMENT where they are not one public key of this spec, with nothing after it
 */
export function loadPublic(spec: Spec, spki: Uint8Array): KeyObject {
  const known = PUBLIC_KEYS.get(spki);
  if (known !== undefined && isOfSpec(spec, known)) return known;
  const key = parsePublic(spki);
  if (key === null || !isOfSpec(spec, key) || !isNamedCurveDer(spec, key, spki)) {
    throw new ClavigerError('INVALID_ARGUMENT', `the public key is not an SPKI of spec \`${spec}\` in DER`);
  }
  PUBLIC_KEYS.set(spki, key);
  return key;
}

export function publicKeyPem(spki: Uint8Array): string {
  return publicOf(spki).export({ format: 'pem', type: 'spki' });
}

/** As RFC 7517 and RFC 8037 have it; ML-DSA and ML-KEM with `kty` AKP. */
export function publicKeyJwk(spki: Uint8Array): PublicJwk {
  return publicOf(spki).export({ format: 'jwk' }) as PublicJwk;
}

/** RFC 7638: base64url of SHA-256 over the required members, in order, without white space. */
export function thumbprint(jwk: PublicJwk): string {
  const members = THUMBPRINT_MEMBERS.get(jwk['kty'] ?? '');
  if (members === undefined) throw new TypeError(`no thumbprint is defined for \`kty\` ${jwk['kty']}`);
  const required = Object.fromEntries(members.map((member) => [member, jwk[member]]));
  return hash('sha256', JSON.stringify(required), 'base64url');
}

/** The spec that a key object is one of; null where we have none for it. */
export function specOfKey(key: KeyObject): Spec | null {
  return SPEC_NAMES.find((spec) => isOfSpec(spec, key)) ?? null;
}

/** Bytes of an RSA modulus, which are those of a signature or ciphertext too. */
export function modulusBytes(key: KeyObject): number {
  return Math.ceil(key.asymmetricKeyDetails!.modulusLength! / 8);
}

/**
 * Whether a signature or ciphertext of RSA is as long as the modulus: RFC 8017, step 1 of sections 7.1.2, 7.2.2, 8.1.2 and 8.2.2.
 * OpenSSL takes ciphertexts and PSS signatures without their leading zero bytes as well, so that one in 256 would have two forms.
 */
export function isModulusLong(key: KeyObject, bytes: Uint8Array): boolean {
  return bytes.length === modulusBytes(key);
}

/** RFC 7638, section 3.2; RFC 8037, section 2; AKP as the JOSE registration of ML-DSA has it. Sorted by name. */
const THUMBPRINT_MEMBERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['AKP', ['alg', 'kty', 'pub']],
  ['EC', ['crv', 'kty', 'x', 'y']],
  ['OKP', ['crv', 'kty', 'x']],
  ['RSA', ['e', 'kty', 'n']],
]);

/** By the identity of the bytes: a cache of the store keeps them, and a key goes with its bytes. */
const PUBLIC_KEYS = new WeakMap<Uint8Array, KeyObject>();

const generate = promisify(generateKeyPair) as unknown as (
  type: string,
  options: object,
) => Promise<{ readonly privateKey: KeyObject }>;

async function generatePrivate(spec: Spec): Promise<KeyObject> {
  const { size, curve } = specRow(spec);
  const options = { modulusLength: size, publicExponent: PUBLIC_EXPONENT, namedCurve: curve };
  return (await generate(typeOf(spec), options)).privateKey;
}

function materialOf(key: KeyObject): KeyMaterial {
  return {
    privateMaterial: new SecretBytes(key.export({ format: 'der', type: 'pkcs8' })),
    publicKey: createPublicKey(key).export({ format: 'der', type: 'spki' }),
  };
}

function importPrivate(spec: Spec, bytes: Uint8Array): KeyObject {
  if (!isOneSequence(bytes)) throw unfit(spec, 'it is not one PKCS#8 structure in DER');
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: viewOf(bytes), format: 'der', type: 'pkcs8' });
  } catch {
    throw unfit(spec, 'it is not a private key in PKCS#8 DER');
  }
  if (!isOfSpec(spec, key)) throw unfit(spec, 'it is a key of another kind, curve or size');
  if (specRow(spec).family !== 'rsa') return rebuilt(spec, key);
  if (!isSoundRsa(key)) throw unfit(spec, 'its parts do not belong together');
  return key;
}

/** The same key from its scalar or seed alone: nothing else that came with it is believed or kept. */
function rebuilt(spec: Spec, key: KeyObject): KeyObject {
  const { curve } = specRow(spec);
  using secret = secretOf(spec, key);
  if (curve !== null && !isScalar(curve, secret)) throw unfit(spec, 'its scalar is not one of the curve');
  const own = createPrivateKey({
    key: secret.reveal(),
    format: isMl(spec) ? 'raw-seed' : 'raw-private',
    asymmetricKeyType: typeOf(spec),
    namedCurve: curve,
  } as unknown as PrivateKeyInput);
  if (createPublicKey(own).equals(createPublicKey(key))) return own;
  throw unfit(spec, 'its private and public parts do not belong together');
}

function secretOf(spec: Spec, key: KeyObject): SecretBytes {
  try {
    return new SecretBytes(key.export({ format: isMl(spec) ? 'raw-seed' : 'raw-private' }));
  } catch {
    throw unfit(spec, 'it is without its seed');
  }
}

/** From 1 to the order of the curve less 1. */
function isScalar(curve: string, scalar: SecretBytes): boolean {
  try {
    createECDH(curve).setPrivateKey(scalar.reveal());
    return true;
  } catch {
    return false;
  }
}

/**
 * RFC 8017, section 3.2: the conditions on the parts of a private key. OpenSSL would sign around a wrong part, by a way
 * that it keeps for faults. That p and q are prime is not proved, which takes a quarter of a second: a signature that
 * verifies shows that the key works, and whoever sends a weak key weakens his own.
 */
function isSoundRsa(key: KeyObject): boolean {
  const jwk = key.export({ format: 'jwk' }) as Readonly<Record<string, string>>;
  const part = (name: string): bigint => BigInt(`0x0${Buffer.from(jwk[name]!, 'base64url').toString('hex')}`);
  const [n, e, d, p, q] = [part('n'), part('e'), part('d'), part('p'), part('q')];
  return (
    n === p * q &&
    (e * d) % (p - 1n) === 1n &&
    (e * d) % (q - 1n) === 1n &&
    part('dp') === d % (p - 1n) &&
    part('dq') === d % (q - 1n) &&
    (part('qi') * q) % p === 1n &&
    part('qi') < p &&
    signsForItself(key)
  );
}

function signsForItself(key: KeyObject): boolean {
  const probe = Buffer.from('claviger/import');
  try {
    return verify('sha256', probe, createPublicKey(key), sign('sha256', probe, key));
  } catch {
    return false;
  }
}

/** OpenSSL's name of the key type of a spec. */
function typeOf(spec: Spec): string {
  return isMl(spec) ? spec.toLowerCase() : specRow(spec).family;
}

function isMl(spec: Spec): boolean {
  const { family } = specRow(spec);
  return family === 'ml-dsa' || family === 'ml-kem';
}

function isOfSpec(spec: Spec, key: KeyObject): boolean {
  const { size, curve } = specRow(spec);
  const { modulusLength, publicExponent, namedCurve } = key.asymmetricKeyDetails ?? {};
  return (
    key.asymmetricKeyType === typeOf(spec) &&
    (modulusLength ?? null) === size &&
    (publicExponent ?? BigInt(PUBLIC_EXPONENT)) === BigInt(PUBLIC_EXPONENT) &&
    (namedCurve ?? null) === curve
  );
}

/**
 * False for an EC key that names its curve by parameters, which RFC 5480, section 2.1.1, forbids, or that is not DER:
 * OpenSSL reads both. The key is written anew, with its point whole or compressed, and compared.
 */
function isNamedCurveDer(spec: Spec, key: KeyObject, spki: Uint8Array): boolean {
  if (specRow(spec).family !== 'ec') return true;
  const jwk = pointOf(key);
  if (jwk === null) return false;
  const whole = createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'spki' });
  if (whole.equals(spki)) return true;
  const { contentAt } = readHeader(whole)!;
  const algorithm = readHeader(whole.subarray(contentAt))!;
  const identifier = whole.subarray(contentAt, contentAt + algorithm.contentAt + algorithm.length);
  const x = Buffer.from(jwk.x!, 'base64url');
  const sign = 2 + (Buffer.from(jwk.y!, 'base64url').at(-1)! & 1);
  // Every length here is below 128: one byte.
  const point = Buffer.concat([Buffer.of(BIT_STRING, x.length + 2, 0, sign), x]);
  return Buffer.concat([Buffer.of(SEQUENCE, identifier.length + point.length), identifier, point]).equals(spki);
}

/** The point of an EC key; null for the point at infinity, which has no coordinates. */
function pointOf(key: KeyObject): { readonly x?: string; readonly y?: string } | null {
  try {
    return key.export({ format: 'jwk' });
  } catch {
    return null;
  }
}

function isSymmetric(spec: Spec): boolean {
  const { family } = specRow(spec);
  return family === 'aes' || family === 'hmac';
}

function parsePublic(spki: Uint8Array): KeyObject | null {
  if (!isOneSequence(spki)) return null;
  try {
    return createPublicKey({ key: viewOf(spki), format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}

function publicOf(spki: Uint8Array): KeyObject {
  return PUBLIC_KEYS.get(spki) ?? createPublicKey({ key: viewOf(spki), format: 'der', type: 'spki' });
}

function unfit(spec: Spec, why: string): ClavigerError {
  return errorOf('IncorrectKeyMaterial', `the key material does not fit spec \`${spec}\`: ${why}`);
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A copy with memory of its own: a shared slab would keep it beyond our reach. */
function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
