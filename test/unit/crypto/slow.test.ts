import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../../src/crypto/slow.ts';

test('no more operations run at a time than there are turns, and all of them run, in order', async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  const operation = (name: number) => async (): Promise<number> => {
    begun.push(name);
    most = Math.max(most, (running += 1));
    await new Promise(setImmediate);
    running -= 1;
    return name;
  };
  const names = [0, 1, 2, 3, 4, 5, 6];
  assert.deepEqual(await Promise.all(names.map((name) => turns.run(operation(name)))), names);
  assert.deepEqual(begun, names);
  assert.equal(most, 2);
});

test('an operation that fails gives its turn back', async () => {
  const turns = new Turns(1);
  for (let count = 0; count < 3; count += 1) {
    await assert.rejects(
      turns.run(() => Promise.reject(new Error('no'))),
      /no/,
    );
  }
  assert.equal(await turns.run(() => Promise.resolve('yes')), 'yes');
});

test('there is always one turn', async () => {
  assert.equal(await new Turns(0).run(() => Promise.resolve('yes')), 'yes');
});
