/**
 * The guard of one configured provider: every call to it goes through here, whichever key and group it is for.
 *
 * A call takes a slot of the bulkhead, is made if the circuit lets it, and ends with its time. It is retried inside its
 * deadline as the disposition of its error allows, after a wait with jitter, and never more often than configured.
 *
 * Three more things happen here, because nobody else sees all calls. Refused credentials of ours quarantine the provider:
 * trying them again may lock them. An open circuit is probed by a timer, so that it heals without a request having to
 * fail for it. And where a provider answers nothing while calls to it are given up early, a probe is asked: calls that
 * are given up prove nothing by themselves.
 *
 * @module
 */
import { ClavigerError, toClavigerError, type ErrorCode } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { ProviderCall } from '../ports/metrics.ts';
import type { Random } from '../ports/random.ts';
import type { CallOptions, Health, Provider } from '../providers/provider.ts';
import { AFTER_FAULT, AFTER_THROTTLE, fraction, nextWaitMs } from './backoff.ts';
import { Circuit, type CircuitSettings, type CircuitState } from './circuit.ts';
import { inTime, pause, type Ended } from './in-time.ts';
import { Latency } from './latency.ts';
import { Slots } from './slots.ts';
import { canceledBy, healthSignOf, mayRetry, speaksOfProvider, verdictOf, type HealthSign } from './verdict.ts';

/** What is guarded: a provider, or anything else that calls can fail at. */
export type Guarded = Pick<Provider, 'name' | 'probe' | 'close'>;

/** A subset of what every provider is configured with. */
export interface GuardSettings {
  /** Of one call. */
  readonly timeoutMs: number;
  /** Calls of one request, the first included. */
  readonly attempts: number;
  readonly maxConcurrent: number;
  readonly breaker: CircuitSettings;
}

/** Called synchronously; they must not throw. */
export interface GuardEvents {
  /** A single call has ended. */
  called?(call: ProviderCall): void;
  /** A call is about to be made again. */
  retried?(provider: string, operation: string): void;
  circuit?(change: {
    readonly provider: string;
    readonly state: CircuitState;
    /** Milliseconds since the epoch: since when it is not closed, or since when it is. */
    readonly since: number;
    readonly reason: string;
  }): void;
}

export interface GuardStatus {
  readonly state: CircuitState;
  /** Milliseconds since the epoch: since when the circuit is not closed, or since when it is. */
  readonly sinceMs: number;
  /** The last one that speaks of the provider, not of a key; it stays after the provider has recovered. */
  readonly lastError: { readonly code: ErrorCode; readonly message: string; readonly atMs: number } | null;
  /** Of answers; null before the first. */
  readonly latencyMs: { readonly mean: number; readonly p99: number } | null;
  readonly calls: number;
  /** Calls that ended in an error that speaks of the provider. */
  readonly failures: number;
  readonly retries: number;
  readonly inFlight: number;
}

export interface GuardPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly events?: GuardEvents;
}

/** How long a call may take. */
export interface Within {
  readonly signal: AbortSignal;
  /** When the whole request ends, on the scale of `performance.now()`. */
  readonly deadlineMs: number;
  /** Told of a refusal at once, before anything else can begin: whoever asks several homes stops the others here. */
  readonly refused?: (error: ClavigerError) => void;
  /** Of one call, for what takes longer than the usual; the provider's own where it is not given. */
  readonly timeoutMs?: number;
  /** Calls at most; 1 for what must not happen twice, whatever its error says. The provider's own where it is not given. */
  readonly attempts?: number;
}

