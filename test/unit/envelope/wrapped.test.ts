import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemRandom } from '../../../src/crypto/random.ts';
import {
  BLOB_BYTES_MAX,
  encodeHeader,
  encodeWrapped,
  HEADER_BYTES,
  HOMES_MAX,
  parseBlob,
  WRAP_BYTES_MAX,
  type WrapEntry,
  type WrappedBlob,
} from '../../../src/envelope/ciphertext.ts';
import { commitsTo, openWrapped, sealOfWrap, sealWrapped, wrapsAreOurs } from '../../../src/envelope/wrapped.ts';

const HEADER = encodeHeader({
  kind: 'wrapped',
  tenantId: '019a0000-0000-7000-8000-000000000001',
  keyId: '019a0000-0000-7000-8000-0000000000aa',
  keyVersion: 1,
});
const INTEGRITY = Buffer.alloc(32, 7);
const CONTEXT = { shop: '1' };
const REFUSED = { code: 'INVALID_CIPHERTEXT' };

const bytes = (min: number, max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: min, maxLength: max });
const context = fc.dictionary(fc.string({ minLength: 1, maxLength: 4 }), fc.string({ maxLength: 4 }), { maxKeys: 3 });
const homes = fc
  .uniqueArray(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: HOMES_MAX })
  .map((numbers) => numbers.toSorted((a, b) => a - b));

function entry(home: number, wrap: Uint8Array): WrapEntry {
  return { home, wrap, seal: sealOfWrap(INTEGRITY, HEADER, home, wrap) };
}

function parsed(blob: Uint8Array): WrappedBlob {
  const found = parseBlob(blob);
  assert.ok(found.kind === 'wrapped');
  return found;
}

function made(dataKey: Uint8Array, numbers: readonly number[] = [1, 2], text = Buffer.from('hello')): Buffer {
  const wraps = numbers.map((home) => entry(home, Buffer.from(`wrap ${home}`)));
  return sealWrapped(HEADER, dataKey, wraps, text, CONTEXT, systemRandom);
}

test('what is sealed under a data key opens under it, and is parsed as it was encoded', () => {
  fc.assert(
    fc.property(bytes(32, 32), homes, bytes(0, 300), context, (dataKey, numbers, text, pairs) => {
      const wraps = numbers.map((home) => entry(home, Buffer.alloc(1 + home, home)));
      const blob = sealWrapped(HEADER, dataKey, wraps, text, pairs, systemRandom);
      const found = parsed(blob);
      assert.deepEqual(encodeWrapped(found), blob);
      assert.deepEqual(
        found.wraps.map(({ home }) => home),
        numbers,
      );
      assert.ok(wrapsAreOurs(INTEGRITY, found));
      assert.deepEqual(openWrapped(found, dataKey, pairs), Buffer.from(text));
    }),
  );
});

test('any bytes either are refused or encode again to the same bytes', () => {
  fc.assert(
    fc.property(bytes(0, 400), (rest) => {
      const blob = Buffer.concat([HEADER, rest]);
      let found;
      try {
        found = parsed(blob);
      } catch (error) {
        assert.equal((error as { code: string }).code, 'INVALID_CIPHERTEXT');
        return;
      }
      assert.deepEqual(encodeWrapped(found), blob);
    }),
    { numRuns: 1000 },
  );
});

test('every bit but those of the list of wraps is covered by commitment or tag', () => {
  const dataKey = systemRandom.bytes(32);
  const blob = made(dataKey);
  const listStart = HEADER_BYTES + 64;
  const listEnd = blob.length - 'hello'.length - 16;
  for (let bit = 0; bit < blob.length * 8; bit++) {
    const at = bit >> 3;
    if (at >= listStart && at < listEnd) continue;
    const changed = Buffer.from(blob);
    changed[at]! ^= 1 << (bit & 7);
    assert.throws(() => openWrapped(parsed(changed), dataKey, CONTEXT), `bit ${bit}`);
  }
});

