/**
 * A call that any home of a key can answer: decrypt, sign with replicated material, MAC.
 *
 * Homes are asked in turn, the best first, each with its share of the time that is left, so that one that never answers
 * leaves time for the others. A refusal ends the request, whoever gives it. Where a second home is asked because the
 * first takes long (a hedge), whichever answers first is the answer.
 *
 * @module
 */
import { ClavigerError, toClavigerError } from '../errors.ts';
import type { CallOptions } from '../providers/provider.ts';
import { allFailed, balanced, COME_BACK_MS, turnsOf, type GroupSettings, type Home } from './group.ts';
import { NotCalledError } from './guard.ts';
import { Stop } from './in-time.ts';
import { canceledBy, mayFailOver } from './verdict.ts';

/** A home that was passed over, or asked in vain, before another one answered. */
export interface Failover<H extends Home = Home> {
  readonly home: H;
  readonly error: ClavigerError;
}

export interface Answered<T, H extends Home = Home> {
  readonly value: T;
  readonly home: H;
  /** None where the home answered that was to be asked first. */
  readonly failovers: readonly Failover<H>[];
}

type Work<T, H> = (home: H, options: CallOptions) => Promise<T>;

/**
 * The answer of one home.
 *
 * @param operation its name, for metrics and messages
 * @param idempotent true where it may happen twice: then also a call is made elsewhere of which nothing is known
 * @throws what a home refuses with; ALL_BACKINGS_FAILED where none answered; CANCELED, or the signal's own reason
 */
export async function anyHome<T, H extends Home>(
  homes: readonly H[],
  operation: string,
  idempotent: boolean,
  work: Work<T, H>,
  settings: GroupSettings,
  signal: AbortSignal,
): Promise<Answered<T, H>> {
  if (signal.aborted) throw canceledBy(signal);
  const turns = new Turns(homes, operation, idempotent, work, settings);
  if (!idempotent || settings.hedgeMs === null || turns.homes.length < 2) return inTurn(turns, signal);
  return hedged(turns, settings.hedgeMs, signal);
}

/** One request: whose turn it is, and why the others have not answered. */
class Turns<T, H extends Home> {
  /** As they would be asked if all were well. */
  readonly #wanted: readonly H[];
  /** As they are asked. */
  readonly homes: readonly H[];
  readonly #operation: string;
  readonly #idempotent: boolean;
  readonly #work: Work<T, H>;
  readonly #deadlineMs: number;
  readonly #failed = new Map<H, ClavigerError>();

