import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '../../../src/crypto/random.ts';

test('random bytes have the length that was asked for, below and above the pool', () => {
  for (const length of [0, 1, 24, 4095, 4096, 4097, 20_000]) assert.equal(systemRandom.bytes(length).length, length);
});

test('every caller gets memory of its own', () => {
  const a = systemRandom.bytes(24);
  const b = systemRandom.bytes(24);
  assert.notEqual(a.buffer, b.buffer);
  assert.equal(a.byteOffset, 0);
  assert.equal(a.buffer.byteLength, 24);
});

test('no bytes are handed out twice, nor are they the zeros that are left behind', () => {
  const seen = new Set<string>();
  // Some eight pools of them, in sizes that do not divide a pool.
  for (let count = 0; count < 4000; count += 1) seen.add(systemRandom.bytes(16 + (count % 37)).toString('hex', 0, 16));
  assert.equal(seen.size, 4000);
  assert.ok(!seen.has('00'.repeat(16)));
});

test('a length that is none is refused', () => {
  for (const length of [-1, NaN]) assert.throws(() => systemRandom.bytes(length), RangeError);
});
