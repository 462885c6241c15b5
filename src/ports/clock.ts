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
