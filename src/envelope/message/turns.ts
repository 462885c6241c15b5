/**
 * Long work on the event loop, in turns: after about a MiB everybody else has theirs.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises';
import { ClavigerError } from '../../errors.ts';

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
    if (this.#signal.aborted) throw canceled(this.#signal.reason);
  }
}

/** What the end of a signal means: the error of ours that it was given, else CANCELED. */
export function canceled(reason: unknown): ClavigerError {
  return reason instanceof ClavigerError
    ? reason
    : new ClavigerError('CANCELED', 'the caller gave up', { cause: reason });
}
