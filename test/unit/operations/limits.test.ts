import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimiter } from '../../../src/operations/limits.ts';

const LIMITS = { cryptoPerSecond: 1000, changesPerSecond: 200 };

function limiter(limits = LIMITS): {
  spend: (items?: number, what?: 'crypto' | 'change', who?: string) => boolean;
  clock: { ms: number };
} {
  const clock = { ms: 5_000 };
  const made = new RateLimiter(limits, () => clock.ms);
  const spend = (items = 1, what: 'crypto' | 'change' = 'crypto', who = 'p'): boolean => {
    try {
      made.spend(who, what, items);
      return true;
    } catch (error) {
      assert.equal((error as { code: string }).code, 'THROTTLED');
      return false;
    }
  };
  return { spend, clock };
}

test('a second’s worth may be spent at once, and not one more', () => {
  const { spend } = limiter();
  for (let n = 0; n < 1000; n++) assert.ok(spend());
  assert.ok(!spend());
});

test('what was spent comes back with time, and no more than a second’s worth', () => {
  const { spend, clock } = limiter();
  assert.ok(spend(1000));
  clock.ms += 100;
  assert.ok(spend(100));
  assert.ok(!spend());
  clock.ms += 3_600_000;
  assert.ok(spend(1000));
  assert.ok(!spend());
});

test('a refused batch costs nothing', () => {
  const { spend } = limiter();
  assert.ok(spend(950));
  assert.ok(!spend(100));
  assert.ok(spend(50));
});

test('a batch of a hundred is taken whatever the limit, and then waited for', () => {
  const { spend, clock } = limiter({ cryptoPerSecond: 1, changesPerSecond: 1 });
  assert.ok(spend(100));
  assert.ok(!spend());
  clock.ms += 1000;
  assert.ok(spend());
  assert.ok(!spend());
});

test('principals, and kinds of operation, have limits of their own', () => {
  const { spend } = limiter();
  assert.ok(spend(1000, 'crypto', 'a'));
  assert.ok(!spend(1, 'crypto', 'a'));
  assert.ok(spend(1, 'crypto', 'b'));
  assert.ok(spend(200, 'change', 'a'));
  assert.ok(!spend(1, 'change', 'a'));
});

test('a refusal names the limit and what to do', () => {
  const limits = new RateLimiter({ cryptoPerSecond: 150, changesPerSecond: 100 }, () => 0);
  limits.spend('p', 'change', 100);
  assert.throws(() => limits.spend('p', 'change', 1), {
    code: 'THROTTLED',
    message: 'more than 100 changes a second; slow down and try again',
  });
});
