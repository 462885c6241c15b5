/**
 * Garbage that V8 sees.
 *
 * What a cipher returns lies outside V8's heap, and in it there is a view of a hundred bytes: the young generation is
 * collected when views have filled it, and a hundred MiB behind them are garbage by then. So a long stream makes a quarter
 * of what it gives away in the heap too. Its memory stays below half of what it would be, and it takes no longer, as memory
 * that was in use a moment ago is faster than fresh memory (docs/decisions/0036-messages-through-node-ffi.md).
 *
 * @module
 */
import { SLICE_BYTES } from './body.ts';

/** What a shorter stream leaves is little, and hardly collected before it has ended. */
const SHORT_BYTES = 16 * 1024 * 1024;
/** Of what it gave away, the part that it makes in the heap; texts are the cheapest there. */
const SHARE = 1 / 4;
const TEXT = Buffer.alloc(SHARE * SLICE_BYTES);

/** Of one stream. */
export class Garbage {
  #bytes = 0;

  /** @param bytes that were given away, and that nobody will need soon */
  of(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > SHORT_BYTES) TEXT.toString('latin1', 0, bytes * SHARE);
  }
}
