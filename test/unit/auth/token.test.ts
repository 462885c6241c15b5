import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { newAccessKey } from '../../../src/auth/access-key.ts';
import { newToken, parseToken, tokenMatches } from '../../../src/auth/token.ts';
import { sha256 } from './signer.ts';

const random = { bytes: (length: number): Buffer => randomBytes(length) };
const ID = '0199a5e2-1f3a-7c4d-8e5f-0123456789ab';

describe('a token', () => {
  test('is `clv_`, the id in 22 characters and the secret in 43', () => {
    const { text } = newToken(ID, { bytes: (length) => Buffer.alloc(length, 0xff) });
    assert.equal(text, 'clv_AZml4h86fE2OXwEjRWeJqw_' + '_'.repeat(42) + '8');
  });

  test('is verified by the SHA-256 of its secret', () => {
    const { verifier } = newToken(ID, { bytes: (length) => Buffer.alloc(length) });
    assert.equal(verifier.toString('hex'), sha256(Buffer.alloc(32)));
  });

  test('comes back as its id and a secret that matches', () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        const { text, verifier } = newToken(id, random);
        const parsed = parseToken(text);
        assert.equal(parsed?.id, id);
        assert.ok(tokenMatches(verifier, parsed.secret));
      }),
    );
  });

  test('with another secret does not match, nor does a verifier of another length', () => {
    const { verifier } = newToken(ID, random);
    assert.equal(tokenMatches(verifier, randomBytes(32)), false);
    assert.equal(tokenMatches(verifier.subarray(1), randomBytes(32)), false);
    assert.equal(tokenMatches(Buffer.alloc(0), Buffer.alloc(0)), false);
  });

  test('can be written in one way only', () => {
    const { text } = newToken(ID, { bytes: (length) => Buffer.alloc(length) });
    for (const other of [
      '',
      'clv_',
      text.slice(0, -1),
      `${text}A`,
      ` ${text.slice(1)}`,
      `${text.slice(0, -1)}=`,
      text.toUpperCase(),
      text.replace('clv_', 'clv-'),
      `${text.slice(0, 26)}-${text.slice(27)}`,
      // Two spare bits of the last character, and four of the id's, must be zero.
      `${text.slice(0, -1)}B`,
      `${text.slice(0, 25)}r${text.slice(26)}`,
      text.replace('AAAA', 'AA A'),
      text.replace('AAAA', 'AA\u{100}A'),
    ]) {
      assert.equal(parseToken(other), null, other);
    }
  });

  test('changed in any character is not the same token', () => {
    const { text, verifier } = newToken(ID, random);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(...'ABCXYZabcxyz0189_-+/= é'.split('')), (at, char) => {
        const changed = text.slice(0, at) + char + text.slice(at + 1);
        fc.pre(changed !== text);
        const parsed = parseToken(changed);
        assert.ok(parsed === null || parsed.id !== ID || !tokenMatches(verifier, parsed.secret));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('an access key', () => {
  test('looks like one of AWS, with a prefix of ours', () => {
    for (let index = 0; index < 100; index++) {
      const { accessKeyId, secret } = newAccessKey(random);
      assert.match(accessKeyId, /^CLAV[A-Z2-7]{16}$/);
      assert.match(secret, /^[A-Za-z0-9+/]{40}$/);
    }
  });

  test('uses every letter, and is never the same', () => {
    const ids = Array.from({ length: 500 }, () => newAccessKey(random).accessKeyId);
    assert.equal(new Set(ids).size, 500);
    assert.equal(new Set(ids.map((id) => id.slice(4)).join('')).size, 32);
  });
});
