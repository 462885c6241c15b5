import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, type CipherGCMTypes } from 'node:crypto';
import { test } from 'node:test';
import { systemRandom } from '../../../../src/crypto/random.ts';
import { FieldKey } from '../../../../src/envelope/fields/field-key.ts';

/** RFC 5297, appendix A. With AES-256, Python opens the example of spec/field-value.md. */
const SIV = [
  {
    name: 'aes-128-siv',
    key: 'fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',
    aad: ['101112131415161718191a1b1c1d1e1f2021222324252627'],
    plaintext: '112233445566778899aabbccddee',
    sealed: '85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c',
  },
  {
    // A.2: two headers and a nonce, which is one more header.
    name: 'aes-128-siv',
    key: '7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f',
    aad: [
      '00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100',
      '102030405060708090a0',
      '09f911029d74e35bd84156c5635688c0',
    ],
    plaintext: '7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553',
    sealed:
      '7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d',
  },
] as const;

for (const [at, { name, key, aad, plaintext, sealed }] of SIV.entries()) {
  test(`RFC 5297, A.${at + 1}: OpenSSL's SIV, called as we call it`, () => {
    const cipher = createCipheriv(name as CipherGCMTypes, Buffer.from(key, 'hex'), Buffer.alloc(0));
    for (const each of aad) cipher.setAAD(Buffer.from(each, 'hex'));
    const ciphertext = cipher.update(Buffer.from(plaintext, 'hex'));
    cipher.final();
    assert.equal(Buffer.concat([cipher.getAuthTag(), ciphertext]).toString('hex'), sealed);
    const opener = createDecipheriv(name as CipherGCMTypes, Buffer.from(key, 'hex'), Buffer.alloc(0));
    for (const each of aad) opener.setAAD(Buffer.from(each, 'hex'));
    opener.setAuthTag(Buffer.from(sealed.slice(0, 32), 'hex'));
    assert.equal(opener.update(Buffer.from(sealed.slice(32), 'hex')).toString('hex'), plaintext);
    opener.final();
  });
}

test('a thousand randomised values have a thousand nonces, and each opens', () => {
  using key = new FieldKey(systemRandom.bytes(32));
  const header = Buffer.of(1, 2, 3);
  const seen = new Set<string>();
  for (let at = 0; at < 1000; at += 1) {
    const sealed = key.sealRandom(header, Buffer.from(String(at)), header, systemRandom);
    seen.add(sealed.subarray(3, 27).toString('hex'));
    assert.equal(key.openRandom(sealed.subarray(3), header).toString(), String(at));
  }
  assert.equal(seen.size, 1000);
});

test('a deterministic value does not open with a bit changed, or with other additional data', () => {
  using key = new FieldKey(systemRandom.bytes(32));
  const aad = Buffer.from('aad');
  const sealed = key.sealDeterministic(Buffer.of(1), Buffer.from('hello'), aad).subarray(1);
  assert.equal(key.openDeterministic(sealed, aad).toString(), 'hello');
  assert.throws(() => key.openDeterministic(sealed, Buffer.from('AAD')), { code: 'INVALID_CIPHERTEXT' });
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at]! ^= 0x80;
    assert.throws(() => key.openDeterministic(changed, aad), { code: 'INVALID_CIPHERTEXT' });
  }
});

test('a field key of another length is refused and zeroed; a disposed one works no more', () => {
  const short = Buffer.alloc(31, 7);
  assert.throws(() => new FieldKey(short), { code: 'INVALID_CIPHERTEXT' });
  assert.deepEqual(short, Buffer.alloc(31));
  const secret = systemRandom.bytes(32);
  const key = new FieldKey(secret);
  key.sealRandom(Buffer.of(), Buffer.of(1), Buffer.of(), systemRandom);
  key[Symbol.dispose]();
  assert.deepEqual(secret, Buffer.alloc(32));
  assert.throws(() => key.sealRandom(Buffer.of(), Buffer.of(1), Buffer.of(), systemRandom));
  assert.throws(() => key.sealDeterministic(Buffer.of(), Buffer.of(1), Buffer.of()));
});
