import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js';
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, generatePrimeSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  generateMaterial,
  importMaterial,
  loadPrivate,
  loadPublic,
  publicKeyJwk,
  publicKeyPem,
  thumbprint,
} from '../../../src/crypto/key-material.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import { isAsymmetric, SPEC_NAMES, SPECS, type Spec } from '../../../src/model/spec.ts';
import { keyOf, newKey } from './keys.ts';

const REFUSED = { code: 'INVALID_ARGUMENT' };
const ASYMMETRIC = SPEC_NAMES.filter(isAsymmetric);
const SYMMETRIC = SPEC_NAMES.filter((spec) => !isAsymmetric(spec));

function pkcs8(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'pkcs8' });
}

for (const spec of SPEC_NAMES) {
  test(`material of ${spec} is imported again as it was generated`, async () => {
    const { privateBytes, spki } = await keyOf(spec);
    const imported = importMaterial(spec, privateBytes);
    assert.deepEqual(imported.privateMaterial.reveal(), privateBytes);
    assert.notEqual(imported.privateMaterial.reveal().buffer, privateBytes.buffer);
    if (isAsymmetric(spec)) assert.deepEqual(Buffer.from(imported.publicKey!), Buffer.from(spki));
    else assert.equal(imported.publicKey, null);
  });

  test(`material of ${spec} is refused by every other spec that it could be taken for`, async () => {
    const { privateBytes } = await keyOf(spec);
    for (const other of SPEC_NAMES) {
      // Raw bytes of the right length are any key: there is nothing in them to see.
      const same = other === spec || (!isAsymmetric(other) && SPECS[other].size === privateBytes.length);
      if (!same) assert.throws(() => importMaterial(other, privateBytes), REFUSED, other);
    }
  });
}

test('two keys of a spec differ', async () => {
  for (const spec of ['AES-256-GCM', 'HMAC-SHA-224', 'P-256', 'ML-KEM-512'] as const) {
    assert.notDeepEqual((await keyOf(spec)).privateBytes, (await newKey(spec)).privateBytes);
  }
});

test('symmetric material is the random bytes of its spec', async () => {
  for (const spec of SYMMETRIC) {
    const { privateMaterial, publicKey } = await generateMaterial(spec, { bytes: (length) => Buffer.alloc(length, 7) });
    assert.deepEqual(privateMaterial.reveal(), Buffer.alloc(SPECS[spec].size!, 7));
    assert.equal(publicKey, null);
  }
});

test('ML-DSA and ML-KEM keys are kept as their seed', async () => {
  for (const spec of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const) {
    assert.equal((await keyOf(spec)).privateBytes.length, 22 + 32);
  }
  for (const spec of ['ML-KEM-512', 'ML-KEM-768', 'ML-KEM-1024'] as const) {
    assert.equal((await keyOf(spec)).privateBytes.length, 22 + 64);
  }
});

test('symmetric material of another length is refused', () => {
  for (const spec of SYMMETRIC) {
    for (const length of [0, SPECS[spec].size! - 1, SPECS[spec].size! + 1]) {
      assert.throws(() => importMaterial(spec, Buffer.alloc(length)), REFUSED);
    }
  }
});

test('asymmetric material with bytes after it, or cut off, is refused', async () => {
  for (const spec of ASYMMETRIC) {
    const { privateBytes } = await keyOf(spec);
    assert.throws(() => importMaterial(spec, Buffer.concat([privateBytes, Buffer.of(0)])), REFUSED, spec);
    assert.throws(() => importMaterial(spec, privateBytes.subarray(0, -1)), REFUSED, spec);
    assert.throws(() => importMaterial(spec, new Uint8Array(0)), REFUSED, spec);
  }
});

test('any bytes are refused as asymmetric material without another error', () => {
  fc.assert(
    fc.property(fc.constantFrom<Spec>(...ASYMMETRIC), fc.uint8Array({ maxLength: 80 }), (spec, bytes) => {
      assert.throws(() => importMaterial(spec, bytes), REFUSED);
      assert.throws(() => loadPublic(spec, bytes), REFUSED);
    }),
    { numRuns: 300 },
  );
});

test('material with any byte changed is refused, or is the same key', async () => {
  const { privateBytes } = await keyOf('P-256');
  fc.assert(
    fc.property(fc.nat(privateBytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const changed = Buffer.from(privateBytes);
      changed[at]! ^= mask;
      try {
        assert.deepEqual(importMaterial('P-256', changed).privateMaterial.reveal(), privateBytes);
      } catch (error) {
        assert.equal((error as { code: string }).code, REFUSED.code);
      }
    }),
    { numRuns: 500 },
  );
});

