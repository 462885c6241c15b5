/**
 * The circuit of one provider: closed while it answers, open while it is left alone, half-open while one call finds out,
 * quarantined until an operator says otherwise.
 *
 * Cockatiel counts the failures and admits one call at a time when half-open. When an open circuit is due is decided
 * here, on the monotonic clock: a wall clock that is set back would keep it open for as long.
 *
 * An open circuit is due after `openMs`. A probe that answers before that proves it: then the next call of its turn goes
 * there and decides, and the circuit says half-open. A probe alone closes nothing, for what answers a question about its
 * health need not be able to sign.
 *
 * @module
 */
import {
  circuitBreaker,
  CircuitState as PolicyState,
  ConsecutiveBreaker,
  handleWhenResult,
  type CircuitBreakerPolicy,
} from 'cockatiel';
import type { ClavigerError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { HealthSign } from './verdict.ts';

export type CircuitState = 'closed' | 'open' | 'half-open' | 'quarantined';

export interface CircuitSettings {
  /** In a row. */
  readonly failures: number;
  readonly openMs: number;
}

export interface CircuitChange {
  readonly state: CircuitState;
  /** Milliseconds since the epoch: since when it is not closed, or since when it is. */
  readonly since: number;
  readonly reason: string;
}

/** How a call ended, as far as the circuit is concerned. */
interface Outcome {
  readonly sign: HealthSign;
  readonly error: ClavigerError | null;
}

/** What cockatiel sees of an outcome. */
interface Counted {
  readonly outcome: Outcome;
  readonly failed: boolean;
}

/** Thrown past the breaker, which then counts neither for nor against. */
const UNCOUNTED = new Error('uncounted');
/** After a half-open call that was given up, and so proved nothing, the next one may come sooner. */
const UNPROVED_MS_MAX = 1000;
const ANSWERS_AGAIN = 'it answers again';

export class Circuit {
  readonly #settings: CircuitSettings;
  readonly #clock: Clock;
  readonly #onChange: (change: CircuitChange) => void;
  readonly #breaker: ConsecutiveBreaker;
  readonly #policy: CircuitBreakerPolicy;
  #isolation: { dispose(): void } | null = null;
  #isClosed = true;
  #whyClosed = ANSWERS_AGAIN;
  #sinceMs: number;
  #reason = 'not called yet';
  /** On the scale of `performance.now()`. */
  #dueAtMs = 0;
  /** Calls under way that find out: one, or one more where an operator has cleared it meanwhile. */
  #trials = 0;
  /** A probe was answered since it opened. */
  #proven = false;

  constructor(settings: CircuitSettings, clock: Clock, onChange: (change: CircuitChange) => void) {
    this.#settings = settings;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#sinceMs = clock.now();
    this.#breaker = new ConsecutiveBreaker(settings.failures);
    this.#policy = circuitBreaker(
      handleWhenResult((result) => (result as Counted).failed),
      // For cockatiel it is always due; `admits` is asked before.
      { breaker: this.#breaker, halfOpenAfter: Number.NEGATIVE_INFINITY },
    );
    this.#policy.onStateChange((state) => this.#changed(state));
  }

  get state(): CircuitState {
    switch (this.#policy.state) {
      case PolicyState.Closed:
        return 'closed';
      case PolicyState.HalfOpen:
        return 'half-open';
      case PolicyState.Isolated:
        return 'quarantined';
      case PolicyState.Open:
        return this.#proven ? 'half-open' : 'open';
    }
  }

  /** Milliseconds since the epoch. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Why it is as it is, in plain words. */
  get reason(): string {
    return this.#reason;
  }

  /** Milliseconds until an open circuit is due; 0 where it is, or where it is not open. */
  get dueInMs(): number {
    const waits = this.#policy.state === PolicyState.Open && !this.#proven;
    return waits ? Math.max(0, this.#dueAtMs - performance.now()) : 0;
  }

  /** True where it is down and a call that goes there would be a trial that no probe has announced. */
  get isTrial(): boolean {
    return this.#policy.state === PolicyState.Open && !this.#proven;
  }

  /** True where a call may be made now. */
  admits(): boolean {
    const { state } = this.#policy;
    if (state === PolicyState.Closed) return true;
    return state === PolicyState.Open && this.dueInMs === 0 && this.#trials === 0;
  }

  /** Runs a call; `admits` has just said that it may be. */
  async run<O extends Outcome>(call: () => Promise<O>): Promise<O> {
    const isTrial = this.#policy.state !== PolicyState.Closed;
    if (isTrial) this.#trials += 1;
    let uncounted: O | null = null;
    const counted = async (): Promise<Counted & { readonly outcome: O }> => {
      const outcome = await call();
      const { sign } = outcome;
      // What comes back from before it opened is no news.
      const isNews = isTrial || this.#policy.state === PolicyState.Closed;
      const speaks = isTrial || sign === 'well' || sign === 'ill';
      if (isNews && speaks) return { outcome, failed: sign === 'ill' || sign === 'silent' };
      uncounted = outcome;
      throw UNCOUNTED;
    };
    try {
      return (await this.#policy.execute(counted)).outcome;
    } catch (thrown) {
      if (uncounted !== null) return uncounted;
      throw thrown;
    } finally {
      if (isTrial) this.#trials -= 1;
    }
  }

  /** What a probe found out, beside any call. */
  async probed(sign: HealthSign, error: ClavigerError | null): Promise<void> {
    if (this.#policy.state === PolicyState.Closed) {
      // A probe that works says little of the calls that failed: it does not set their count back.
      if (sign === 'ill') await this.run(async () => ({ sign, error }));
      return;
    }
    if (this.#policy.state !== PolicyState.Open) return;
    if (sign === 'well' || sign === 'throttled') {
      if (this.#proven) return;
      this.#proven = true;
      this.#tell('a probe was answered; the next call decides');
      return;
    }
    this.#proven = false;
    // A probe that fails in a way of its own says nothing of calls, which come when they are due.
    if (sign === 'ill') this.#dueAtMs = performance.now() + this.#settings.openMs;
  }

  /** No calls until `clear`. */
  quarantine(reason: string): void {
    if (this.#isolation !== null) return;
    this.#isolation = this.#policy.isolate();
    this.#isClosed = false;
    this.#sinceMs = this.#clock.now();
    this.#reason = reason;
    this.#tell(reason);
  }

  /** Closes it, whatever it is. */
  clear(): void {
    if (this.#isClosed) return;
    this.#breaker.success();
    const isolation = this.#isolation ?? this.#policy.isolate();
    this.#isolation = null;
    this.#whyClosed = 'an operator cleared it';
    isolation.dispose();
    this.#whyClosed = ANSWERS_AGAIN;
  }

  #changed(state: PolicyState): void {
    if (state === PolicyState.Open) return this.#opened();
    if (state === PolicyState.HalfOpen) return this.#halfOpened();
    if (state === PolicyState.Closed) return this.#closed();
    // Isolated: `quarantine` tells it, and to `clear` it is a step on the way.
  }

  #opened(): void {
    const { outcome } = (this.#policy.lastFailure as { readonly value: Counted }).value;
    const { openMs } = this.#settings;
    const isProof = outcome.sign === 'ill';
    this.#dueAtMs = performance.now() + (isProof ? openMs : Math.min(openMs, UNPROVED_MS_MAX));
    if (isProof) this.#reason = outcome.error!.message;
    if (this.#isClosed) this.#sinceMs = this.#clock.now();
    this.#isClosed = false;
    this.#proven = false;
    this.#tell(this.#reason);
  }

  #halfOpened(): void {
    const isTold = this.#proven;
    this.#proven = false;
    if (!isTold) this.#tell('one call finds out whether it answers again');
  }

  #closed(): void {
    this.#isClosed = true;
    this.#sinceMs = this.#clock.now();
    this.#reason = this.#whyClosed;
    this.#tell(this.#reason);
  }

  #tell(reason: string): void {
    this.#onChange({ state: this.state, since: this.#sinceMs, reason });
  }
}
