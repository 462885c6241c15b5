/**
 * A clock that stands still until a test moves it.
 *
 * @module
 */
import type { Clock } from '../../src/ports/clock.ts';

export const DAY_MS = 24 * 60 * 60 * 1000;

export class FakeClock implements Clock {
  #ms: number;

  constructor(iso = '2026-01-31T12:00:00.000Z') {
    this.#ms = Date.parse(iso);
  }

  now(): number {
    return this.#ms;
  }

  advance(ms: number): void {
    this.#ms += ms;
  }

  advanceDays(days: number): void {
    this.advance(days * DAY_MS);
  }
}
