import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import { deriveSharedSecret } from '../../../src/crypto/agree.ts';
import { privateHandle } from '../../../src/crypto/key-material.ts';
import type { Spec } from '../../../src/model/spec.ts';
import { keyOf, newKey } from './keys.ts';

const SECRET_BYTES = { 'P-256': 32, 'P-384': 48, 'P-521': 66, X25519: 32 } as const;
const REFUSED = { code: 'INVALID_ARGUMENT' };
const X25519_SPKI = Buffer.from('302a300506032b656e032100', 'hex');

for (const [spec, length] of Object.entries(SECRET_BYTES) as [Spec, number][]) {
  test(`${spec}: both sides derive the same ${length} bytes`, async () => {
    const [a, b] = [await keyOf(spec), await newKey(spec)];
    const secret = deriveSharedSecret(a.handle, b.spki);
    assert.equal(secret.length, length);
    assert.deepEqual(deriveSharedSecret(b.handle, a.spki), secret);
    assert.notDeepEqual(deriveSharedSecret(a.handle, (await newKey(spec)).spki), secret);
  });

  test(`${spec}: a key of another curve, or none, is refused`, async () => {
    const { handle, spki } = await keyOf(spec);
    for (const other of ['P-256', 'P-384', 'P-521', 'secp256k1', 'X25519', 'Ed25519', 'RSA-2048'] as const) {
      if (other === spec) continue;
      const peer = (await keyOf(other)).spki;
      assert.throws(() => deriveSharedSecret(handle, peer), REFUSED, other);
    }
    for (const bytes of [
      new Uint8Array(0),
      spki.subarray(1),
      spki.subarray(0, -1),
      Buffer.concat([spki, Buffer.of(0)]),
    ]) {
      assert.throws(() => deriveSharedSecret(handle, bytes), REFUSED);
    }
  });
}

test('a point that is not on the curve, or at infinity, is refused', async () => {
  for (const spec of ['P-256', 'P-384', 'P-521'] as const) {
    const { handle } = await keyOf(spec);
    const off = Buffer.from((await newKey(spec)).spki);
    off[off.length - 1]! ^= 1;
    assert.throws(() => deriveSharedSecret(handle, off), REFUSED);
  }
  const infinity = Buffer.from('3019301306072a8648ce3d020106082a8648ce3d03010703020000', 'hex');
  const { handle } = await keyOf('P-256');
  assert.throws(() => deriveSharedSecret(handle, infinity), REFUSED);
});

test('RFC 7748, section 6.1: a public key of small order gives an all-zero secret and is refused', async () => {
  const { handle } = await keyOf('X25519');
  const smallOrder = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ];
  for (const point of smallOrder) {
    const peer = Buffer.concat([X25519_SPKI, Buffer.from(point, 'hex')]);
    assert.throws(() => deriveSharedSecret(handle, peer), REFUSED, point);
  }
});

test('RFC 7748, section 5.2: the first vector', () => {
  const scalar = 'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4';
  const key = createPrivateKey({
    key: Buffer.from(`302e020100300506032b656e04220420${scalar}`, 'hex'),
    format: 'der',
    type: 'pkcs8',
  });
  const u = 'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c';
  const secret = deriveSharedSecret(privateHandle('X25519', key), Buffer.concat([X25519_SPKI, Buffer.from(u, 'hex')]));
  assert.equal(secret.toString('hex'), 'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552');
});
