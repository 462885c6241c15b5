/**
 * Time that stands still until a test moves it, and then jumps from timer to timer: a minute of waiting takes no time.
 *
 * It takes the place of `setTimeout`, `clearTimeout`, `Date.now` and `performance.now`. node:test has mock timers as well;
 * those leave `performance.now` alone and run all timers that are due without letting anything else happen in between,
 * while here what a timer sets going has come to rest before the next one runs, as in the real event loop.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises';

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
  hasRef: boolean;
}

/** What `setTimeout` gives back. */
interface TimerHandle {
  ref(): TimerHandle;
  unref(): TimerHandle;
  hasRef(): boolean;
}

const START_EPOCH_MS = Date.parse('2026-01-31T12:00:00.000Z');

export class VirtualTime implements Disposable {
  readonly #real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    dateNow: Date.now,
  };
  readonly #timers = new Map<TimerHandle, Timer>();
  #nowMs = 0;

  /** From here until it is disposed of, time is virtual in this process. */
  constructor() {
    globalThis.setTimeout = ((run: () => void, ms = 0) => this.#set(run, ms)) as unknown as typeof setTimeout;
    globalThis.clearTimeout = ((handle: TimerHandle | undefined | null) => {
      if (handle) this.#timers.delete(handle);
    }) as unknown as typeof clearTimeout;
    Date.now = () => START_EPOCH_MS + Math.floor(this.#nowMs);
    performance.now = () => this.#nowMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Timers that are set, but for those that do not keep a process alive. */
  get pending(): number {
    return this.#timers.values().reduce((count, { hasRef }) => count + (hasRef ? 1 : 0), 0);
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settled();
    for (let next = this.#next(); next !== null && next[1].dueMs <= untilMs; next = this.#next()) {
      await this.#run(next);
    }
    this.#nowMs = untilMs;
  }

  /**
   * Lets time pass until the promise is settled.
   *
   * @throws Error where no timer is left and it is not, or after an hour
   */
  async until<T>(promise: Promise<T>): Promise<T> {
    const state = { isSettled: false };
    const mark = (): void => {
      state.isSettled = true;
    };
    promise.then(mark, mark);
    await settled();
    const limitMs = this.#nowMs + 3_600_000;
    while (!state.isSettled) {
      const next = this.#next();
      if (next === null) throw new Error('nothing is left that could settle the promise');
      if (next[1].dueMs > limitMs) throw new Error('the promise was not settled within an hour');
      await this.#run(next);
    }
    return promise;
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#real.setTimeout;
    globalThis.clearTimeout = this.#real.clearTimeout;
    Date.now = this.#real.dateNow;
    // The real one is the prototype's.
    Reflect.deleteProperty(performance, 'now');
  }

  #set(run: () => void, ms: number): TimerHandle {
    const timer: Timer = { dueMs: this.#nowMs + Math.max(0, ms), run, hasRef: true };
    const withRef = (hasRef: boolean): TimerHandle => {
      timer.hasRef = hasRef;
      return handle;
    };
    const handle: TimerHandle = {
      ref: () => withRef(true),
      unref: () => withRef(false),
      hasRef: () => timer.hasRef,
    };
    this.#timers.set(handle, timer);
    return handle;
  }

  /** The timer that is due first; of several, the one that was set first. */
  #next(): [TimerHandle, Timer] | null {
    let first: [TimerHandle, Timer] | null = null;
    for (const entry of this.#timers) if (first === null || entry[1].dueMs < first[1].dueMs) first = entry;
    return first;
  }

  async #run([handle, timer]: [TimerHandle, Timer]): Promise<void> {
    this.#timers.delete(handle);
    this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
    timer.run();
    await settled();
  }
}

/** Everything that needs no timer has happened. */
async function settled(): Promise<void> {
  await setImmediate();
}
