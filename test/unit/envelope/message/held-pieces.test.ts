import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeldPieces, SMALL_BYTES } from '../../../../src/envelope/message/held-pieces.ts';

test('pieces of any lengths are given back in their order, time and again', () => {
  const lengths = fc.array(fc.oneof(fc.nat(10), fc.nat(SMALL_BYTES), fc.nat(100_000)), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(lengths, { maxLength: 3 }), (rounds) => {
      const held = new HeldPieces();
      for (const round of rounds) {
        const pieces = round.map((length) => randomBytes(length));
        for (const piece of pieces) held.add(piece);
        assert.equal(held.length, Buffer.concat(pieces).length);
        assert.deepEqual(Buffer.concat(held.pieces()), Buffer.concat(pieces));
        held.clear();
        assert.equal(held.length, 0);
        assert.deepEqual(held.pieces(), []);
      }
    }),
    { numRuns: 50 },
  );
});

test('small pieces are gathered, large ones are not copied', () => {
  const held = new HeldPieces();
  for (let count = 0; count < 100_000; count++) held.add(Buffer.of(count & 0xff));
  assert.equal(held.pieces().length, 2);
  const large = Buffer.alloc(SMALL_BYTES);
  held.add(large);
  assert.equal(held.pieces().at(-1), large);
});

test('copies are zeroed when they are forgotten, and the caller’s bytes are not', () => {
  const held = new HeldPieces();
  const large = Buffer.alloc(SMALL_BYTES, 1);
  held.add(Buffer.alloc(100, 1));
  held.add(large);
  const [copy] = held.pieces();
  held.clear();
  assert.deepEqual(Buffer.from(copy!), Buffer.alloc(100));
  assert.deepEqual(large, Buffer.alloc(SMALL_BYTES, 1));
});
