/**
 * The arithmetic of a result, apart from how it was measured.
 *
 * @module
 */

/** Milliseconds. */
export interface Latency {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What a histogram of whole microseconds has to offer; `node:perf_hooks` makes such ones. */
export interface Microseconds {
  readonly count: number;
  readonly mean: number;
  readonly max: number;
  percentile(percent: number): number;
}

/** All zero where nothing was counted. */
export function latencyOf(histogram: Microseconds): Latency {
  if (histogram.count === 0) return { mean: 0, p50: 0, p99: 0, p999: 0, max: 0 };
  return {
    mean: histogram.mean / 1000,
    p50: histogram.percentile(50) / 1000,
    p99: histogram.percentile(99) / 1000,
    p999: histogram.percentile(99.9) / 1000,
    max: histogram.max / 1000,
  };
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

export type Point = readonly [x: number, y: number];

/**
 * The straight line through points by least squares.
 *
 * @throws Error where there are not two different x to draw it through
 */
export function lineThrough(points: readonly Point[]): { readonly slope: number; readonly atZero: number } {
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  let covariance = 0;
  let variance = 0;
  for (const [x, y] of points) {
    covariance += (x - meanX) * (y - meanY);
    variance += (x - meanX) ** 2;
  }
  if (!(variance > 0)) throw new Error('a line needs two points that are not above each other');
  const slope = covariance / variance;
  return { slope, atZero: meanY - slope * meanX };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
