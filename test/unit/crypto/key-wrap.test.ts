import assert from 'node:assert/strict';
import { constants, createCipheriv, createPrivateKey, privateDecrypt, publicEncrypt } from 'node:crypto';
import { test } from 'node:test';
import { newImportKey, unwrapImport, wrapForImport } from '../../../src/crypto/key-wrap.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import { SecretBytes } from '../../../src/crypto/secret-bytes.ts';
import { IMPORT_ALGORITHMS, type ImportAlgorithmName } from '../../../src/model/algorithm.ts';
import { flipped, keyOf } from './keys.ts';

const ALGORITHMS = Object.keys(IMPORT_ALGORITHMS) as ImportAlgorithmName[];
const REFUSED = { code: 'INVALID_CIPHERTEXT' };
const importKey = newImportKey(2048);

function wrap(algorithm: ImportAlgorithmName, spki: Uint8Array, material: Uint8Array): Buffer {
  return wrapForImport(algorithm, spki, material, systemRandom);
}

for (const algorithm of ALGORITHMS) {
  test(`${algorithm}: material comes back as it was wrapped`, async () => {
    const { privateKey, publicKey } = await importKey;
    const { privateBytes } = await keyOf('RSA-4096');
    const materials = [
      Buffer.alloc(32, 7),
      systemRandom.bytes(64),
      (await keyOf('P-521')).privateBytes.subarray(0, 138),
    ];
    if (IMPORT_ALGORITHMS[algorithm].aesKeyWrap) materials.push(Buffer.of(1), privateBytes);
    for (const material of materials) {
      using unwrapped = unwrapImport(algorithm, privateKey, wrap(algorithm, publicKey, material));
      assert.deepEqual(unwrapped.reveal(), material);
    }
  });

  test(`${algorithm}: what was changed or cut is refused in the same words`, async () => {
    const { privateKey, publicKey } = await importKey;
    // Without its leading zero, what RSA wrapped is the same number: one in 256 has one.
    let wrapped: Buffer;
    do wrapped = wrap(algorithm, publicKey, Buffer.alloc(32, 7));
    while (wrapped[0] !== 0);
    const wrong = [
      wrapped.subarray(1),
      ...[1, 100, 2047, wrapped.length * 8 - 1].map((bit) => flipped(wrapped, bit)),
      ...[0, 1, 255, wrapped.length - 1, wrapped.length - 8].map((length) => wrapped.subarray(0, length)),
      Buffer.concat([wrapped, Buffer.alloc(8)]),
      Buffer.concat([wrapped, Buffer.of(0)]),
      Buffer.alloc(wrapped.length),
    ];
    const messages = new Set<string>();
    for (const bytes of wrong) {
      assert.throws(
        () => unwrapImport(algorithm, privateKey, bytes),
        (error: Error & { code: string }) => {
          assert.equal(error.code, REFUSED.code);
          assert.equal(error.cause, undefined);
          messages.add(error.message);
          return true;
        },
      );
    }
    assert.equal(messages.size, 1);
  });

  test(`${algorithm}: material wrapped in another way is refused`, async () => {
    const { privateKey, publicKey } = await importKey;
    for (const other of ALGORITHMS) {
      const wrapped = wrap(other, publicKey, Buffer.alloc(32, 7));
      if (other !== algorithm) assert.throws(() => unwrapImport(algorithm, privateKey, wrapped), REFUSED, other);
    }
  });
}

test('a wrapping key has the size that was asked for and is kept as PKCS#8', async () => {
  for (const bits of [2048, 3072, 4096] as const) {
    const { privateKey, publicKey } = await newImportKey(bits);
    const key = createPrivateKey({ key: privateKey.reveal(), format: 'der', type: 'pkcs8' });
    assert.equal(key.asymmetricKeyDetails?.modulusLength, bits);
    using unwrapped = unwrapImport(
      'RSAES_OAEP_SHA_256',
      privateKey,
      wrap('RSAES_OAEP_SHA_256', publicKey, Buffer.alloc(32, 7)),
    );
    assert.deepEqual(unwrapped.reveal(), Buffer.alloc(32, 7));
  }
});

test('RSA_AES_KEY_WRAP is RSA-OAEP of an AES key, then RFC 5649 under that key, as PKCS#11 has it', async () => {
  const { privateKey, publicKey } = await importKey;
  const aesKey = Buffer.alloc(32, 9);
  const material = Buffer.from('some material');
  const cipher = createCipheriv('id-aes256-wrap-pad', aesKey, Buffer.from('a65959a6', 'hex'));
  const theirs = Buffer.concat([
    publicEncrypt(
      {
        key: Buffer.from(publicKey),
        format: 'der',
        type: 'spki',
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: 'sha256',
      },
      aesKey,
    ),
    cipher.update(material),
    cipher.final(),
  ]);
  using unwrapped = unwrapImport('RSA_AES_KEY_WRAP_SHA_256', privateKey, theirs);
  assert.deepEqual(unwrapped.reveal(), material);
  const ours = wrapForImport('RSA_AES_KEY_WRAP_SHA_256', publicKey, material, { bytes: () => Buffer.from(aesKey) });
  assert.deepEqual(ours.subarray(256), theirs.subarray(256));
  const key = createPrivateKey({ key: privateKey.reveal(), format: 'der', type: 'pkcs8' });
  assert.deepEqual(privateDecrypt({ key, oaepHash: 'sha256' }, ours.subarray(0, 256)), aesKey);
});

test('an AES key of another length inside the wrap is refused', async () => {
  const { privateKey, publicKey } = await importKey;
  const aesKey = Buffer.alloc(16, 9);
  const cipher = createCipheriv('id-aes128-wrap-pad', aesKey, Buffer.from('a65959a6', 'hex'));
  const wrapped = Buffer.concat([
    wrap('RSAES_OAEP_SHA_256', publicKey, aesKey),
    cipher.update(Buffer.alloc(32)),
    cipher.final(),
  ]);
  assert.throws(() => unwrapImport('RSA_AES_KEY_WRAP_SHA_256', privateKey, wrapped), REFUSED);
});

test('material too long for RSA alone is refused by its length', async () => {
  const { publicKey } = await importKey;
  for (const [algorithm, bytesMax] of [
    ['RSAES_OAEP_SHA_1', 214],
    ['RSAES_OAEP_SHA_256', 190],
  ] as const) {
    assert.equal(wrap(algorithm, publicKey, Buffer.alloc(bytesMax)).length, 256);
    assert.throws(() => wrap(algorithm, publicKey, Buffer.alloc(bytesMax + 1)), {
      code: 'INVALID_ARGUMENT',
      message: new RegExp(`at most ${bytesMax} bytes under this key, not ${bytesMax + 1}`),
    });
  }
});

test('a wrap for another key is refused', async () => {
  const { publicKey } = await importKey;
  const other = new SecretBytes(Buffer.from((await keyOf('RSA-2048')).privateBytes));
  for (const algorithm of ALGORITHMS) {
    const wrapped = wrap(algorithm, publicKey, Buffer.alloc(32, 7));
    assert.throws(() => unwrapImport(algorithm, other, wrapped), REFUSED);
  }
});
