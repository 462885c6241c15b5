/**
 * Keys as SPKI and PKCS #8 in DER, from the bare numbers that vectors have.
 *
 * Written here rather than taken from src/, so that a fault in one does not hide in the other.
 *
 * @module
 */
import { importMaterial, loadPrivate, type PrivateHandle } from '../../src/crypto/key-material.ts';
import { specRow, type Spec } from '../../src/model/spec.ts';
import { hexBytes } from './records.ts';

/** AlgorithmIdentifier: RFC 5480, RFC 8410, RFC 8017 appendix C, RFC 9881, RFC 9935. */
const ALGORITHMS: Readonly<Partial<Record<Spec, string>>> = {
  'P-256': '301306072a8648ce3d020106082a8648ce3d030107',
  'P-384': '301006072a8648ce3d020106052b81040022',
  'P-521': '301006072a8648ce3d020106052b81040023',
  secp256k1: '301006072a8648ce3d020106052b8104000a',
  Ed25519: '300506032b6570',
  X25519: '300506032b656e',
  'RSA-2048': '300d06092a864886f70d0101010500',
  'RSA-3072': '300d06092a864886f70d0101010500',
  'RSA-4096': '300d06092a864886f70d0101010500',
  'ML-DSA-44': '300b0609608648016503040311',
  'ML-DSA-65': '300b0609608648016503040312',
  'ML-DSA-87': '300b0609608648016503040313',
  'ML-KEM-512': '300b0609608648016503040401',
  'ML-KEM-768': '300b0609608648016503040402',
  'ML-KEM-1024': '300b0609608648016503040403',
};

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const SEQUENCE = 0x30;
/** `[0] IMPLICIT OCTET STRING`: the seed of ML-DSA and ML-KEM. */
const SEED = 0x80;

/** Bytes of a coordinate, and of a scalar. */
const FIELD_BYTES: Readonly<Partial<Record<Spec, number>>> = {
  'P-256': 32,
  'P-384': 48,
  'P-521': 66,
  secp256k1: 32,
};

export interface RsaNumbers {
  readonly n: bigint;
  readonly e: bigint;
  readonly d: bigint;
  readonly p: bigint;
  readonly q: bigint;
}

/** @param key the point, or whatever the spec has in its place */
export function spkiOf(spec: Spec, key: Uint8Array): Buffer {
  return der(SEQUENCE, Buffer.from(ALGORITHMS[spec]!, 'hex'), der(BIT_STRING, Buffer.of(0), key));
}

/** @param secret scalar of any length, or seed */
export function pkcs8Of(spec: Spec, secret: Uint8Array): Buffer {
  return pkcs8(spec, inner(spec, secret));
}

/** An ML-DSA or ML-KEM key without its seed. */
export function expandedPkcs8Of(spec: Spec, key: Uint8Array): Buffer {
  return pkcs8(spec, der(OCTET_STRING, key));
}

export function rsaSpkiOf(spec: Spec, n: bigint, e: bigint): Buffer {
  return spkiOf(spec, der(SEQUENCE, integer(n), integer(e)));
}

export function rsaPkcs8Of(spec: Spec, { n, e, d, p, q }: RsaNumbers): Buffer {
  const numbers = [0n, n, e, d, p, q, d % (p - 1n), d % (q - 1n), powerOf(q, p - 2n, p)];
  return pkcs8(spec, der(SEQUENCE, ...numbers.map(integer)));
}

/** The primes of a key that was published without them: SP 800-56B rev. 2, appendix C.1. */
export function rsaNumbersOf(n: bigint, e: bigint, d: bigint): RsaNumbers {
  let odd = e * d - 1n;
  let twos = 0;
  for (; odd % 2n === 0n; odd /= 2n) twos += 1;
  for (let base = 2n; ; base += 1n) {
    let root = powerOf(base, odd, n);
    for (let step = 0; step < twos; step += 1) {
      const square = (root * root) % n;
      if (square === 1n && root !== 1n && root !== n - 1n) {
        const p = gcd(root - 1n, n);
        return { n, e, d, p, q: n / p };
      }
      root = square;
    }
  }
}

/** An uncompressed point: SEC 1, section 2.3.3. A number that is too large makes one that is too long. */
export function pointOf(spec: Spec, x: string, y: string): Buffer {
  return Buffer.concat([Buffer.of(4), elementOf(spec, hexBytes(x)), elementOf(spec, hexBytes(y))]);
}

/** Ecdsa-Sig-Value: RFC 3279, section 2.2.3. */
export function ecdsaSignatureOf(r: string, s: string): Buffer {
  return der(SEQUENCE, integer(BigInt(`0x${r}`)), integer(BigInt(`0x${s}`)));
}

export interface ImportedKey {
  readonly handle: PrivateHandle;
  readonly spki: Uint8Array;
  readonly pkcs8: Buffer;
}

/** The key as it comes in by importKey: checked, rewritten, and loaded for use. */
export function imported(spec: Spec, pkcs8: Uint8Array): ImportedKey {
  const { privateMaterial, publicKey } = importMaterial(spec, pkcs8);
  return {
    handle: loadPrivate(spec, privateMaterial.reveal()),
    spki: publicKey!,
    pkcs8: Buffer.from(privateMaterial.reveal()),
  };
}

/** The spec of an RSA modulus, or undefined where Claviger has none. */
export function rsaSpecOf(bits: number): Spec | undefined {
  return ([2048, 3072, 4096] as const)
    .map((size) => `RSA-${size}` as const)
    .find((spec) => specRow(spec).size === bits);
}

function inner(spec: Spec, secret: Uint8Array): Buffer {
  switch (specRow(spec).family) {
    case 'ec':
      return der(SEQUENCE, integer(1n), der(OCTET_STRING, elementOf(spec, secret)));
    case 'ml-dsa':
    case 'ml-kem':
      return der(SEED, secret);
    default:
      return der(OCTET_STRING, secret);
  }
}

function pkcs8(spec: Spec, key: Uint8Array): Buffer {
  return der(SEQUENCE, integer(0n), Buffer.from(ALGORITHMS[spec]!, 'hex'), der(OCTET_STRING, key));
}

/** As long as the field: vectors write numbers with as many zeros before them as they like. */
function elementOf(spec: Spec, number: Uint8Array): Buffer {
  const significant = number.subarray(number.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.alloc(Math.max(0, FIELD_BYTES[spec]! - significant.length)), significant]);
}

function integer(value: bigint): Buffer {
  const bytes = hexBytes(value.toString(16));
  return der(INTEGER, bytes[0]! & 0x80 ? Buffer.of(0) : Buffer.alloc(0), bytes);
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body]);
  const length = hexBytes(body.length.toString(16));
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, body]);
}

function powerOf(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % modulus;
    if (bit === '1') result = (result * base) % modulus;
  }
  return result;
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}