  constructor(homes: readonly H[], operation: string, idempotent: boolean, work: Work<T, H>, settings: GroupSettings) {
    this.#wanted = balanced(homes, settings.balance);
    this.homes = turnsOf(this.#wanted);
    this.#operation = operation;
    this.#idempotent = idempotent;
    this.#work = work;
    this.#deadlineMs = performance.now() + settings.deadlineMs;
  }

  /** Asks a home, which gets an equal share of the time that is left for it and for those that may be asked after it. */
  ask(home: H, signal: AbortSignal, refused?: (error: ClavigerError) => void): Promise<T> {
    const nowMs = performance.now();
    const after = this.homes.length - 1 - this.homes.indexOf(home);
    const shares = this.homes.includes(home) ? 1 + after + Math.min(1, this.#down().length) : 1;
    const deadlineMs = nowMs + (this.#deadlineMs - nowMs) / shares;
    const work = (options: CallOptions): Promise<T> => this.#work(home, options);
    const within = { signal, deadlineMs, ...(refused === undefined ? {} : { refused }) };
    return home.guard.call(this.#operation, this.#idempotent, work, within);
  }

  /**
   * Notes that a home has failed.
   *
   * @returns true where another may be asked
   */
  failed(home: H, error: ClavigerError): boolean {
    this.#failed.set(home, error);
    return mayFailOver(error, this.#idempotent);
  }

  /** The first of the homes that were not called to come back; null where none does so soon. */
  async comesBack(untilMs: number, signal: AbortSignal): Promise<H | null> {
    using stop = new Stop(signal);
    const waits = this.#down().map(async (home) => {
      if (await home.guard.comesBack(untilMs, stop.signal)) return home;
      throw home.guard.absence();
    });
    const first = await Promise.any(waits).catch(() => null);
    stop.abort(new ClavigerError('CANCELED', 'another home has come back'));
    return first;
  }

  /** Until when a home that is down is waited for, from now. */
  get patientUntilMs(): number {
    return Math.min(this.#deadlineMs, performance.now() + COME_BACK_MS);
  }

  answered(home: H, value: T): Answered<T, H> {
    if (this.#failed.size === 0 && this.#wanted[0] === home) return { value, home, failovers: [] };
    const place = this.#wanted.indexOf(home);
    const failovers = this.#wanted
      .filter((other, at) => other !== home && (at < place || this.#failed.has(other)))
      .map((other) => ({ home: other, error: this.#failed.get(other) ?? other.guard.absence() }));
    return { value, home, failovers };
  }

  allFailed(): ClavigerError {
    return allFailed(
      `no home of the key could \`${this.#operation}\``,
      this.#wanted.map((home) => [home, this.#failed.get(home) ?? home.guard.absence()] as const),
    );
  }

  /** Homes that this request has not called, because they are down, and that need no operator to come back. */
  #down(): readonly H[] {
    return this.#wanted.filter((home) => {
      const error = this.#failed.get(home);
      const isUncalled = error === undefined ? !this.homes.includes(home) : error instanceof NotCalledError;
      return isUncalled && home.guard.mayComeBack;
    });
  }
}

async function inTurn<T, H extends Home>(turns: Turns<T, H>, signal: AbortSignal): Promise<Answered<T, H>> {
  for (const home of turns.homes) {
    try {
      return turns.answered(home, await turns.ask(home, signal));
    } catch (thrown) {
      const error = toClavigerError(thrown);
      if (signal.aborted || !turns.failed(home, error)) throw error;
    }
  }
  return lastResort(turns, signal);
}

/** Nobody is left but homes that were down when the request came: one of them may be well again. */
async function lastResort<T, H extends Home>(turns: Turns<T, H>, signal: AbortSignal): Promise<Answered<T, H>> {
  const untilMs = turns.patientUntilMs;
  for (;;) {
    const home = await turns.comesBack(untilMs, signal);
    if (signal.aborted) throw canceledBy(signal);
    if (home === null) throw turns.allFailed();
    try {
      return turns.answered(home, await turns.ask(home, signal));
    } catch (thrown) {
      const error = toClavigerError(thrown);
      if (signal.aborted || !turns.failed(home, error)) throw error;
    }
  }
}

/** As `inTurn`, but at most one more home is asked where the first is slow. */
async function hedged<T, H extends Home>(
  turns: Turns<T, H>,
  hedgeMs: number,
  signal: AbortSignal,
): Promise<Answered<T, H>> {
  using stop = new Stop(signal);
  const { promise, resolve, reject } = Promise.withResolvers<Answered<T, H>>();
  const refused = (error: ClavigerError): void => {
    reject(error);
    stop.abort(error);
  };
  let next = 0;
  let running = 0;

  const start = (): void => {
    const home = turns.homes[next]!;
    next += 1;
    running += 1;
    turns.ask(home, stop.signal, refused).then(
      (value) => resolve(turns.answered(home, value)),
      (thrown: unknown) => {
        running -= 1;
        const error = toClavigerError(thrown);
        if (stop.signal.aborted || !turns.failed(home, error)) reject(error);
        else if (running === 0 && next < turns.homes.length) start();
        else if (running === 0) lastResort(turns, stop.signal).then(resolve, reject);
      },
    );
  };

  start();
  const timer = setTimeout(() => {
    if (running === 0 || next > 1) return;
    const first = turns.homes[0]!;
    const message = `\`${first.guard.name}\` had not answered within ${hedgeMs} ms`;
    turns.failed(first, new ClavigerError('PROVIDER_TIMEOUT', message));
    start();
  }, hedgeMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    stop.abort(new ClavigerError('CANCELED', 'another home has answered'));
  }
}
