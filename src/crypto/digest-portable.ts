/**
 * Signatures over a digest in JavaScript, by @noble/curves and @noble/post-quantum: what serves where node:ffi does not,
 * and what the tests hold against it. About twenty times slower, and constant time only as far as JavaScript can be.
 *
 * The libraries are loaded at the first use.
 *
 * @module
 */
import type * as Edwards from '@noble/curves/abstract/edwards.js';
import type * as Ed25519 from '@noble/curves/ed25519.js';
import type * as Nist from '@noble/curves/nist.js';
import type * as Secp256k1 from '@noble/curves/secp256k1.js';
import type * as MlDsa from '@noble/post-quantum/ml-dsa.js';
import { hash, type KeyObject } from 'node:crypto';
import { createRequire } from 'node:module';
import { specRow, type Spec } from '../model/spec.ts';
import type { DigestSigner } from './digest-native.ts';

const load = createRequire(import.meta.url);

export const portableDigests: DigestSigner = {
  sign(spec, key, digest) {
    const secret = secretOf(spec, key);
    try {
      return Buffer.from(primitiveOf(spec).sign(digest, secret));
    } finally {
      secret.fill(0);
    }
  },
  verify(spec, key, digest, signature) {
    try {
      return primitiveOf(spec).verify(signature, digest, key.export({ format: 'raw-public' }));
    } catch {
      // The libraries throw at signatures of another length or form.
      return false;
    }
  },
};

interface Primitive {
  readonly sign: (digest: Uint8Array, secret: Uint8Array) => Uint8Array;
  readonly verify: (signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array) => boolean;
}

const primitives = new Map<Spec, Primitive>();

function primitiveOf(spec: Spec): Primitive {
  const known = primitives.get(spec) ?? newPrimitive(spec);
  primitives.set(spec, known);
  return known;
}

function newPrimitive(spec: Spec): Primitive {
  switch (specRow(spec).family) {
    case 'ed25519':
      return ed25519ph();
    case 'ml-dsa':
      return mlDsaMu(spec);
    default:
      return ecdsa(spec);
  }
}

/** FIPS 186-5, section 6: DER, s as it falls, and a nonce hedged as in section 3.6 of RFC 6979. */
function ecdsa(spec: Spec): Primitive {
  const { p256, p384, p521 } = load('@noble/curves/nist.js') as typeof Nist;
  const { secp256k1 } = load('@noble/curves/secp256k1.js') as typeof Secp256k1;
  const curve = { 'P-256': p256, 'P-384': p384, 'P-521': p521, secp256k1 }[spec as string]!;
  const options = { prehash: false, lowS: false, format: 'der' } as const;
  return {
    sign: (digest, secret) => curve.sign(digest, secret, { ...options, extraEntropy: true }),
    verify: (signature, digest, publicKey) => curve.verify(signature, digest, publicKey, options),
  };
}

/** Ed25519ph with the empty context; its prehash is the caller's, so ours is the identity. */
function ed25519ph(): Primitive {
  const { eddsa } = load('@noble/curves/abstract/edwards.js') as typeof Edwards;
  const { ed25519 } = load('@noble/curves/ed25519.js') as typeof Ed25519;
  // dom2(1, ""): RFC 8032, section 5.1.
  const dom2 = Buffer.concat([Buffer.from('SigEd25519 no Ed25519 collisions'), Buffer.of(1, 0)]);
  const sha512 = (bytes: Uint8Array): Uint8Array => Uint8Array.from(hash('sha512', bytes, 'buffer'));
  const scheme = eddsa(ed25519.Point, Object.assign(sha512, { outputLen: 64 }) as Parameters<typeof eddsa>[1], {
    adjustScalarBytes: clamped,
    domain: (bytes: Uint8Array) => Uint8Array.from(Buffer.concat([dom2, bytes])),
    prehash: (digest: Uint8Array) => Uint8Array.from(digest),
    zip215: false,
  });
  return {
    sign: (digest, secret) => scheme.sign(digest, secret),
    verify: (signature, digest, publicKey) => scheme.verify(signature, digest, publicKey),
  };
}

/** RFC 8032, section 5.1.5, step 2. */
function clamped(scalar: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(scalar);
  bytes[0]! &= 0b1111_1000;
  bytes[31] = (bytes[31]! & 0b0111_1111) | 0b0100_0000;
  return bytes;
}

/** FIPS 204 from mu on, hedged. */
function mlDsaMu(spec: Spec): Primitive {
  const library = load('@noble/post-quantum/ml-dsa.js') as typeof MlDsa;
  const scheme = { 'ML-DSA-44': library.ml_dsa44, 'ML-DSA-65': library.ml_dsa65, 'ML-DSA-87': library.ml_dsa87 }[
    spec as string
  ]!;
  return {
    sign(digest, seed) {
      const copy = Uint8Array.from(seed);
      const { secretKey } = scheme.keygen(copy);
      try {
        return scheme.internal.sign(Uint8Array.from(digest), secretKey, { externalMu: true });
      } finally {
        copy.fill(0);
        secretKey.fill(0);
      }
    },
    verify: (signature, digest, publicKey) =>
      scheme.internal.verify(signature, Uint8Array.from(digest), publicKey, { externalMu: true }),
  };
}

/** The scalar, or the seed. */
function secretOf(spec: Spec, key: KeyObject): Buffer {
  return key.export({ format: specRow(spec).family === 'ml-dsa' ? 'raw-seed' : 'raw-private' });
}
