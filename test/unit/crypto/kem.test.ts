import { ml_kem1024, ml_kem512, ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decapsulate, encapsulate } from '../../../src/crypto/kem.ts';
import type { Spec } from '../../../src/model/spec.ts';
import { flipped, keyOf, newKey } from './keys.ts';

const NOBLE = { 'ML-KEM-512': ml_kem512, 'ML-KEM-768': ml_kem768, 'ML-KEM-1024': ml_kem1024 } as const;
const CIPHERTEXT_BYTES = { 'ML-KEM-512': 768, 'ML-KEM-768': 1088, 'ML-KEM-1024': 1568 } as const;

for (const [name, noble] of Object.entries(NOBLE)) {
  const spec = name as keyof typeof NOBLE;

  test(`${spec}: what was encapsulated is decapsulated, each time another secret`, async () => {
    const { handle, spki } = await keyOf(spec);
    const { ciphertext, sharedSecret } = encapsulate(spec, spki);
    assert.equal(ciphertext.length, CIPHERTEXT_BYTES[spec]);
    assert.equal(sharedSecret.length, 32);
    assert.deepEqual(decapsulate(handle, ciphertext), sharedSecret);
    assert.notDeepEqual(encapsulate(spec, spki).sharedSecret, sharedSecret);
  });

  test(`${spec}: keys, ciphertexts and implicit rejection agree with @noble/post-quantum`, async () => {
    const { handle, spki, publicKey } = await keyOf(spec);
    const theirs = noble.keygen(Uint8Array.from(handle.key.export({ format: 'raw-seed' })));
    assert.deepEqual(Buffer.from(theirs.publicKey), publicKey.export({ format: 'raw-public' }));
    const { ciphertext, sharedSecret } = encapsulate(spec, spki);
    assert.deepEqual(Buffer.from(noble.decapsulate(Uint8Array.from(ciphertext), theirs.secretKey)), sharedSecret);
    const back = noble.encapsulate(theirs.publicKey);
    assert.deepEqual(decapsulate(handle, back.cipherText), Buffer.from(back.sharedSecret));
    const changed = flipped(ciphertext, 12);
    const rejected = decapsulate(handle, changed);
    assert.notDeepEqual(rejected, sharedSecret);
    assert.deepEqual(rejected, Buffer.from(noble.decapsulate(Uint8Array.from(changed), theirs.secretKey)));
  });

  test(`${spec}: a ciphertext of another length is refused`, async () => {
    const { handle, spki } = await keyOf(spec);
    const { ciphertext } = encapsulate(spec, spki);
    for (const bytes of [new Uint8Array(0), ciphertext.subarray(1), Buffer.concat([ciphertext, Buffer.of(0)])]) {
      assert.throws(() => decapsulate(handle, bytes), { code: 'INVALID_CIPHERTEXT' });
    }
  });
}

test('a ciphertext for another key gives another secret', async () => {
  const { handle } = await keyOf('ML-KEM-768');
  const { ciphertext, sharedSecret } = encapsulate('ML-KEM-768', (await newKey('ML-KEM-768')).spki);
  assert.notDeepEqual(decapsulate(handle, ciphertext), sharedSecret);
});

test('a public key of another spec, or whose coefficients are not reduced, is refused', async () => {
  const { spki } = await keyOf('ML-KEM-512');
  assert.throws(() => encapsulate('ML-KEM-768', spki), { code: 'INVALID_ARGUMENT' });
  // FIPS 203, section 7.2: the modulus check.
  const unreduced = Buffer.from(spki);
  unreduced.fill(0xff, 22, 25);
  assert.throws(() => encapsulate('ML-KEM-512' satisfies Spec, unreduced), { code: 'INVALID_ARGUMENT' });
});
