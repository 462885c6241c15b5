import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeContext, lengthPrefixed } from '../../../src/bytes/length-prefixed.ts';

const fields = fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 4 });
const text = fc.string({ unit: 'grapheme', maxLength: 3 });
const contexts = fc.dictionary(text, text, { maxKeys: 4 });

test('a field is its length in 32 bits, then its bytes', () => {
  assert.equal(
    lengthPrefixed(Buffer.from('ab'), Buffer.alloc(0), Buffer.from('c')).toString('hex'),
    '000000026162000000000000000163',
  );
  assert.equal(lengthPrefixed().length, 0);
});

test('two lists of fields give the same bytes only where they are the same list', () => {
  fc.assert(
    fc.property(fields, fields, (a, b) => {
      const same = a.length === b.length && a.every((field, at) => Buffer.compare(field, b[at]!) === 0);
      assert.equal(lengthPrefixed(...a).equals(lengthPrefixed(...b)), same);
    }),
    { numRuns: 500 },
  );
});

test('fields can be read back', () => {
  fc.assert(
    fc.property(fields, (list) => {
      const encoded = lengthPrefixed(...list);
      const read: Buffer[] = [];
      for (let at = 0; at < encoded.length; at += 4 + encoded.readUInt32BE(at)) {
        read.push(encoded.subarray(at + 4, at + 4 + encoded.readUInt32BE(at)));
      }
      assert.deepEqual(
        read,
        list.map((field) => Buffer.from(field)),
      );
    }),
  );
});

test('a context is its number of pairs, then the pairs in the order of their UTF-8 names', () => {
  assert.equal(encodeContext({}).toString('hex'), '00000000');
  const encoded = encodeContext({ b: '2', a: '1' });
  assert.deepEqual(
    encoded,
    Buffer.concat([Buffer.of(0, 0, 0, 2), lengthPrefixed(...['a', '1', 'b', '2'].map((field) => Buffer.from(field)))]),
  );
});

test('names are sorted by UTF-8 bytes, not by UTF-16 units', () => {
  // U+FF5E sorts before U+1F600 in UTF-8, after it in UTF-16.
  const encoded = encodeContext({ '\u{1f600}': '', '\uff5e': '' });
  assert.ok(encoded.indexOf('\uff5e') < encoded.indexOf('\u{1f600}'));
});

test('a context encodes the same in any order, and differently from every other context', () => {
  fc.assert(
    fc.property(contexts, contexts, (a, b) => {
      const reversed = Object.fromEntries(Object.entries(a).toReversed());
      assert.deepEqual(encodeContext(a), encodeContext(reversed));
      const sorted = (context: object): string =>
        Object.entries(context)
          .map((pair) => JSON.stringify(pair))
          .toSorted((x, y) => (x < y ? -1 : 1))
          .join();
      assert.equal(encodeContext(a).equals(encodeContext(b)), sorted(a) === sorted(b));
    }),
    { numRuns: 500 },
  );
});

test('the encoding of the empty context belongs to its caller', () => {
  encodeContext({}).fill(0xff);
  assert.equal(encodeContext({}).toString('hex'), '00000000');
});
