/**
 * A limit on slow operations at a time, so that RSA and its like leave threads of the pool to everybody else.
 *
 * @module
 */
import { availableParallelism } from 'node:os';

/** Lets `limit` operations run at a time; the others wait in the order in which they came. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  readonly #limit: number;
  #free: number;

  constructor(limit: number) {
    this.#limit = Math.max(1, limit);
    this.#free = this.#limit;
  }

  get running(): number {
    return this.#limit - this.#free;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  async run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await operation();
    } finally {
      // A turn goes from hand to hand; it is free only when nobody waits for it.
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

/** The turns of every operation above about 100 µs. */
export const slowTurns = new Turns(availableParallelism());
