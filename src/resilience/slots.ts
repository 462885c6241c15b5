/**
 * The bulkhead: so many calls of a provider at a time, so that one that is slow holds no more than that.
 *
 * Who finds no slot waits for a while in a queue that is no longer than the slots are many, and leaves it with its signal.
 *
 * @module
 */

export class Slots {
  #free: number;
  readonly #waitingMax: number;
  /** In the order they came. */
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
    this.#waitingMax = count;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a slot that is free now. */
  take(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  /** Waits for a slot; false where none came in time, too many wait already, or the signal aborted. */
  wait(ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#waiting.size >= this.#waitingMax || signal.aborted) return resolve(false);
      const end = (taken: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#waiting.delete(onSlot);
        resolve(taken);
      };
      const onSlot = (): void => end(true);
      const onAbort = (): void => end(false);
      const timer = setTimeout(onAbort, ms);
      signal.addEventListener('abort', onAbort);
      this.#waiting.add(onSlot);
    });
  }

  /** Gives a slot back: to whoever waits longest, or to nobody. */
  give(): void {
    const next = this.#waiting.values().next().value;
    if (next === undefined) this.#free += 1;
    else next();
  }
}
