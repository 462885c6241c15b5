/**
 * Long work on the event loop, in turns: after about a MiB everybody else has theirs.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises';
import { canceledBy } from '../../resilience/index.ts';

/** A third of a millisecond of AES-GCM. */
const TURN_BYTES = 1024 * 1024;

export class Turns {
  readonly #signal: AbortSignal;
  #bytes = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Counts work that was done. */
  did(bytes: number): void {
    this.#bytes += bytes;
  }

  get isOver(): boolean {
    return this.#bytes >= TURN_BYTES;
  }

  /** @throws CANCELED where the signal was aborted meanwhile, or the error that it was aborted with */
  async next(): Promise<void> {
    this.#bytes = 0;
    await setImmediate();
    if (this.#signal.aborted) throw canceledBy(this.#signal);
  }
}
