import assert from 'node:assert/strict';
import { createHistogram } from 'node:perf_hooks';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { latencyOf, lineThrough, median, spreadOf, type Point } from '../../../bench/stats.ts';

const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });

suite('latency', () => {
  test('is given in milliseconds, of what was recorded in microseconds', () => {
    const histogram = createHistogram({ lowest: 1, highest: 120_000_000, figures: 3 });
    for (let n = 1; n <= 1000; n++) histogram.record(n * 1000);
    const { mean, p50, p99, p999, max } = latencyOf(histogram);
    for (const [found, wanted] of [
      [mean, 500.5],
      [p50, 500],
      [p99, 990],
      [p999, 999],
      [max, 1000],
    ] as const) {
      assert.ok(Math.abs(found - wanted) <= wanted / 500, `${found} is not about ${wanted}`);
    }
  });

  test('one slow answer of a thousand is in the maximum, and not in p99', () => {
    const histogram = createHistogram();
    for (let n = 0; n < 999; n++) histogram.record(1000);
    histogram.record(2_000_000);
    const { p99, p999, max } = latencyOf(histogram);
    assert.ok(p99 < 1.1 && p999 < 1.1 && max > 1999, `${p99}, ${p999}, ${max}`);
  });

  test('of nothing is zero', () => {
    assert.deepEqual(latencyOf(createHistogram()), { mean: 0, p50: 0, p99: 0, p999: 0, max: 0 });
  });
});

suite('median', () => {
  test('is the middle one, or half way between the two in the middle', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.deepEqual(spreadOf([5, 1, 3]), { median: 3, min: 1, max: 5 });
  });

  test('does not depend on the order, and does not change what it is given', () => {
    fc.assert(
      fc.property(fc.array(number, { minLength: 1 }), (values) => {
        const kept = [...values];
        assert.equal(median(values), median(values.toReversed()));
        assert.deepEqual(values, kept);
      }),
    );
  });
});

suite('line by least squares', () => {
  test('points on a line give that line', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1000, max: 1000 }),
        fc.integer({ min: -1000, max: 1000 }),
        fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 2 }),
        (slope, atZero, xs) => {
          const found = lineThrough(xs.map((x): Point => [x, slope * x + atZero]));
          assert.ok(Math.abs(found.slope - slope) < 1e-6 && Math.abs(found.atZero - atZero) < 1e-3);
        },
      ),
    );
  });

  test('a textbook example comes out as in the textbook', () => {
    // y = 1.5 + 0.7 x through (1, 2), (2, 3), (3, 4), (4, 4), (5, 5).
    const { slope, atZero } = lineThrough([
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 4],
      [5, 5],
    ]);
    assert.ok(Math.abs(slope - 0.7) < 1e-12 && Math.abs(atZero - 1.5) < 1e-12);
  });

  test('noise around a level has no slope worth naming', () => {
    const points = Array.from({ length: 360 }, (_, n): Point => [n / 6, 250 + (n % 2 === 0 ? 4 : -4)]);
    assert.ok(Math.abs(lineThrough(points).slope * 60) < 1);
  });

  test('one point, or points above each other, are refused', () => {
    for (const points of [
      [],
      [[1, 1]],
      [
        [1, 1],
        [1, 5],
      ],
    ] as Point[][]) {
      assert.throws(() => lineThrough(points), /two points/);
    }
  });
});
