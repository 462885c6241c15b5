import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeBase64,
  decodeBase64Bytes,
  decodeBase64Url,
  encodeBase64,
  encodeBase64Bytes,
  encodeBase64Url,
} from '../../../src/bytes/base64.ts';

const bytes = fc.uint8Array({ maxLength: 100 });

/** RFC 4648, section 10. */
const RFC_4648 = [
  ['', ''],
  ['f', 'Zg=='],
  ['fo', 'Zm8='],
  ['foo', 'Zm9v'],
  ['foob', 'Zm9vYg=='],
  ['fooba', 'Zm9vYmE='],
  ['foobar', 'Zm9vYmFy'],
] as const;

test('base64 has the vectors of RFC 4648', () => {
  for (const [text, encoded] of RFC_4648) {
    assert.equal(encodeBase64(Buffer.from(text)), encoded);
    assert.equal(decodeBase64(encoded, 'x').toString(), text);
    assert.equal(encodeBase64Bytes(Buffer.from(text)).toString(), encoded);
    assert.equal(decodeBase64Bytes(Buffer.from(encoded), 'x').toString(), text);
    assert.equal(encodeBase64Url(Buffer.from(text)), encoded.replaceAll('=', ''));
    assert.equal(decodeBase64Url(encoded.replaceAll('=', ''), 'x').toString(), text);
  }
});

test('bytes come back as they were, from any view', () => {
  fc.assert(
    fc.property(bytes, fc.nat(10), (whole, from) => {
      const view = whole.subarray(Math.min(from, whole.length));
      assert.deepEqual(decodeBase64(encodeBase64(view), 'x'), Buffer.from(view));
      assert.deepEqual(decodeBase64Url(encodeBase64Url(view), 'x'), Buffer.from(view));
    }),
  );
});

test('text that is not canonical base64 is refused, by name', () => {
  const wrong = [
    'Zg',
    'Zg=',
    'Zg===',
    'Zh==',
    'Zm9=',
    'Zm9v\n',
    ' Zm9v',
    'Zm 9v',
    'Zm9v=',
    '=',
    '====',
    'Zm-_',
    'Zm9vYg==Zm9v',
    'Zg==\u0000',
    'Zmé=',
  ];
  for (const text of wrong) {
    assert.throws(
      () => decodeBase64(text, 'Plaintext'),
      { code: 'INVALID_ARGUMENT', message: '`Plaintext` is not base64 with padding and without white space' },
      JSON.stringify(text),
    );
  }
});

test('text that is not canonical base64url is refused, by name', () => {
  for (const text of ['Zg==', 'Zh', 'Zm9', 'Zm+/', 'Z', 'Zm9v\n', 'Zm 9v', '=']) {
    assert.throws(
      () => decodeBase64Url(text, 'cursor'),
      { code: 'INVALID_ARGUMENT', message: '`cursor` is not base64url without padding and white space' },
      JSON.stringify(text),
    );
  }
});

test('any text either decodes to what encodes to it, or is refused', () => {
  const character = fc.constantFrom(...'ABZaz09+/-_= \n'.split(''));
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 12 }), (text) => {
      for (const [decode, encode] of [
        [decodeBase64, encodeBase64],
        [decodeBase64Url, encodeBase64Url],
      ] as const) {
        let decoded: Buffer;
        try {
          decoded = decode(text, 'x');
        } catch (error) {
          assert.equal((error as { code: string }).code, 'INVALID_ARGUMENT');
          continue;
        }
        assert.equal(encode(decoded), text);
      }
    }),
    { numRuns: 1000 },
  );
});

test('base64 without strings is the same, and refuses the same', () => {
  fc.assert(
    fc.property(bytes, fc.base64String(), fc.string({ maxLength: 12 }), (some, encoded, text) => {
      assert.equal(encodeBase64Bytes(some).toString(), encodeBase64(some));
      for (const each of [encoded, text]) {
        const one = outcome(() => decodeBase64(each, 'x'));
        assert.deepEqual(
          outcome(() => decodeBase64Bytes(Buffer.from(each), 'x')),
          one,
        );
      }
    }),
  );
});

function outcome(run: () => Buffer): string {
  try {
    return run().toString('hex');
  } catch (error) {
    return String(error);
  }
}
