/**
 * Time that stands still until a test moves it, for what reads a clock and for what waits.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises';
import type { Sleep } from '../../src/ports/sleep.ts';
import { FakeClock } from './clock.ts';

interface Sleeper {
  readonly wakeAtMs: number;
  readonly wake: () => void;
}

export class FakeTime extends FakeClock {
  readonly #sleepers = new Set<Sleeper>();

  readonly sleep: Sleep = (ms, signal) =>
    new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers.delete(sleeper);
        resolve();
      };
      const sleeper = { wakeAtMs: this.now() + ms, wake };
      if (signal.aborted) return wake();
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', wake, { once: true });
    });

  /** Moves time on, from one sleeper's end to the next, and lets each do its work before. */
  async pass(ms: number): Promise<void> {
    const endMs = this.now() + ms;
    for (;;) {
      await settled();
      const next = [...this.#sleepers].toSorted((a, b) => a.wakeAtMs - b.wakeAtMs)[0];
      if (next === undefined || next.wakeAtMs > endMs) break;
      this.advance(Math.max(0, next.wakeAtMs - this.now()));
      next.wake();
    }
    this.advance(endMs - this.now());
    await settled();
  }
}

/** All that needs no time and no I/O has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await setImmediate();
}
