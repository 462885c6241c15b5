import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '../../../src/crypto/random.ts';
import { AFTER_FAULT, AFTER_THROTTLE, nextWaitMs } from '../../../src/resilience/backoff.ts';
import { withoutJitter } from '../../support/homes.ts';

test('waits are between the shortest and three times the one before, and never longer than the longest', () => {
  for (const backoff of [AFTER_FAULT, AFTER_THROTTLE]) {
    let beforeMs = 0;
    for (let n = 0; n < 1000; n += 1) {
      const waitMs = nextWaitMs(backoff, beforeMs, systemRandom);
      assert.ok(waitMs >= backoff.shortestMs && waitMs <= backoff.longestMs);
      assert.ok(waitMs <= 3 * Math.max(backoff.shortestMs, beforeMs));
      beforeMs = n % 10 === 9 ? 0 : waitMs;
    }
  }
});

test('those who failed together do not come back together', () => {
  const waits = Array.from({ length: 100 }, () => nextWaitMs(AFTER_FAULT, 0, systemRandom));
  assert.ok(new Set(waits).size > 95);
  assert.equal(nextWaitMs(AFTER_FAULT, 0, withoutJitter), AFTER_FAULT.shortestMs);
});
