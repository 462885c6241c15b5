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

test('while others wait, results come out together; the last of them, for whom nobody need wait, at once', async () => {
  const turns = new Turns(1);
  const order: string[] = [];
  const asked = Array.from({ length: 10 }, (_, at) =>
    turns
      .run(async () => {
        order.push(`made ${at}`);
        return at;
      })
      .then((result) => order.push(`given ${result}`)),
  );
  await Promise.all(asked);
  const made = order.map((what) => (what.startsWith('made') ? 'm' : 'g')).join('');
  // Eight are made before the first is given out; the turns went on meanwhile, so some more may be made by then.
  assert.match(made, /^m{8,10}g{8}/);
  assert.equal(turns.running, 0);
  assert.equal(turns.waiting, 0);
});

test('a result does not wait for others that take long', async () => {
  const turns = new Turns(1);
  const long = Promise.withResolvers<void>();
  const first = turns.run(() => Promise.resolve('first'));
  const second = turns.run(() => long.promise);
  assert.equal(await first, 'first');
  long.resolve();
  await second;
});

test('a failure comes out like a result, and is told to its own caller only', async () => {
  const turns = new Turns(1);
  const failing = turns.run(() => Promise.reject(new Error('no')));
  const fine = turns.run(() => Promise.resolve('yes'));
  await assert.rejects(failing, /no/);
  assert.equal(await fine, 'yes');
});
