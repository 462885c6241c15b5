import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import { mac, macMatches } from '../../../src/crypto/mac.ts';
import { MAC_ALGORITHMS, type MacAlgorithmName } from '../../../src/model/algorithm.ts';
import { flipped, keyOf } from './keys.ts';

/** RFC 4231, section 4.2: test case 1. */
const RFC_4231 = {
  HMAC_SHA_224: '896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22',
  HMAC_SHA_256: 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  HMAC_SHA_384: 'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6',
  HMAC_SHA_512:
    '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854',
} as const;

for (const [algorithm, expected] of Object.entries(RFC_4231)) {
  test(`RFC 4231, test case 1: ${algorithm}`, () => {
    const key = createSecretKey(Buffer.alloc(20, 0x0b));
    assert.equal(mac(key, algorithm as MacAlgorithmName, Buffer.from('Hi There')).toString('hex'), expected);
  });
}

test('a MAC has the length of its hash', async () => {
  const { handle } = await keyOf('HMAC-SHA-256');
  for (const [algorithm, { macBytes }] of Object.entries(MAC_ALGORITHMS)) {
    assert.equal(mac(handle.key, algorithm as MacAlgorithmName, new Uint8Array(0)).length, macBytes);
  }
});

test('a MAC matches itself, and nothing of another bit or length', async () => {
  const { handle } = await keyOf('HMAC-SHA-256');
  const expected = mac(handle.key, 'HMAC_SHA_256', Buffer.from('message'));
  assert.equal(macMatches(expected, Uint8Array.from(expected)), true);
  for (let bit = 0; bit < 256; bit += 1) assert.equal(macMatches(expected, flipped(expected, bit)), false);
  assert.equal(macMatches(expected, expected.subarray(0, 16)), false);
  assert.equal(macMatches(expected, new Uint8Array(0)), false);
});
