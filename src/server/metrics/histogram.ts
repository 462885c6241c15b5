/**
 * A histogram in one typed array: the count of each bucket, of what is above the last, and the sum.
 *
 * @module
 */

export class Histogram {
  readonly bounds: readonly number[];
  /** Counts by bucket, not added up; the last but one is what exceeds all bounds, the last the sum of the values. */
  readonly #numbers: Float64Array;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#numbers = new Float64Array(bounds.length + 2);
  }

  add(value: number): void {
    const { bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1;
    this.#numbers[bucket]! += 1;
    this.#numbers[bounds.length + 1]! += value;
  }

  get sum(): number {
    return this.#numbers[this.bounds.length + 1]!;
  }

  /** For each bound, and last for +Inf, how many values were at most that. */
  cumulative(): readonly number[] {
    let below = 0;
    return [...this.#numbers.subarray(0, -1)].map((count) => (below += count));
  }
}
