import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Waiting } from '../../../src/audit/waiting.ts';

describe('what waits for an answer', () => {
  test('is had once, by its number', () => {
    const waiting = new Waiting<{ readonly name: string }>();
    const [a, b] = [waiting.add({ name: 'a' }), waiting.add({ name: 'b' })];
    assert.equal(waiting.size, 2);
    assert.equal(waiting.take(b)?.name, 'b');
    assert.equal(waiting.take(b), null);
    assert.equal(waiting.take(a)?.name, 'a');
    assert.equal(waiting.take(7), null);
    assert.equal(waiting.size, 0);
  });

  test('has numbers no larger than as many as ever waited at once', () => {
    const waiting = new Waiting<object>();
    const numbers = Array.from({ length: 3 }, () => waiting.add({}));
    for (let n = 0; n < 100; n++) {
      waiting.take(numbers.shift()!);
      numbers.push(waiting.add({}));
    }
    assert.ok(Math.max(...numbers) <= 2);
    assert.equal(waiting.size, 3);
  });

  test('is all taken at once where nothing is answered any more', () => {
    const waiting = new Waiting<{ readonly name: string }>();
    const [, b] = ['a', 'b', 'c'].map((name) => waiting.add({ name }));
    waiting.take(b!);
    assert.deepEqual(
      waiting.takeAll().map(({ name }) => name),
      ['a', 'c'],
    );
    assert.equal(waiting.size, 0);
    assert.equal(waiting.take(0), null);
  });

  test('is let go by the next collections of the young generation once it is answered', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as (options: { readonly type: 'minor' | 'major' }) => void;
    const waiting = new Waiting<readonly number[]>();
    const numbers: number[] = [];
    collect({ type: 'major' });
    const before = oldBytes();
    for (let n = 0; n < 40_000; n++) {
      numbers.push(waiting.add(Array.from({ length: 50 }, () => n)));
      if (numbers.length > 64) waiting.take(numbers.shift()!);
      if (n % 2000 === 0) collect({ type: 'minor' });
    }
    // All of them have 20 MB.
    assert.ok(oldBytes() - before < 2_000_000, `${oldBytes() - before} bytes became old`);
  });
});

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')!.space_used_size;
}
