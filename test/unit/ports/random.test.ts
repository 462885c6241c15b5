import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '../../../src/crypto/random.ts';
import { inBlocks, type Random } from '../../../src/ports/random.ts';

/** Bytes that count up, and how often some were asked for. */
function counting(): { readonly random: Random; readonly asked: number[] } {
  const asked: number[] = [];
  let next = 0;
  const bytes = (length: number): Buffer => {
    asked.push(length);
    return Buffer.from(Array.from({ length }, () => next++ & 0xff));
  };
  return { random: { bytes }, asked };
}

test('pieces of a block follow each other, and many of them are fetched at a time', () => {
  const { random, asked } = counting();
  const pieces = inBlocks(random);
  assert.deepEqual([...pieces.bytes(3), ...pieces.bytes(0), ...pieces.bytes(2)], [0, 1, 2, 3, 4]);
  for (let n = 0; n < 400; n++) pieces.bytes(10);
  assert.equal(asked.length, 1);
  pieces.bytes(100);
  assert.equal(asked.length, 2);
});

test('what is large is fetched by itself, and the block stays', () => {
  const { random, asked } = counting();
  const pieces = inBlocks(random);
  pieces.bytes(1);
  assert.equal(pieces.bytes(2000).length, 2000);
  assert.deepEqual([...pieces.bytes(1)], [1]);
  assert.deepEqual(asked.slice(1), [2000]);
});

test('a piece that somebody still has is not overwritten, and none is given twice', () => {
  const pieces = inBlocks(systemRandom);
  const all = Array.from({ length: 4000 }, (_, n) => pieces.bytes(16 + (n % 37)));
  const texts = all.map((piece) => piece.toString('hex'));
  for (const [at, piece] of all.entries()) assert.equal(piece.toString('hex'), texts[at]);
  assert.equal(new Set(texts.map((text) => text.slice(0, 32))).size, 4000);
});

test('a length that is none is refused', () => {
  for (const length of [-1, NaN]) assert.throws(() => inBlocks(systemRandom).bytes(length), RangeError);
});
