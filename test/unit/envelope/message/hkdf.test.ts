import assert from 'node:assert/strict';
import { hkdfSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { hkdf } from '../../../../src/envelope/message/hkdf.ts';

test('HKDF gives what RFC 5869, appendix A.1 has', () => {
  const [output] = hkdf('sha256', Buffer.from('000102030405060708090a0b0c', 'hex'), Buffer.alloc(22, 0x0b), [
    Buffer.from('f0f1f2f3f4f5f6f7f8f901', 'hex'),
  ]);
  assert.equal(output!.toString('hex'), '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf');
});

test('HKDF gives what OpenSSL gives, for every hash, salt and length of key, and no input leaks into the next', () => {
  for (let round = 0; round < 200; round++) {
    for (const [name, bytes] of [
      ['sha256', 32],
      ['sha384', 48],
      ['sha512', 64],
    ] as const) {
      const salt = randomBytes(round % 33);
      const key = randomBytes([16, 24, 32][round % 3]!);
      const infos = Array.from({ length: round % 3 }, (_, at) => randomBytes(at + (round % 34)));
      const outputs = hkdf(
        name,
        salt,
        key,
        infos.map((info) => Buffer.concat([info, Buffer.of(1)])),
      );
      assert.deepEqual(
        outputs,
        infos.map((info) => Buffer.from(hkdfSync(name, key, salt, info, bytes))),
      );
    }
  }
});
