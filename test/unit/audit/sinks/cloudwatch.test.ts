import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloudwatchBatches } from '../../../../src/audit/sinks/cloudwatch.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const sizes = (events: Parameters<typeof cloudwatchBatches>[0]): number[] =>
  cloudwatchBatches(events).map(({ length }) => length);

test('a batch for CloudWatch has at most 10,000 events', () => {
  const events = Array.from({ length: 25_000 }, (_, timestamp) => ({ timestamp, message: '' }));
  assert.deepEqual(sizes(events), [10_000, 10_000, 5000]);
  assert.deepEqual(cloudwatchBatches(events).flat(), events, 'in order, none missing');
});

test('a batch for CloudWatch has at most 1,048,576 bytes, with 26 more for each event', () => {
  const message = 'é'.repeat((1_048_576 / 4 - 26) / 2);
  const events = Array.from({ length: 9 }, (_, timestamp) => ({ timestamp, message }));
  assert.deepEqual(sizes(events), [4, 4, 1]);
});

test('a batch for CloudWatch spans less than a day', () => {
  const events = [0, 1, DAY_MS - 1, DAY_MS, 2 * DAY_MS].map((timestamp) => ({ timestamp, message: 'x' }));
  assert.deepEqual(sizes(events), [3, 1, 1]);
});

test('nothing makes no batch for CloudWatch', () => {
  assert.deepEqual(cloudwatchBatches([]), []);
});