test('other ways to write a key are refused, or written anew in our own way', async () => {
  const { handle, privateBytes } = await keyOf('P-256');
  const sec1 = handle.key.export({ format: 'der', type: 'sec1' });
  assert.throws(() => importMaterial('P-256', sec1), REFUSED);
  const pem = handle.key.export({ format: 'pem', type: 'pkcs8' });
  assert.throws(() => importMaterial('P-256', Buffer.from(pem)), REFUSED);
  assert.throws(
    () =>
      importMaterial(
        'P-256',
        handle.key.export({ format: 'der', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' }),
      ),
    REFUSED,
  );
  const withoutPoint = derOfScalar(handle.key.export({ format: 'raw-private' }));
  assert.deepEqual(importMaterial('P-256', withoutPoint).privateMaterial.reveal(), privateBytes);
});

/** PKCS#8 of a P-256 scalar without the public point. */
function derOfScalar(scalar: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from('3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420', 'hex'),
    scalar,
  ]);
}

test('a P-256 scalar of zero, of the order, or above it is refused', () => {
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  const above = Buffer.alloc(32, 0xff);
  for (const scalar of [Buffer.alloc(32), order, above]) {
    assert.throws(() => importMaterial('P-256', derOfScalar(scalar)), REFUSED);
  }
});

test('a curve key whose point is not that of its scalar is refused', async () => {
  for (const spec of ['P-256', 'P-384', 'P-521', 'secp256k1'] as const) {
    const { privateBytes, publicKey } = await keyOf(spec);
    const foreign = (await newKey(spec)).publicKey.export({ format: 'raw-public' });
    const at = privateBytes.indexOf(publicKey.export({ format: 'raw-public' }));
    assert.ok(at > 0);
    const mixed = Buffer.concat([privateBytes.subarray(0, at), foreign, privateBytes.subarray(at + foreign.length)]);
    assert.throws(() => importMaterial(spec, mixed), REFUSED, spec);
  }
});

test('an RSA key of another size, exponent or scheme is refused', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const cubic = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  for (const { privateKey } of [small, cubic, pss]) {
    assert.throws(() => importMaterial('RSA-2048', pkcs8(privateKey)), REFUSED);
  }
});

test('an RSA key of which any one part is wrong is refused', async () => {
  const { handle, privateBytes } = await keyOf('RSA-2048');
  const jwk = handle.key.export({ format: 'jwk' }) as Record<string, string>;
  for (const name of ['n', 'd', 'p', 'q', 'dp', 'dq', 'qi']) {
    const part = Buffer.from(jwk[name]!, 'base64url');
    const changed = Buffer.from(privateBytes);
    changed[privateBytes.indexOf(part) + part.length - 1]! ^= 2;
    assert.throws(() => importMaterial('RSA-2048', changed), REFUSED, name);
  }
});

test('an RSA key of factors that are not prime is refused, though its parts fit each other', () => {
  const e = 65_537n;
  for (;;) {
    const [p, q] = [prime(512) * prime(512), prime(1024)];
    const d = inverse(e, (p - 1n) * (q - 1n));
    const parts = { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
    if (d === 0n || parts.n.toString(2).length !== 2048) continue;
    const jwk = Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, base64UrlOf(part)]));
    const key = createPrivateKey({ key: { kty: 'RSA', ...jwk }, format: 'jwk' });
    assert.throws(() => importMaterial('RSA-2048', pkcs8(key)), REFUSED);
    return;
  }
});

function prime(bits: number): bigint {
  return generatePrimeSync(bits, { bigint: true });
}

