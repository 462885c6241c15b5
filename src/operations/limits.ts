/**
 * Rate limits for each principal: a token bucket that holds one second's worth.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { monotonicMs } from '../ports/clock.ts';

export interface RateLimits {
  /** Cryptographic operations a second; a batch counts as its items. */
  readonly cryptoPerSecond: number;
  /** Changes a second. */
  readonly changesPerSecond: number;
}

export const DEFAULT_RATE_LIMITS: RateLimits = { cryptoPerSecond: 200_000, changesPerSecond: 100 };

/** Items that any bucket holds: a batch of a hundred fits, whatever the limit. */
const BURST_MIN = 100;
/** Principals whose buckets are kept; an idle one is full again and may be forgotten. */
const BUCKETS_MAX = 10_000;

interface Bucket {
  level: number;
  atMs: number;
}

export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limits: RateLimits, now: () => number = monotonicMs) {
    this.#limits = limits;
    this.#now = now;
  }

  /** @throws THROTTLED where the principal has had its share of this second */
  spend(principalId: string, what: 'crypto' | 'change', items: number): void {
    const perSecond = what === 'crypto' ? this.#limits.cryptoPerSecond : this.#limits.changesPerSecond;
    const full = Math.max(perSecond, BURST_MIN);
    const bucket = this.#bucket(`${what}/${principalId}`, full);
    const now = this.#now();
    bucket.level = Math.min(full, bucket.level + ((now - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = now;
    if (bucket.level < items) {
      throw new ClavigerError('THROTTLED', `more than ${perSecond} ${NOUNS[what]} a second; slow down and try again`);
    }
    bucket.level -= items;
  }

  #bucket(name: string, full: number): Bucket {
    const known = this.#buckets.get(name);
    if (known !== undefined) return known;
    if (this.#buckets.size >= BUCKETS_MAX) this.#buckets.delete(this.#buckets.keys().next().value!);
    const bucket = { level: full, atMs: this.#now() };
    this.#buckets.set(name, bucket);
    return bucket;
  }
}

const NOUNS = { crypto: 'cryptographic operations', change: 'changes' } as const;
