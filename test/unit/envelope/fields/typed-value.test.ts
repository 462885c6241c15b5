import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeValue, encodeValue, type FieldType } from '../../../../src/envelope/fields/typed-value.ts';

const VALUES: Readonly<Record<FieldType, fc.Arbitrary<unknown>>> = {
  string: fc.string({ unit: 'binary', maxLength: 2000 }).filter((text) => text.isWellFormed()),
  number: fc.double({ noNaN: true, noDefaultInfinity: true }),
  bigint: fc.bigInt(),
  date: fc.date({ noInvalidDate: true }),
  json: fc.jsonValue().filter((value) => !JSON.stringify(value).includes('\\ud')),
  bytes: fc.uint8Array(),
  boolean: fc.boolean(),
};

for (const type of Object.keys(VALUES) as FieldType[]) {
  test(`a ${type} comes back as it went in, padded or not, and has one encoding`, () => {
    fc.assert(
      fc.property(VALUES[type], fc.constantFrom(0, 2, 7, 32), (value, padTo) => {
        const encoded = encodeValue(type, value, padTo);
        if (padTo > 0) assert.equal(encoded.length % padTo, 0);
        const decoded = decodeValue(encoded);
        assert.equal(decoded.type, type);
        // JSON has no -0.
        assert.deepEqual(decoded.value, type === 'json' ? JSON.parse(JSON.stringify(value)) : value);
        if (type !== 'json') assert.deepEqual(encodeValue(type, decoded.value, padTo), encoded);
      }),
    );
  });
}

test('the edges of bigints have as few bytes as keep the sign', () => {
  const lengths: readonly (readonly [bigint, number])[] = [
    [0n, 1],
    [-1n, 1],
    [127n, 1],
    [128n, 2],
    [-128n, 1],
    [-129n, 2],
    [255n, 2],
    [256n, 2],
    [2n ** 63n - 1n, 8],
    [2n ** 63n, 9],
    [-(2n ** 63n), 8],
  ];
  for (const [value, length] of lengths) {
    const encoded = encodeValue('bigint', value, 0);
    assert.equal(encoded.length, 1 + length, String(value));
    assert.equal(decodeValue(encoded).value, value);
  }
});

test('-0 is kept as a number, and a byte order mark as text', () => {
  assert.ok(Object.is(decodeValue(encodeValue('number', -0, 0)).value, -0));
  assert.equal(decodeValue(encodeValue('string', '\ufeffx', 0)).value, '\ufeffx');
});

test('bytes that come back share no memory with what was opened', () => {
  const plaintext = encodeValue('bytes', Buffer.from([1, 2]), 0);
  const { value } = decodeValue(plaintext);
  plaintext.fill(0);
  assert.deepEqual(value, new Uint8Array([1, 2]));
});

test('a property that is undefined is not there; `__proto__` is a name like others', () => {
  assert.deepEqual(decodeValue(encodeValue('json', { a: 1, b: undefined }, 0)).value, { a: 1 });
  const odd = JSON.parse('{"__proto__": {"x": 1}}') as unknown;
  assert.deepEqual(JSON.stringify(decodeValue(encodeValue('json', odd, 0)).value), '{"__proto__":{"x":1}}');
});

test('a plaintext that `encodeValue` would not make is refused', () => {
  const wrong = [
    '',
    '00',
    '08',
    'ff',
    '01ff',
    '01c080',
    '02',
    '0200000000000000',
    '027ff8000000000000',
    '027ff0000000000000',
    '03',
    '030000',
    '03ffff',
    '030001'.replace('01', '7f'),
    '0400',
    '047fffffffffffffff',
    '05',
    '057b',
    '0700ff',
    '0702',
    '07',
    // Padding: missing, of the wrong byte, nothing but zeros.
    '81',
    '8100',
    '8161',
    '81610000',
    '816181',
  ];
  for (const hex of wrong) {
    assert.throws(() => decodeValue(Buffer.from(hex, 'hex')), { code: 'INVALID_CIPHERTEXT' }, hex);
  }
});
