/**
 * A limit on slow operations at a time, so that RSA and its like leave threads of the pool to everybody else.
 *
 * @module
 */
import { availableParallelism } from 'node:os';

/** Results that are given out together while others wait for their turn. */
const TOGETHER = 8;
/** No result waits longer for others. */
const TOGETHER_MS = 2;

/**
 * Lets `limit` operations run at a time; the others wait in the order in which they came.
 *
 * While others wait, results are given out some at a time. Each would otherwise be a turn of the event loop, a message to
 * the writer thread and a commit of its own, which together cost half as much as an RSA signature; and who has waited
 * for a turn loses nothing that could be noticed.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #gathered: (() => void)[] = [];
  #timer: NodeJS.Timeout | null = null;
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
      if (next !== undefined || this.#gathered.length > 0) await this.#together();
    }
  }

  /** Waits until some results have come together, or none is to be waited for. */
  #together(): Promise<void> {
    return new Promise((resolve) => {
      this.#gathered.push(resolve);
      if (this.#gathered.length >= TOGETHER || this.running === 0) this.#giveOut();
      else this.#timer ??= setTimeout(() => this.#giveOut(), TOGETHER_MS);
    });
  }

  #giveOut(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const gathered = this.#gathered;
    this.#gathered = [];
    for (const resolve of gathered) resolve();
  }
}

/** The turns of every operation above about 100 µs. */
export const slowTurns = new Turns(availableParallelism());
