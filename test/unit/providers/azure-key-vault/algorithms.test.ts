import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { nativeSpecOf, usageOfOps } from '../../../../src/providers/azure-key-vault/algorithms.ts';
import { importedJwk, shapeOf } from '../../../../src/providers/azure-key-vault/jwk.ts';

const VAULT = { managedHsm: false, protection: 'software', wrapKeyBits: 3072 } as const;
const HSM = { ...VAULT, managedHsm: true } as const;

test('a vault stands in for an AES key with an RSA key that only wraps', () => {
  const native = nativeSpecOf('AES-256-GCM', 'encrypt-decrypt', VAULT);
  assert.deepEqual(native, { kty: 'RSA', keySize: 3072, keyOps: ['wrapKey', 'unwrapKey'] });
});

test('a Managed HSM, and a vault with `protection: hsm`, makes keys in hardware', () => {
  assert.equal(nativeSpecOf('AES-256-GCM', 'encrypt-decrypt', HSM).kty, 'oct-HSM');
  assert.equal(nativeSpecOf('P-256', 'sign-verify', HSM).kty, 'EC-HSM');
  assert.equal(nativeSpecOf('RSA-2048', 'sign-verify', { ...VAULT, protection: 'hsm' }).kty, 'RSA-HSM');
});

test('what Azure does not have is refused', () => {
  for (const [spec, usage] of [
    ['Ed25519', 'sign-verify'],
    ['HMAC-SHA-256', 'mac'],
    ['P-256', 'key-agreement'],
    ['ML-DSA-65', 'sign-verify'],
  ] as const)
    assert.throws(() => nativeSpecOf(spec, usage, HSM), { code: 'UNSUPPORTED' }, spec);
});

test('a key that may both sign and encrypt has no usage of ours', () => {
  assert.equal(usageOfOps(['sign', 'verify']), 'sign-verify');
  assert.equal(usageOfOps(['wrapKey', 'unwrapKey']), 'encrypt-decrypt');
  assert.equal(usageOfOps(['sign', 'encrypt']), null);
  assert.equal(usageOfOps([]), null);
});

test('the public part is the same with and without zeros before its numbers', () => {
  for (let round = 0; round < 20; round += 1) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const spki = publicKey.export({ format: 'der', type: 'spki' });
    const { x, y } = publicKey.export({ format: 'jwk' });
    const short = (text: string): Buffer => {
      const bytes = Buffer.from(text, 'base64url');
      return bytes[0] === 0 ? bytes.subarray(1) : bytes;
    };
    const long = (text: string): Buffer => Buffer.concat([Buffer.alloc(1), Buffer.from(text, 'base64url')]);
    for (const write of [short, long]) {
      const shape = shapeOf({ kty: 'EC-HSM', crv: 'P-256', x: write(x!), y: write(y!) });
      assert.deepEqual(shape, { spec: 'P-256', publicKey: spki, hsm: true });
    }
  }
});

test('a key of a length, curve or kind that we do not have has no spec', () => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const { n, e } = publicKey.export({ format: 'jwk' });
  const jwk = { kty: 'RSA', n: Buffer.from(n!, 'base64url'), e: Buffer.from(e!, 'base64url') };
  assert.deepEqual(shapeOf(jwk), { spec: null, publicKey: null, hsm: false });
  assert.equal(shapeOf({ kty: 'EC', crv: 'P-192' }).spec, null);
  assert.equal(shapeOf({ kty: 'new-kind' }).spec, null);
});

test('what is imported is the key that was given', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const native = nativeSpecOf('secp256k1', 'sign-verify', VAULT);
  const jwk = importedJwk(privateKey.export({ format: 'der', type: 'pkcs8' }), native);
  assert.equal(jwk.crv, 'P-256K');
  assert.deepEqual(jwk.keyOps, ['sign', 'verify']);
  const text = (part: Uint8Array | undefined): string => Buffer.from(part!).toString('base64url');
  const key = { kty: 'EC', crv: 'secp256k1', x: text(jwk.x), y: text(jwk.y), d: text(jwk.d) };
  assert.equal(createPrivateKey({ key, format: 'jwk' }).equals(privateKey), true);
});

test('material of another kind, curve or length is refused before any call', () => {
  const p256 = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({
    format: 'der',
    type: 'pkcs8',
  });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'der', type: 'pkcs8' });
  for (const [material, spec, usage] of [
    [p256, 'P-384', 'sign-verify'],
    [p256, 'RSA-2048', 'sign-verify'],
    [rsa, 'RSA-3072', 'encrypt-decrypt'],
    [rsa, 'P-256', 'sign-verify'],
    [Buffer.concat([p256, p256]), 'P-256', 'sign-verify'],
    [randomBytes(16), 'AES-256-GCM', 'encrypt-decrypt'],
    [randomBytes(40), 'P-256', 'sign-verify'],
  ] as const)
    assert.throws(() => importedJwk(material, nativeSpecOf(spec, usage, HSM)), { code: 'INVALID_ARGUMENT' }, spec);
});
