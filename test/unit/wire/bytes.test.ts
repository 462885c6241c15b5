import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesSchema, encodeBytes } from '../../../src/wire/bytes.ts';

const schema = bytesSchema('some bytes');

test('bytes go through JSON and come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = encodeBytes(bytes);
      assert.equal(text, Buffer.from(bytes).toString('base64'));
      assert.deepEqual(schema.parse(text), bytes);
    }),
  );
});

test('there is one text for one value: any other text is refused', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('A', 'B', '/', '+', '=', ' ', '\n', '-', '_', '*', 'é'), maxLength: 12 }),
      (text) => {
        const parsed = schema.safeParse(text);
        if (parsed.success) assert.equal(Buffer.from(parsed.data).toString('base64'), text);
        else assert.notEqual(Buffer.from(text, 'base64').toString('base64'), text);
      },
    ),
    { numRuns: 2000 },
  );
});

test('bytes are encoded wherever they stand, and what is undefined is left out', () => {
  const value = { a: Uint8Array.of(1), b: [{ c: Buffer.of(2) }], d: undefined, e: null, f: 'text', g: 1, h: false };
  assert.deepEqual(encodeBytes(value), { a: 'AQ==', b: [{ c: 'Ag==' }], e: null, f: 'text', g: 1, h: false });
});

test('a view into other memory is encoded as what it shows', () => {
  const memory = Buffer.from('0123456789');
  assert.equal(encodeBytes(memory.subarray(2, 5)), Buffer.from('234').toString('base64'));
});