/** By Euclid; 0 where there is none. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [r, next, s, t] = [value % modulus, modulus, 1n, 0n];
  while (next !== 0n) [r, next, s, t] = [next, r % next, t, s - (r / next) * t];
  return r === 1n ? ((s % modulus) + modulus) % modulus : 0n;
}

function base64UrlOf(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
}

test('an ML-DSA key without its seed is refused', () => {
  const { secretKey } = ml_dsa44.keygen();
  // PKCS#8 with the expanded key alone, the second choice of RFC 9881, section 6.
  const octets = Buffer.concat([Buffer.from('04820a00', 'hex'), secretKey]);
  const head = Buffer.from('020100300b0609608648016503040311', 'hex');
  const content = Buffer.concat([head, Buffer.from('04820a04', 'hex'), octets]);
  const der = Buffer.concat([Buffer.of(0x30, 0x82, content.length >> 8, content.length & 0xff), content]);
  assert.equal(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).asymmetricKeyType, 'ml-dsa-44');
  assert.throws(() => importMaterial('ML-DSA-44', der), { ...REFUSED, message: /without its seed/ });
});

test('an ML-DSA key with seed and expanded key is kept as its seed, where the two agree', () => {
  const seed = Buffer.alloc(32, 7);
  const { secretKey } = ml_dsa44.keygen(Uint8Array.from(seed));
  // PKCS#8 with both, the third choice of RFC 9881, section 6.
  const der = (content: Buffer, ...head: number[]): Buffer =>
    Buffer.concat([Buffer.of(...head, 0x82, content.length >> 8, content.length & 0xff), content]);
  const keyOf = (seed: Buffer): Buffer => {
    const both = der(Buffer.concat([Buffer.of(0x04, 32), seed, der(Buffer.from(secretKey), 0x04)]), 0x30);
    return der(Buffer.concat([Buffer.from('020100300b0609608648016503040311', 'hex'), der(both, 0x04)]), 0x30);
  };
  const { privateMaterial } = importMaterial('ML-DSA-44', keyOf(seed));
  assert.equal(privateMaterial.length, 22 + 32);
  assert.deepEqual(privateMaterial.reveal().subarray(22), seed);
  assert.throws(() => importMaterial('ML-DSA-44', keyOf(Buffer.alloc(32, 8))), REFUSED);
});

test('material that is loaded may be zeroed at once', async () => {
  for (const spec of ['P-256', 'HMAC-SHA-256'] as const) {
    const { privateBytes, handle } = await keyOf(spec);
    const copy = Buffer.from(privateBytes);
    const loaded = loadPrivate(spec, copy);
    copy.fill(0);
    assert.ok(loaded.key.equals(handle.key));
    assert.equal(loaded.spec, spec);
  }
});

test('a public key is parsed once for the same bytes', async () => {
  const { spki } = await keyOf('P-256');
  assert.equal(loadPublic('P-256', spki), loadPublic('P-256', spki));
  assert.notEqual(loadPublic('P-256', spki), loadPublic('P-256', Uint8Array.from(spki)));
});

test('a public key is refused by every other spec, even after it was parsed for its own', async () => {
  for (const spec of ASYMMETRIC) {
    const { spki } = await keyOf(spec);
    loadPublic(spec, spki);
    for (const other of ASYMMETRIC) {
      if (other !== spec) assert.throws(() => loadPublic(other, spki), REFUSED, `${spec} as ${other}`);
    }
    assert.throws(() => loadPublic(spec, Buffer.concat([spki, Buffer.of(0)])), REFUSED);
  }
});

test('a point that is not on its curve is refused', async () => {
  const { spki } = await keyOf('P-256');
  const off = Buffer.from(spki);
  off[off.length - 1]! ^= 1;
  assert.throws(() => loadPublic('P-256', off), REFUSED);
});

test('a public key can be had as PEM and as JWK, and read back from both', async () => {
  for (const spec of ASYMMETRIC) {
    const { spki } = await keyOf(spec);
    const fromPem = createPublicKey(publicKeyPem(spki));
    assert.deepEqual(fromPem.export({ format: 'der', type: 'spki' }), Buffer.from(spki));
    const jwk = publicKeyJwk(spki);
    assert.ok(!('d' in jwk) && !('priv' in jwk));
    const fromJwk = createPublicKey({ key: jwk, format: 'jwk' });
    assert.deepEqual(fromJwk.export({ format: 'der', type: 'spki' }), Buffer.from(spki), spec);
    assert.match(thumbprint(jwk), /^[\w-]{43}$/);
  }
});

test('RFC 7638, section 3.1: the thumbprint of an RSA key', () => {
  const jwk = {
    kty: 'RSA',
    n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
    e: 'AQAB',
    alg: 'RS256',
    kid: '2011-04-29',
  };
  assert.equal(thumbprint(jwk), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
});

test('RFC 8037, appendix A.3: the thumbprint of an Ed25519 key', () => {
  const jwk = { x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', crv: 'Ed25519', kty: 'OKP' };
  assert.equal(thumbprint(jwk), 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
});

test('a JWK of another type has no thumbprint', () => {
  assert.throws(() => thumbprint({ kty: 'oct', k: 'AA' }), TypeError);
  assert.throws(() => thumbprint({ kty: '__proto__' }), TypeError);
});

test('generated material does not come from a shared slab', async () => {
  for (const spec of ['AES-256-GCM', 'P-256'] as const) {
    const { privateMaterial } = await generateMaterial(spec, systemRandom);
    assert.equal(privateMaterial.reveal().buffer.byteLength, privateMaterial.length);
  }
});
