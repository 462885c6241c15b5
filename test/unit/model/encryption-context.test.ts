import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeContext } from '../../../src/bytes/length-prefixed.ts';
import { CONTEXT_BYTES_MAX, CONTEXT_PAIRS_MAX, requireContext } from '../../../src/model/encryption-context.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom('', 'a', 'b', 'ab', '\0', '\u00e9', 'e\u0301'),
);
const context = fc.dictionary(text, text, { maxKeys: 5, noNullPrototype: true });

test('two contexts have the same encoding only where they have the same pairs', () => {
  fc.assert(
    fc.property(context, context, (a, b) => {
      assert.equal(encodeContext(a).equals(encodeContext(b)), pairsOf(a) === pairsOf(b));
    }),
    { numRuns: 2000 },
  );
});

test('the order of the pairs does not matter', () => {
  fc.assert(
    fc.property(context, fc.infiniteStream(fc.nat()), (pairs, choice) => {
      const shuffled = Object.entries(pairs).toSorted(() => (choice.next().value! % 2 === 0 ? 1 : -1));
      assert.deepEqual(encodeContext(Object.fromEntries(shuffled)), encodeContext(pairs));
    }),
  );
});

test('an encoding is read back as the pairs that it was made of: nothing in it is ambiguous', () => {
  fc.assert(
    fc.property(context, (pairs) => {
      assert.equal(pairsOf(decoded(encodeContext(pairs))), pairsOf(pairs));
    }),
  );
});

test('pairs are sorted by the bytes of their names, not by UTF-16', () => {
  // U+FFFD has the smaller bytes (EF BF BD), U+1F600 the smaller first UTF-16 unit (D83D).
  assert.deepEqual(
    [...decodedPairs(encodeContext({ '\u{1f600}': '1', '\ufffd': '2' }))].map(([name]) => name),
    ['\ufffd', '\u{1f600}'],
  );
});

test('names that differ in normal form, case or white space are different names', () => {
  for (const [a, b] of [
    ['\u00e9', 'e\u0301'],
    ['Shop', 'shop'],
    ['shop', 'shop '],
  ] as const) {
    assert.notDeepEqual(encodeContext({ [a]: '1' }), encodeContext({ [b]: '1' }));
  }
});

test('a context has up to 64 pairs and 8,192 bytes, and not one more', () => {
  const pairs = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, '']));
  requireContext(pairs(CONTEXT_PAIRS_MAX));
  assert.throws(() => requireContext(pairs(CONTEXT_PAIRS_MAX + 1)), {
    code: 'INVALID_ARGUMENT',
    message: 'an encryption context has at most 64 pairs',
  });
  requireContext({ a: 'x'.repeat(CONTEXT_BYTES_MAX - 1) });
  assert.throws(() => requireContext({ a: 'x'.repeat(CONTEXT_BYTES_MAX) }), {
    code: 'INVALID_ARGUMENT',
    message: 'an encryption context has at most 8192 bytes',
  });
  requireContext({ a: 'é'.repeat((CONTEXT_BYTES_MAX - 1) >> 1) });
  assert.throws(() => requireContext({ a: 'é'.repeat(CONTEXT_BYTES_MAX >> 1) }), { code: 'INVALID_ARGUMENT' });
});

test('an empty name, and a lone surrogate in name or value, are refused', () => {
  assert.throws(() => requireContext({ '': '1' }), { code: 'INVALID_ARGUMENT', message: /no empty names/ });
  for (const lone of ['\ud800', 'a\udc00', '\udc00\ud800']) {
    assert.throws(() => requireContext({ a: lone }), { code: 'INVALID_ARGUMENT', message: /well-formed Unicode/ });
    assert.throws(() => requireContext({ [lone]: 'a' }), { code: 'INVALID_ARGUMENT', message: /well-formed Unicode/ });
  }
  assert.deepEqual(requireContext({ a: '' }), { a: '' }, 'an empty value is one');
});

function pairsOf(pairs: Record<string, string>): string {
  return JSON.stringify(Object.entries(pairs).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function decoded(encoded: Buffer): Record<string, string> {
  return Object.fromEntries(decodedPairs(encoded));
}

/** A reader of the encoding of our own, by spec/ciphertext.md. */
function decodedPairs(encoded: Buffer): [string, string][] {
  let at = 4;
  const field = (): string => {
    const length = encoded.readUInt32BE(at);
    at += 4 + length;
    return encoded.subarray(at - length, at).toString();
  };
  const pairs = Array.from({ length: encoded.readUInt32BE(0) }, (): [string, string] => [field(), field()]);
  assert.equal(at, encoded.length, 'nothing follows');
  return pairs;
}
