import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inParts, requireCount } from '../../../src/providers/random-bytes.ts';

test('what a service does not give at a time is refused', () => {
  for (const bytes of [1, 1024]) requireCount('gcp', bytes, 1024);
  for (const bytes of [0, -1, 1.5, Number.NaN, 1025]) {
    assert.throws(() => requireCount('gcp', bytes, 1024), {
      code: 'INVALID_ARGUMENT',
      message: /1 to 1024 random bytes/,
    });
  }
});

test('more than one answer has is asked for in parts, in their order', async () => {
  const asked: number[] = [];
  const ask = async (bytes: number): Promise<Uint8Array> => Buffer.alloc(bytes, asked.push(bytes));
  assert.equal((await inParts(5, 2, ask)).toString('hex'), '0101020203');
  assert.deepEqual(asked, [2, 2, 1]);
  assert.equal((await inParts(0, 2, ask)).length, 0);
  await assert.rejects(
    inParts(5, 2, async () => Promise.reject(new Error('away'))),
    { message: 'away' },
  );
});
