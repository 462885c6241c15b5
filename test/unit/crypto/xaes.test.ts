import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemRandom } from '../../../src/crypto/random.ts';
import { XaesKey } from '../../../src/crypto/xaes.ts';
import type { Random } from '../../../src/ports/random.ts';
import { flipped } from './keys.ts';

const NONCE_BYTES = 24;
const OVERHEAD_BYTES = 40;
const NONE = Buffer.alloc(0);

function fixed(nonce: Uint8Array): Random {
  return { bytes: () => Buffer.from(nonce) };
}

/** C2SP XAES-256-GCM, test vectors; in the second the most significant bit of L is set. */
const VECTORS = [
  { key: 1, aad: '', ciphertext: 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271' },
  { key: 3, aad: 'c2sp.org/XAES-256-GCM', ciphertext: '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d' },
] as const;

for (const { key, aad, ciphertext } of VECTORS) {
  test(`C2SP XAES-256-GCM: the vector with the key 0${key}…`, () => {
    const nonce = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX');
    const xaes = new XaesKey(Buffer.alloc(32, key));
    const sealed = xaes.seal(Buffer.from('XAES-256-GCM'), Buffer.from(aad), fixed(nonce));
    assert.equal(sealed.toString('hex'), nonce.toString('hex') + ciphertext);
    assert.equal(xaes.open(sealed, Buffer.from(aad)).toString(), 'XAES-256-GCM');
  });
}

test('C2SP XAES-256-GCM: 10,000 accumulated random tests', () => {
  const iterations = 10_000;
  const longest = 32 + NONCE_BYTES + 2 * 256;
  const stream = createHash('shake128', { outputLength: iterations * longest }).digest();
  const accumulated = createHash('shake128', { outputLength: 32 });
  let at = 0;
  const take = (length: number): Buffer => stream.subarray(at, (at += length));
  for (let iteration = 0; iteration < iterations; iteration += 1) {
    const key = new XaesKey(take(32));
    const nonce = take(NONCE_BYTES);
    const plaintext = take(take(1)[0]!);
    const aad = take(take(1)[0]!);
    const sealed = key.seal(plaintext, aad, fixed(nonce));
    accumulated.update(sealed.subarray(NONCE_BYTES));
    assert.ok(key.open(sealed, aad).equals(plaintext));
  }
  assert.equal(accumulated.digest('hex'), 'e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939');
});

test('what was sealed opens, 40 bytes longer than it was', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 50 }), (plaintext, aad) => {
      const key = new XaesKey(systemRandom.bytes(32));
      const sealed = key.seal(plaintext, aad, systemRandom);
      assert.equal(sealed.length, plaintext.length + OVERHEAD_BYTES);
      assert.deepEqual(key.open(sealed, aad), Buffer.from(plaintext));
    }),
  );
});

test('the same text sealed twice shares no bytes', () => {
  const key = new XaesKey(systemRandom.bytes(32));
  const [a, b] = [
    key.seal(Buffer.from('twice'), NONE, systemRandom),
    key.seal(Buffer.from('twice'), NONE, systemRandom),
  ];
  assert.notDeepEqual(a.subarray(0, NONCE_BYTES), b.subarray(0, NONCE_BYTES));
  assert.notDeepEqual(a.subarray(NONCE_BYTES), b.subarray(NONCE_BYTES));
});

test('a sealed value with any one bit turned does not open', () => {
  const key = new XaesKey(systemRandom.bytes(32));
  const sealed = key.seal(Buffer.from('secret'), Buffer.from('aad'), systemRandom);
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    assert.throws(() => key.open(flipped(sealed, bit), Buffer.from('aad')), { code: 'INVALID_CIPHERTEXT' });
  }
});

test('a sealed value that was cut, grown, or belongs to another key or AAD does not open', () => {
  const key = new XaesKey(systemRandom.bytes(32));
  const sealed = key.seal(Buffer.from('secret'), Buffer.from('aad'), systemRandom);
  const refused = { code: 'INVALID_CIPHERTEXT' };
  for (let length = 0; length < sealed.length; length += 1) {
    assert.throws(() => key.open(sealed.subarray(0, length), Buffer.from('aad')), refused);
  }
  assert.throws(() => key.open(Buffer.concat([sealed, Buffer.of(0)]), Buffer.from('aad')), refused);
  assert.throws(() => key.open(sealed, Buffer.from('aaD')), refused);
  assert.throws(() => key.open(sealed, NONE), refused);
  assert.throws(() => new XaesKey(systemRandom.bytes(32)).open(sealed, Buffer.from('aad')), refused);
});

test('the key is copied: zeroing the bytes it was made of changes nothing', () => {
  const bytes = systemRandom.bytes(32);
  const key = new XaesKey(bytes);
  const sealed = key.seal(Buffer.from('x'), NONE, systemRandom);
  bytes.fill(0);
  assert.equal(key.open(sealed, NONE).toString(), 'x');
});

test('a key of another length is refused', () => {
  for (const length of [0, 16, 31, 33]) assert.throws(() => new XaesKey(Buffer.alloc(length)), TypeError);
});

test('a key that was disposed of, once or twice, seals and opens nothing', () => {
  const key = new XaesKey(systemRandom.bytes(32));
  const sealed = key.seal(Buffer.from('x'), NONE, systemRandom);
  key[Symbol.dispose]();
  key[Symbol.dispose]();
  assert.throws(() => key.seal(Buffer.from('x'), NONE, systemRandom), TypeError);
  assert.throws(() => key.open(sealed, NONE), TypeError);
});

test('prepared nonces seal as one at a time does, each once, and leave no key behind', () => {
  const secret = systemRandom.bytes(32);
  const key = new XaesKey(secret);
  const nonces = systemRandom.bytes(3 * NONCE_BYTES);
  const prepared = key.prepare(3, fixed(nonces));
  const aad = Buffer.from('aad');
  for (const at of [2, 1, 0]) {
    const nonce = nonces.subarray(at * NONCE_BYTES, (at + 1) * NONCE_BYTES);
    const sealed = prepared.seal(Buffer.from('hello'), aad, Buffer.of(9));
    assert.deepEqual(sealed, new XaesKey(secret).seal(Buffer.from('hello'), aad, fixed(nonce), Buffer.of(9)));
  }
  assert.equal(prepared.left, 0);
  assert.throws(() => prepared.seal(NONE, NONE, NONE), TypeError);
  const disposed = key.prepare(2, systemRandom);
  disposed[Symbol.dispose]();
  assert.throws(() => disposed.seal(NONE, NONE, NONE), TypeError);
});
