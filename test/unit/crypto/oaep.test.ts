import assert from 'node:assert/strict';
import { constants, privateDecrypt, publicEncrypt } from 'node:crypto';
import { test } from 'node:test';
import { oaepDecrypt, oaepEncrypt } from '../../../src/crypto/oaep.ts';
import { flipped, keyOf } from './keys.ts';

const CASES = [
  ['RSA-2048', 'RSAES_OAEP_SHA_1', 'sha1', 214],
  ['RSA-2048', 'RSAES_OAEP_SHA_256', 'sha256', 190],
  ['RSA-3072', 'RSAES_OAEP_SHA_1', 'sha1', 342],
  ['RSA-3072', 'RSAES_OAEP_SHA_256', 'sha256', 318],
  ['RSA-4096', 'RSAES_OAEP_SHA_1', 'sha1', 470],
  ['RSA-4096', 'RSAES_OAEP_SHA_256', 'sha256', 446],
] as const;

for (const [spec, algorithm, hash, bytesMax] of CASES) {
  test(`${spec} ${algorithm}: up to ${bytesMax} bytes come back, and no more are taken`, async () => {
    const { handle, spki } = await keyOf(spec);
    for (const length of [0, 1, bytesMax]) {
      const plaintext = Buffer.alloc(length, 7);
      assert.deepEqual(await oaepDecrypt(handle, algorithm, oaepEncrypt(spki, spec, algorithm, plaintext)), plaintext);
    }
    assert.throws(() => oaepEncrypt(spki, spec, algorithm, Buffer.alloc(bytesMax + 1)), {
      code: 'INVALID_ARGUMENT',
      message: new RegExp(`at most ${bytesMax} bytes, not ${bytesMax + 1}`),
    });
  });

  test(`${spec} ${algorithm}: node:crypto reads what we write, and the reverse`, async () => {
    const { handle, spki, publicKey } = await keyOf(spec);
    const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash };
    const ours = oaepEncrypt(spki, spec, algorithm, Buffer.from('x'));
    assert.equal(privateDecrypt({ key: handle.key, ...oaep }, ours).toString(), 'x');
    const theirs = publicEncrypt({ key: publicKey, ...oaep }, Buffer.from('y'));
    assert.equal((await oaepDecrypt(handle, algorithm, theirs)).toString(), 'y');
  });
}

test('every ciphertext that does not open is refused in the same words', async () => {
  const { handle, spki, publicKey } = await keyOf('RSA-2048');
  // Without its leading zero, it is the same number: one in 256 has one.
  let ciphertext: Buffer;
  do ciphertext = oaepEncrypt(spki, 'RSA-2048', 'RSAES_OAEP_SHA_256', Buffer.from('x'));
  while (ciphertext[0] !== 0);
  const wrong = [
    flipped(ciphertext, 1),
    flipped(ciphertext, 2047),
    ciphertext.subarray(1),
    Buffer.concat([ciphertext, Buffer.of(0)]),
    new Uint8Array(0),
    Buffer.alloc(256),
    Buffer.alloc(256, 0xff),
    oaepEncrypt(spki, 'RSA-2048', 'RSAES_OAEP_SHA_1', Buffer.from('x')),
    publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.from('x')),
    publicEncrypt({ key: publicKey, oaepHash: 'sha256', oaepLabel: Buffer.from('label') }, Buffer.from('x')),
  ];
  const messages = new Set<string>();
  for (const bytes of wrong) {
    await assert.rejects(oaepDecrypt(handle, 'RSAES_OAEP_SHA_256', bytes), (error: Error & { code: string }) => {
      assert.equal(error.code, 'INVALID_CIPHERTEXT');
      assert.equal(error.cause, undefined);
      messages.add(error.message);
      return true;
    });
  }
  assert.equal(messages.size, 1);
});

test('an algorithm of another spec is refused', async () => {
  for (const [spec, algorithm] of [
    ['RSA-2048', 'SYMMETRIC_DEFAULT'],
    ['P-256', 'RSAES_OAEP_SHA_256'],
  ] as const) {
    const { handle, spki } = await keyOf(spec);
    const refused = { code: 'KEY_USAGE' };
    assert.throws(() => oaepEncrypt(spki, spec, algorithm, Buffer.alloc(1)), refused);
    await assert.rejects(oaepDecrypt(handle, algorithm, Buffer.alloc(256)), refused);
  }
});
