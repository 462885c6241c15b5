import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { invalidCiphertext } from '../../../src/errors.ts';
import { XaesKey } from '../../../src/crypto/xaes.ts';
import {
  blobAad,
  DIRECT_BYTES_MAX,
  encodeHeader,
  HEADER_BYTES,
  OVERHEAD_BYTES,
  parseBlob,
} from '../../../src/envelope/ciphertext.ts';
import { systemRandom } from '../../../src/crypto/random.ts';

const uuid = fc.uuid();
const header = fc.record({
  kind: fc.constant('direct' as const),
  tenantId: uuid,
  keyId: uuid,
  keyVersion: fc.integer({ min: 0, max: 0xffff_ffff }),
});
const body = fc.uint8Array({ minLength: OVERHEAD_BYTES - HEADER_BYTES, maxLength: 200 });

test('a header has 39 bytes, and a blob is 79 bytes longer than its text', () => {
  assert.deepEqual([HEADER_BYTES, OVERHEAD_BYTES], [39, 79]);
});

test('what was encoded is parsed as it was, and encoded again gives the same bytes', () => {
  fc.assert(
    fc.property(header, body, (fields, sealed) => {
      const blob = Buffer.concat([encodeHeader(fields), sealed]);
      const parsed = parseBlob(blob);
      const { kind, tenantId, keyId, keyVersion } = parsed;
      assert.deepEqual({ kind, tenantId, keyId, keyVersion }, { ...fields });
      assert.deepEqual(Buffer.from(parsed.sealed), Buffer.from(sealed));
      assert.deepEqual(Buffer.concat([encodeHeader(parsed), parsed.sealed]), blob);
    }),
  );
});

test('any bytes either are refused or encode again to the same bytes', () => {
  const nearly = fc
    .tuple(fc.constantFrom(Buffer.from('c10101', 'hex'), Buffer.alloc(0)), fc.uint8Array({ maxLength: 300 }))
    .map(([start, rest]) => Buffer.concat([start, rest]));
  fc.assert(
    fc.property(nearly, (bytes) => {
      let parsed;
      try {
        parsed = parseBlob(bytes);
      } catch (error) {
        assert.equal((error as { code: string }).code, 'INVALID_CIPHERTEXT');
        return;
      }
      assert.deepEqual(Buffer.concat([encodeHeader(parsed), parsed.sealed]), bytes);
    }),
    { numRuns: 500 },
  );
});

test('every refusal is the same, to the letter', () => {
  const good = Buffer.concat([
    encodeHeader({
      kind: 'direct',
      tenantId: '019a0000-0000-7000-8000-000000000001',
      keyId: '019a0000-0000-7000-8000-0000000000aa',
      keyVersion: 1,
    }),
    Buffer.alloc(40),
  ]);
  const { message } = invalidCiphertext();
  for (const bad of [
    Buffer.alloc(0),
    good.subarray(0, OVERHEAD_BYTES - 1),
    Buffer.concat([good, Buffer.alloc(DIRECT_BYTES_MAX - good.length + 1)]),
    ...[0, 1, 2].map((at) => good.with(at, good[at]! ^ 1) as Buffer),
  ]) {
    assert.throws(() => parseBlob(Buffer.from(bad)), { code: 'INVALID_CIPHERTEXT', message });
  }
  parseBlob(Buffer.concat([good, Buffer.alloc(DIRECT_BYTES_MAX - good.length)]));
});

test('a blob that lies in the middle of other memory is read from where it lies', () => {
  fc.assert(
    fc.property(header, body, fc.nat({ max: 50 }), (fields, sealed, shift) => {
      const blob = Buffer.concat([encodeHeader(fields), sealed]);
      const memory = new Uint8Array(shift + blob.length + 7).fill(0xee);
      memory.set(blob, shift);
      const parsed = parseBlob(memory.subarray(shift, shift + blob.length));
      assert.deepEqual([parsed.kind, parsed.tenantId, parsed.keyId, parsed.keyVersion], Object.values(fields));
    }),
  );
});

test('additional data of two headers or contexts are never the same', () => {
  const context = fc.dictionary(fc.string({ minLength: 1, maxLength: 4 }), fc.string({ maxLength: 4 }), { maxKeys: 3 });
  fc.assert(
    fc.property(header, header, context, context, (a, b, one, other) => {
      const [first, second] = [blobAad(encodeHeader(a), one), blobAad(encodeHeader(b), other)];
      const same = JSON.stringify(Object.values(a)) === JSON.stringify(Object.values(b)) && sameContext(one, other);
      assert.equal(first.equals(second), same);
    }),
    { numRuns: 500 },
  );
});

test('every bit of header, nonce, text and tag is covered', () => {
  const key = new XaesKey(Buffer.alloc(32, 7));
  const encoded = encodeHeader({
    kind: 'direct',
    tenantId: '019a0000-0000-7000-8000-000000000001',
    keyId: '019a0000-0000-7000-8000-0000000000aa',
    keyVersion: 1,
  });
  const blob = Buffer.concat([encoded, key.seal(Buffer.from('hello'), blobAad(encoded, { a: '1' }), systemRandom)]);
  const open = (bytes: Buffer): Buffer => {
    const parsed = parseBlob(bytes);
    return key.open(parsed.sealed, blobAad(parsed.header, { a: '1' }));
  };
  assert.equal(open(blob).toString(), 'hello');
  for (let bit = 0; bit < blob.length * 8; bit++) {
    const changed = Buffer.from(blob);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => open(changed), { code: 'INVALID_CIPHERTEXT' }, `bit ${bit}`);
  }
});

function sameContext(a: Record<string, string>, b: Record<string, string>): boolean {
  const sorted = (context: Record<string, string>): string =>
    JSON.stringify(Object.entries(context).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return sorted(a) === sorted(b);
}
