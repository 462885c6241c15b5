/**
 * Time, as an argument: a test runs a year in a millisecond.
 *
 * @module
 */

export interface Clock {
  /** Milliseconds since the epoch (UTC). */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Milliseconds with fractions, comparable between the threads of a process, for durations only. */
export function monotonicMs(): number {
  return performance.timeOrigin + performance.now();
}
