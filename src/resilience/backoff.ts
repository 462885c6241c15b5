/**
 * How long to wait before the same provider is asked again: decorrelated jitter, so that callers who failed together do
 * not come back together.
 *
 * @module
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
import type { Random } from '../ports/random.ts';

export interface Backoff {
  readonly shortestMs: number;
  readonly longestMs: number;
}

/** After a fault: often the next connection works. */
export const AFTER_FAULT: Backoff = { shortestMs: 20, longestMs: 1000 };
/** A service that throttles counts in seconds. */
export const AFTER_THROTTLE: Backoff = { shortestMs: 100, longestMs: 5000 };

/**
 * Milliseconds to wait: between the shortest wait and three times the one before.
 *
 * @param beforeMs the wait before this one; 0 where there was none
 */
export function nextWaitMs({ shortestMs, longestMs }: Backoff, beforeMs: number, random: Random): number {
  const upToMs = Math.max(shortestMs, beforeMs) * 3;
  return Math.min(longestMs, shortestMs + fraction(random) * (upToMs - shortestMs));
}

/** In [0, 1), with 32 bits. */
export function fraction(random: Random): number {
  return random.bytes(4).readUInt32BE() / 2 ** 32;
}
