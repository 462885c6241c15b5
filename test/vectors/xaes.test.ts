/**
 * XAES-256-GCM (C2SP), the only way in which Claviger uses AES-GCM.
 *
 * - https://c2sp.org/XAES-256-GCM, Test vectors: the two fixed ones, and 10,000 accumulated random ones. The 1,000,000 take
 *   half a minute; `CLAVIGER_XAES_MILLION=1` runs them.
 * - Python's `cryptography`, over the shapes (message, additional data) of Project Wycheproof's `aes_gcm_test.json` with
 *   256-bit keys: what is sealed here it opens, and the reverse.
 *
 * Not run: Wycheproof's and NIST's AES-GCM ciphertexts themselves. They are under keys that no XAES key derives.
 */
import assert from 'node:assert/strict';
import { createHash, hash } from 'node:crypto';
import { test } from 'node:test';
import { systemRandom } from '../../src/crypto/random.ts';
import { XaesKey } from '../../src/crypto/xaes.ts';
import type { Random } from '../../src/ports/random.ts';
import { askVerifier, requirePeer, type VerifierRequest } from '../../tools/peers/require.ts';
import { outcomeOf, Tally } from './tally.ts';
import { readWycheproof } from './wycheproof.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 24;
const ALG = 'XAES_256_GCM';

for (const { key, aad, ciphertext } of [
  { key: 1, aad: '', ciphertext: 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271' },
  {
    key: 3,
    aad: 'c2sp.org/XAES-256-GCM',
    ciphertext: '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d',
  },
]) {
  test(`C2SP: the vector whose key is 0${key} 32 times`, () => {
    const nonce = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX');
    const xaes = new XaesKey(Buffer.alloc(KEY_BYTES, key));
    const sealed = xaes.seal(Buffer.from('XAES-256-GCM'), Buffer.from(aad), given(nonce));
    assert.equal(sealed.toString('hex'), nonce.toString('hex') + ciphertext);
    assert.equal(xaes.open(sealed, Buffer.from(aad)).toString(), 'XAES-256-GCM');
  });
}

test('C2SP: 10,000 accumulated random vectors', () => {
  assert.equal(accumulated(10_000), 'e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939');
});

const million = process.env['CLAVIGER_XAES_MILLION'] === '1';
if (million) {
  test('C2SP: 1,000,000 accumulated random vectors', () => {
    assert.equal(accumulated(1_000_000), '2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15');
  });
}

test('Python opens what is sealed here, and what it seals opens here', async (t) => {
  const python = await requirePeer(t, 'python');
  const wycheproof = await requirePeer(t, 'wycheproof');
  if (python === null || wycheproof === null) return;
  const groups = await readWycheproof<{ readonly keySize: number }, 'key' | 'msg' | 'aad'>(
    wycheproof.folder,
    'aes_gcm_test.json',
  );
  const cases = groups
    .filter(({ keySize }) => keySize === 256)
    .flatMap(({ tests }) => tests)
    .map((vector) => {
      const [key, plaintext, aad] = [vector.key, vector.msg, vector.aad].map((hex) => Buffer.from(hex, 'hex'));
      const xaes = new XaesKey(key!);
      return {
        id: `tcId ${vector.tcId}`,
        key: key!,
        xaes,
        plaintext: plaintext!,
        aad: aad!,
        nonce: nonceOf(vector.tcId),
      };
    });
  const opened = await askVerifier(
    python.verifier,
    cases.map(({ key, xaes, plaintext, aad }): VerifierRequest => {
      const sealed = xaes.seal(plaintext, aad, systemRandom);
      return {
        op: 'open',
        alg: ALG,
        keyBase64: key.toString('base64'),
        nonceBase64: sealed.subarray(0, NONCE_BYTES).toString('base64'),
        aadBase64: aad.toString('base64'),
        ciphertextBase64: sealed.subarray(NONCE_BYTES).toString('base64'),
      };
    }),
  );
  const sealed = await askVerifier(
    python.verifier,
    cases.map(({ key, plaintext, aad, nonce }): VerifierRequest => ({
      op: 'seal',
      alg: ALG,
      keyBase64: key.toString('base64'),
      nonceBase64: nonce.toString('base64'),
      aadBase64: aad.toString('base64'),
      plaintextBase64: plaintext.toString('base64'),
    })),
  );
  const tally = new Tally('XAES-256-GCM with Python');
  for (const [at, { id, xaes, plaintext, aad, nonce }] of cases.entries()) {
    const theirs = Buffer.concat([nonce, Buffer.from(sealed[at]!['ciphertextBase64']!, 'base64')]);
    const changed = Buffer.from(theirs);
    changed[at % changed.length]! ^= 1 << (at % 8);
    tally.check(id, plaintext.toString('hex'), {
      'opened there': Buffer.from(opened[at]!['plaintextBase64'] ?? 'none', 'base64').toString('hex'),
      'opened here': await outcomeOf(() => xaes.open(theirs, aad)),
    });
    tally.check(`${id}, sealed here`, theirs.toString('hex'), {
      sealed: xaes.seal(plaintext, aad, given(nonce)).toString('hex'),
    });
    tally.check(`${id}, changed`, 'INVALID_CIPHERTEXT', { opened: await outcomeOf(() => xaes.open(changed, aad)) });
  }
  tally.close({ ran: 315 });
});

/** Reads keys, nonces, plaintexts and additional data from SHAKE128 of nothing, and hashes the ciphertexts. */
function accumulated(iterations: number): string {
  // A length is one byte, so this is more than is read.
  const stream = createHash('shake128', { outputLength: iterations * (KEY_BYTES + NONCE_BYTES + 2 * 130) }).digest();
  const ciphertexts = createHash('shake128', { outputLength: 32 });
  let at = 0;
  const take = (length: number): Buffer => {
    assert.ok(at + length <= stream.length, 'the stream is too short');
    return stream.subarray(at, (at += length));
  };
  for (let iteration = 0; iteration < iterations; iteration += 1) {
    const key = new XaesKey(take(KEY_BYTES));
    const nonce = take(NONCE_BYTES);
    const plaintext = take(take(1)[0]!);
    const aad = take(take(1)[0]!);
    const sealed = key.seal(plaintext, aad, given(nonce));
    ciphertexts.update(sealed.subarray(NONCE_BYTES));
    assert.ok(key.open(sealed, aad).equals(plaintext));
  }
  return ciphertexts.digest('hex');
}

function nonceOf(id: number): Buffer {
  return hash('sha256', `nonce ${id}`, 'buffer').subarray(0, NONCE_BYTES);
}

/** A copy: XaesKey may do with its nonce what it likes. */
function given(nonce: Uint8Array): Random {
  return { bytes: () => Buffer.from(nonce) };
}
