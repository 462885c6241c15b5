import assert from 'node:assert/strict';
import { hkdfSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { nativeHkdfSha512 } from '../../../../src/envelope/message/hkdf-native.ts';
import { portableHkdf } from '../../../../src/envelope/message/hkdf-portable.ts';
import { hkdf } from '../../../../src/envelope/message/hkdf.ts';
import { runWithoutFfi } from '../../../support/without-ffi.ts';

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
      const expected = infos.map((info) => Buffer.from(hkdfSync(name, key, salt, info, bytes)));
      const counted = infos.map((info) => Buffer.concat([info, Buffer.of(1)]));
      for (const derive of [hkdf, portableHkdf]) assert.deepEqual(derive(name, salt, key, counted), expected);
    }
  }
});

test('what was derived is changed by nothing that is derived later', () => {
  const [salt, key, info] = [randomBytes(32), randomBytes(32), [randomBytes(10)]] as const;
  const first = hkdf('sha512', salt, key, info)[0]!;
  const hex = first.toString('hex');
  hkdf('sha512', key, salt, info)[0]!.fill(0);
  assert.equal(first.toString('hex'), hex);
  first.fill(0);
  assert.equal(hkdf('sha512', salt, key, info)[0]!.toString('hex'), hex);
});

test('this Node derives through node:ffi, and without it all the same', async () => {
  assert.ok(nativeHkdfSha512);
  const here = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    const { nativeHkdfSha512 } = await import(${here('../../../../src/envelope/message/hkdf-native.ts')});
    const { hkdf } = await import(${here('../../../../src/envelope/message/hkdf.ts')});
    const [output] = hkdf('sha512', Buffer.alloc(32), Buffer.alloc(32), [Buffer.of(1)]);
    console.log(nativeHkdfSha512, output.toString('hex'));`;
  const { stdout, stderr } = await runWithoutFfi(program);
  const expected = Buffer.from(hkdfSync('sha512', Buffer.alloc(32), Buffer.alloc(32), '', 64)).toString('hex');
  assert.deepEqual([stdout.trim(), stderr], [`null ${expected}`, '']);
});
