/**
 * How long a provider takes: an average that follows what is measured, and the slowest of the last answers.
 *
 * @module
 */

/** How fast the average follows. */
const LEARNING_RATE = 0.1;
/** A provider that nobody asks is believed to become faster, by half in this time: else it would never be asked again. */
const HALF_LIFE_MS = 10_000;
/** Answers of which the 99th percentile is told. */
const RECENT = 256;

export class Latency {
  readonly #recentMs = new Float64Array(RECENT);
  #count = 0;
  #meanMs = 0;
  #expectedMs = 0;
  #measuredAtMs: number | null = null;

  /** An answer. */
  add(tookMs: number, nowMs: number): void {
    this.#recentMs[this.#count % RECENT] = tookMs;
    this.#meanMs = this.#count === 0 ? tookMs : follow(this.#meanMs, tookMs);
    this.#count += 1;
    this.expect(tookMs, nowMs);
  }

  /** A wait that ended without an answer: it counts for what the next one may expect, and is no latency to show. */
  expect(tookMs: number, nowMs: number): void {
    this.#expectedMs = this.#measuredAtMs === null ? tookMs : follow(this.expectedMs(nowMs), tookMs);
    this.#measuredAtMs = nowMs;
  }

  /** What one call is expected to take; 0 where nothing is known. */
  expectedMs(nowMs: number): number {
    return this.#expectedMs * 0.5 ** ((nowMs - (this.#measuredAtMs ?? nowMs)) / HALF_LIFE_MS);
  }

  /** Null before the first answer. */
  get meanMs(): number | null {
    return this.#count === 0 ? null : this.#meanMs;
  }

  /** Of the last answers; null before the first. */
  get p99Ms(): number | null {
    if (this.#count === 0) return null;
    const sorted = this.#recentMs.slice(0, Math.min(this.#count, RECENT)).toSorted();
    return sorted[Math.ceil(sorted.length * 0.99) - 1]!;
  }
}

function follow(mean: number, measured: number): number {
  return mean + LEARNING_RATE * (measured - mean);
}