test('every bit of a wrap, its home and its seal is covered by the seal', () => {
  const { wraps, ...rest } = parsed(made(systemRandom.bytes(32), [1]));
  const [{ home, wrap, seal }] = wraps as [WrapEntry];
  const ours = (changed: Partial<WrapEntry>): boolean =>
    wrapsAreOurs(INTEGRITY, { ...rest, wraps: [{ home, wrap, seal, ...changed }] });
  assert.equal(ours({}), true);
  for (let bit = 0; bit < 8; bit++) assert.equal(ours({ home: home ^ (1 << bit) }), false);
  for (let bit = 0; bit < wrap.length * 8; bit++) assert.equal(ours({ wrap: flipped(wrap, bit) }), false);
  for (let bit = 0; bit < seal.length * 8; bit++) assert.equal(ours({ seal: flipped(seal, bit) }), false);
  assert.equal(wrapsAreOurs(Buffer.alloc(32, 8), { ...rest, wraps }), false);
});

test('another data key is found out by the commitment, another context by the tag', () => {
  const dataKey = systemRandom.bytes(32);
  const blob = parsed(made(dataKey));
  assert.equal(commitsTo(blob, dataKey), true);
  assert.equal(commitsTo(blob, systemRandom.bytes(32)), false);
  assert.throws(() => openWrapped(blob, systemRandom.bytes(32), CONTEXT), REFUSED);
  assert.throws(() => openWrapped(blob, dataKey, {}), REFUSED);
  assert.throws(() => openWrapped(blob, dataKey, { shop: '2' }), REFUSED);
});

test('a list of wraps is refused that is empty, too long, out of order or has a home twice', () => {
  const dataKey = systemRandom.bytes(32);
  const good = parsed(made(dataKey));
  const withWraps = (...wraps: readonly WrapEntry[]): Buffer => encodeWrapped({ ...good, wraps });
  const [first, second] = good.wraps as [WrapEntry, WrapEntry];
  parsed(withWraps(first, second));
  const many = Array.from({ length: HOMES_MAX + 1 }, (_, at) => entry(at + 1, Buffer.of(1)));
  for (const bad of [
    withWraps(),
    withWraps(second, first),
    withWraps(first, first),
    withWraps({ ...first, home: 0 }),
    withWraps({ ...first, wrap: Buffer.alloc(0) }),
    withWraps({ ...first, wrap: Buffer.alloc(WRAP_BYTES_MAX + 1) }),
    withWraps(...many),
  ]) {
    assert.throws(() => parseBlob(bad), REFUSED);
  }
  parsed(withWraps(...many.slice(1)));
  parsed(withWraps({ ...first, wrap: Buffer.alloc(WRAP_BYTES_MAX) }));
});

test('a blob that was cut anywhere, or is too long, is refused', () => {
  const dataKey = systemRandom.bytes(32);
  const blob = made(dataKey);
  for (let length = 0; length < blob.length; length++) {
    assert.throws(() => openWrapped(parsed(blob.subarray(0, length)), dataKey, CONTEXT), REFUSED, `${length} bytes`);
  }
  assert.throws(() => parseBlob(Buffer.concat([blob, Buffer.alloc(BLOB_BYTES_MAX)])), REFUSED);
});

test('the largest blob there can be is taken', () => {
  const wraps = Array.from({ length: HOMES_MAX }, (_, at) => entry(at + 1, Buffer.alloc(WRAP_BYTES_MAX)));
  const dataKey = systemRandom.bytes(32);
  const blob = sealWrapped(HEADER, dataKey, wraps, Buffer.alloc(4096, 1), CONTEXT, systemRandom);
  assert.ok(blob.length <= BLOB_BYTES_MAX, String(blob.length));
  assert.equal(openWrapped(parsed(blob), dataKey, CONTEXT).length, 4096);
});

test('two blobs of one text under one data key have nothing in common but header and wraps', () => {
  const dataKey = systemRandom.bytes(32);
  const [one, other] = [parsed(made(dataKey)), parsed(made(dataKey))];
  assert.notDeepEqual(one.salt, other.salt);
  assert.notDeepEqual(one.commitment, other.commitment);
  assert.notDeepEqual(one.sealed, other.sealed);
});

function flipped(of: Uint8Array, bit: number): Buffer {
  const changed = Buffer.from(of);
  changed[bit >> 3]! ^= 1 << (bit & 7);
  return changed;
}