/** How long a call waits for a slot: a share of its time, and no longer than this; then it goes elsewhere. */
const SLOT_WAIT_SHARE = 1 / 4;
const SLOT_WAIT_MS_MAX = 250;
/** A call that the request's end cut short counts as unanswered where it had so many times the usual latency. */
const FAIR_TIMES = 4;
/** Latency that a provider is taken to have at least: where nothing is known, calls under way still count. */
const EXPECTED_MS_MIN = 0.05;
/** How often an open circuit is probed, or each `openMs` where that is shorter: a provider that is back is soon used. */
const PROBE_EVERY_MS = 1000;
/** What a probe found out holds for so long; one that has no answer yet is not waited for longer, but another is asked. */
const PROBE_FRESH_MS = 100;
/** A probe of the timer has no caller. */
const NEVER = new AbortController().signal;

/** A call that was not made, because the circuit is open or another call is just finding out. */
export class NotCalledError extends ClavigerError {}

interface Outcome<T> {
  readonly error: ClavigerError | null;
  readonly value?: T;
  readonly sign: HealthSign;
}

export class Guard<P extends Guarded = Provider> {
  readonly provider: P;
  readonly #settings: GuardSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #events: GuardEvents;
  readonly #circuit: Circuit;
  readonly #slots: Slots;
  readonly #latency = new Latency();
  #lastError: GuardStatus['lastError'] = null;
  #calls = 0;
  #failures = 0;
  #retries = 0;
  #inFlight = 0;
  /** When the first call was made that nothing has been answered since; null where the last thing was an answer. */
  #unansweredSinceMs: number | null = null;
  #throttle: { readonly error: ClavigerError; readonly waitMs: number; readonly untilMs: number } | null = null;
  /** The last change of the circuit was to half-open. */
  #wasTried = false;
  #probeTimer: NodeJS.Timeout | null = null;
  /** The last probe, until it is answered. */
  #probing: Promise<Health> | null = null;
  #probedAtMs = Number.NEGATIVE_INFINITY;
  /** Of the probes that have ended, when the one was begun that was begun last, and whether it failed. */
  #probeKnown = { fromMs: Number.NEGATIVE_INFINITY, failed: false };
  /** Resolved with the next change of the circuit. */
  #change = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(provider: P, settings: GuardSettings, ports: GuardPorts) {
    this.provider = provider;
    this.#settings = settings;
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#events = ports.events ?? {};
    this.#slots = new Slots(settings.maxConcurrent);
    this.#circuit = new Circuit(settings.breaker, ports.clock, (change) => {
      // Where a trial has failed though a probe was answered, probes prove little: the next is asked when it is due.
      const waitMs = this.#wasTried ? settings.breaker.openMs : PROBE_EVERY_MS;
      if (change.state === 'open') this.#probeLater(waitMs);
      this.#wasTried = change.state === 'half-open';
      this.#change.resolve();
      this.#change = Promise.withResolvers();
      this.#events.circuit?.({ provider: this.name, ...change });
    });
  }

  get name(): string {
    return this.provider.name;
  }

  status(): GuardStatus {
    const { meanMs, p99Ms } = this.#latency;
    return {
      state: this.#circuit.state,
      sinceMs: this.#circuit.sinceMs,
      lastError: this.#lastError,
      latencyMs: meanMs === null || p99Ms === null ? null : { mean: meanMs, p99: p99Ms },
      calls: this.#calls,
      failures: this.#failures,
      retries: this.#retries,
      inFlight: this.#inFlight,
    };
  }

  /** True where a call may be made now: the circuit is closed, or it is time that one call finds out. */
  usable(): boolean {
    return !this.#isClosed && this.#circuit.admits();
  }

  /** True where no operator is needed for it to be usable again. */
  get mayComeBack(): boolean {
    return !this.#isClosed && this.#circuit.state !== 'quarantined';
  }

  /** How eagerly it is to be asked, among homes that are usable. */
  get readiness(): 'ready' | 'throttled' | 'on-trial' {
    if (this.#circuit.isTrial) return 'on-trial';
    return this.#throttle !== null && performance.now() < this.#throttle.untilMs ? 'throttled' : 'ready';
  }

  /** What one more call is expected to take here, with those that are under way before it. */
  get expectedWaitMs(): number {
    const known = Math.max(EXPECTED_MS_MIN, this.#latency.expectedMs(performance.now()));
    return known * (1 + this.#inFlight + this.#slots.waiting);
  }

  /** In [0, 1). */
  draw(): number {
    return fraction(this.#random);
  }

  /** Why it is not asked, or not before others, as an error; nothing secret in it. */
  absence(): ClavigerError {
    if (this.usable() && this.readiness === 'throttled') return this.#throttle!.error;
    const why = this.#isClosed ? 'it is closed' : this.#circuitInWords();
    return new NotCalledError('PROVIDER_UNAVAILABLE', this.#notCalled(why), { native: this.#native() });
  }

  /**
   * Waits for a provider that is down, for whoever has no other: until the call that is finding out has done so, or for
   * a probe, unless one has failed just before. True once it is usable.
   */
  async comesBack(untilMs: number, signal: AbortSignal): Promise<boolean> {
    while (!this.usable()) {
      const nowMs = performance.now();
      if (nowMs >= untilMs || signal.aborted || !this.mayComeBack) return false;
      const isOpen = this.#circuit.state === 'open';
      const isFresh = nowMs - this.#probedAtMs < PROBE_FRESH_MS;
      if (isOpen && this.#probing === null && this.#probeKnown.failed && isFresh) return false;
      const news = isOpen ? (): Promise<unknown> => this.probe() : (): Promise<unknown> => this.#change.promise;
      await inTime(news, Math.min(PROBE_FRESH_MS, untilMs - nowMs), signal, () => this.absence());
    }
    return true;
  }

  /**
   * Makes a call, and makes it again where its error allows that, until the deadline.
   *
   * @param operation its name, for metrics and messages
   * @param idempotent true where it may happen twice
   * @throws the last error of the provider; PROVIDER_UNAVAILABLE, without a call, where it is busy or its circuit is open
   */
  async call<T>(
    operation: string,
    idempotent: boolean,
    work: (options: CallOptions) => Promise<T>,
    within: Within,
  ): Promise<T> {
    let last: ClavigerError | null = null;
    for (let attempt = 1, waitMs = 0; ; attempt += 1) {
      this.#requireCallable(within, last);
      if (!this.#slots.take()) await this.#waitForSlot(within, last);
      let outcome: Outcome<T>;
      try {
        // INVARIANT: nothing is awaited between this and the start of the call, so what it says still holds.
        this.#requireCallable(within, last);
        outcome = await this.#circuit.run(() => this.#make(operation, attempt, work, within));
      } finally {
        this.#slots.give();
      }
      const { error } = outcome;
      if (error === null) return outcome.value as T;
      const again =
        attempt < (within.attempts ?? this.#settings.attempts) && mayRetry(error, idempotent) && this.usable();
      if (!again) throw error;
      waitMs = nextWaitMs(outcome.sign === 'throttled' ? AFTER_THROTTLE : AFTER_FAULT, waitMs, this.#random);
      if (performance.now() + waitMs >= within.deadlineMs) throw error;
      await pause(waitMs, within.signal);
      this.#requireCallable(within, error);
      last = error;
      this.#retries += 1;
      this.#events.retried?.(this.name, operation);
    }
  }

  /** Makes no calls until `clear`: our credentials were refused, or something else is wrong that only a person sets right. */
  quarantine(error: ClavigerError): void {
    this.#note(error);
    this.#stopProbing();
    this.#circuit.quarantine(error.message);
  }

  /** Has calls made again, whatever the reason was that none were. */
  clear(): void {
    this.#stopProbing();
    this.#throttle = null;
    this.#circuit.clear();
  }

  /** Asks the provider how it is, unless it is quarantined. An open circuit is half-open after a good answer. */
  probe(): Promise<Health> {
    const nowMs = performance.now();
    if (this.#probing !== null && nowMs - this.#probedAtMs < PROBE_FRESH_MS) return this.#probing;
    this.#probedAtMs = nowMs;
    const probing = this.#probe(nowMs).finally(() => {
      if (this.#probing === probing) this.#probing = null;
    });
    this.#probing = probing;
    return probing;
  }

  /** Closes the provider; calls that are made after this are refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopProbing();
    await this.provider.close();
  }

  async #waitForSlot({ signal, deadlineMs }: Within, last: ClavigerError | null): Promise<void> {
    const leftMs = deadlineMs - performance.now();
    const waitMs = Math.min(SLOT_WAIT_MS_MAX, this.#settings.timeoutMs * SLOT_WAIT_SHARE, leftMs);
    if (await this.#slots.wait(waitMs, signal)) return;
    if (signal.aborted) throw canceledBy(signal);
    const why = this.#notCalled(`it is busy with ${this.#settings.maxConcurrent} calls`);
    throw last ?? new ClavigerError('PROVIDER_UNAVAILABLE', why, { native: this.#native() });
  }

  /** @param last what the provider said to an earlier attempt, which is the better answer then */
  #requireCallable({ signal, deadlineMs }: Within, last: ClavigerError | null): void {
    if (signal.aborted) throw canceledBy(signal);
    if (!this.usable()) throw last ?? this.absence();
    if (performance.now() < deadlineMs) return;
    throw last ?? new ClavigerError('PROVIDER_TIMEOUT', this.#notCalled('the time of the request is over'));
  }

  /** One call. */
  async #make<T>(
    operation: string,
    attempt: number,
    work: (options: CallOptions) => Promise<T>,
    within: Within,
  ): Promise<Outcome<T>> {
    const startMs = performance.now();
    const timeoutMs = Math.min(within.timeoutMs ?? this.#settings.timeoutMs, within.deadlineMs - startMs);
    this.#calls += 1;
    this.#inFlight += 1;
    this.#unansweredSinceMs ??= startMs;
    const ended = await inTime(
      work,
      timeoutMs,
      within.signal,
      () => this.#late(operation, timeoutMs),
      (thrown, isLate) => this.#refused(toClavigerError(thrown), within, isLate),
    );
    this.#inFlight -= 1;
    const nowMs = performance.now();
    const outcome = this.#judge(ended, timeoutMs, nowMs);
    const tookMs = nowMs - startMs;
    if (outcome.error === null) this.#latency.add(tookMs, nowMs);
    else if (ended.by === 'time') this.#latency.expect(tookMs, nowMs);
    const code = ended.by === 'caller' ? 'CANCELED' : (outcome.error?.code ?? 'OK');
    this.#events.called?.({ provider: this.name, operation, outcome: code, tookMs, attempt });
    return outcome;
  }

  /** In the moment of a refusal, before anything else can begin. */
  #refused(error: ClavigerError, { refused }: Within, isLate: boolean): void {
    if (verdictOf(error) !== 'refusal') return;
    // That holds whether or not somebody still waits for this call.
    if (error.code === 'PROVIDER_DENIED') this.quarantine(error);
    if (!isLate) refused?.(error);
  }

  #judge<T>(ended: Ended<T>, timeoutMs: number, nowMs: number): Outcome<T> {
    if ('value' in ended) {
      this.#unansweredSinceMs = null;
      this.#throttle = null;
      return { error: null, value: ended.value, sign: 'well' };
    }
    if (ended.by === 'caller') {
      this.#suspect(nowMs);
      return { error: ended.thrown, sign: 'silent' };
    }
    const error = toClavigerError(ended.thrown);
    if (speaksOfProvider(error)) {
      this.#failures += 1;
      this.#note(error);
    }
    if (ended.by === 'time') {
      if (this.#wasFair(timeoutMs)) return { error, sign: 'ill' };
      this.#suspect(nowMs);
      return { error, sign: 'silent' };
    }
    this.#unansweredSinceMs = null;
    const sign = healthSignOf(error);
    if (sign === 'throttled') this.#throttled(error, nowMs);
    return { error, sign };
  }

  /** True where a call that was cut short by its request's end had the time that the provider usually needs. */
  #wasFair(timeoutMs: number): boolean {
    const { meanMs } = this.#latency;
    return timeoutMs >= this.#settings.timeoutMs || meanMs === null || timeoutMs >= FAIR_TIMES * meanMs;
  }

  /** Asks for a probe where nothing was answered for as long as one call may take. */
  #suspect(nowMs: number): void {
    if (nowMs - (this.#unansweredSinceMs ?? nowMs) < this.#settings.timeoutMs) return;
    if (this.#circuit.state === 'closed' && this.#probing === null) void this.probe();
  }

  #throttled(error: ClavigerError, nowMs: number): void {
    const waitMs = nextWaitMs(AFTER_THROTTLE, this.#throttle?.waitMs ?? 0, this.#random);
    this.#throttle = { error, waitMs, untilMs: nowMs + waitMs };
  }

  async #probe(fromMs: number): Promise<Health> {
    if (this.#isClosed) return { ok: false, detail: `\`${this.name}\` is closed` };
    if (this.#circuit.state === 'quarantined') return { ok: false, detail: this.absence().message };
    const { timeoutMs } = this.#settings;
    const ended = await inTime(
      (options) => this.provider.probe(options),
      timeoutMs,
      NEVER,
      () => this.#late('probe', timeoutMs),
    );
    // What was asked before something that is known already is no news.
    const isNews = fromMs >= this.#probeKnown.fromMs;
    if ('value' in ended) {
      const { ok } = ended.value;
      this.#unansweredSinceMs = null;
      if (isNews) await this.#probed(fromMs, ok ? 'well' : 'silent', null);
      return ended.value;
    }
    const error = toClavigerError(ended.thrown);
    if (error.code === 'PROVIDER_DENIED') this.quarantine(error);
    else if (isNews) await this.#probed(fromMs, healthSignOf(error), error);
    return { ok: false, detail: error.message };
  }

  async #probed(fromMs: number, sign: HealthSign, error: ClavigerError | null): Promise<void> {
    this.#probeKnown = { fromMs, failed: sign === 'ill' || sign === 'silent' };
    if (error !== null) this.#note(error);
    await this.#circuit.probed(sign, error);
  }

  /** Probes an open circuit again and again until it is open no longer. */
  #probeLater(waitMs: number): void {
    this.#stopProbing();
    if (this.#isClosed) return;
    const probe = (): void => {
      void this.probe().then(() => {
        if (this.#circuit.state === 'open') this.#probeLater(PROBE_EVERY_MS);
      });
    };
    this.#probeTimer = setTimeout(probe, Math.min(waitMs, this.#settings.breaker.openMs)).unref();
  }

  #stopProbing(): void {
    if (this.#probeTimer !== null) clearTimeout(this.#probeTimer);
    this.#probeTimer = null;
  }

  #note({ code, message }: ClavigerError): void {
    this.#lastError = { code, message, atMs: this.#clock.now() };
  }

  #circuitInWords(): string {
    const { state, sinceMs, reason, dueInMs } = this.#circuit;
    const since = new Date(sinceMs).toISOString();
    if (state === 'quarantined') return `it is in quarantine since ${since} until an operator clears it: ${reason}`;
    if (state === 'half-open') return `it is down since ${since}, and one call is finding out whether it answers again`;
    return `it is left alone since ${since}, for ${Math.ceil(dueInMs / 1000)} s more: ${reason}`;
  }

  #late(operation: string, timeoutMs: number): ClavigerError {
    const message = `\`${this.name}\` did not answer \`${operation}\` within ${Math.round(timeoutMs)} ms`;
    return new ClavigerError('PROVIDER_TIMEOUT', message, { native: this.#native() });
  }

  #notCalled(why: string): string {
    return `\`${this.name}\` was not called: ${why}`;
  }

  #native(): { readonly provider: string; readonly code: null; readonly requestId: null } {
    return { provider: this.name, code: null, requestId: null };
  }
}
