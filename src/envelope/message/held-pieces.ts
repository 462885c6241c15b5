/**
 * Pieces of a byte string that wait to be used: large ones as they are, small ones gathered in memory of our own. So a
 * frame that came a byte at a time is not a hundred thousand objects, and one that came in large chunks is not copied.
 *
 * @module
 */

/** A copy of fewer bytes costs less than a call of the cipher. */
export const SMALL_BYTES = 4096;
const SLAB_BYTES = 64 * 1024;

export class HeldPieces {
  #pieces: Uint8Array[] = [];
  #slabs: Buffer[] = [];
  /** Where the part of the newest slab begins that is not yet a piece, and where it ends. */
  #from = 0;
  #to = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Small bytes are copied; others stay the caller's memory, which is not to change until they are taken. */
  add(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (bytes.length >= SMALL_BYTES) {
      this.#closePiece();
      this.#pieces.push(bytes);
      return;
    }
    for (let at = 0; at < bytes.length;) {
      let slab = this.#slabs.at(-1);
      if (slab === undefined || this.#to === slab.length) slab = this.#newSlab();
      const taken = bytes.subarray(at, at + slab.length - this.#to);
      slab.set(taken, this.#to);
      this.#to += taken.length;
      at += taken.length;
    }
  }

  /** All of them, in their order. They are good until `clear`. */
  pieces(): readonly Uint8Array[] {
    this.#closePiece();
    return this.#pieces;
  }

  /** Forgets them, and zeroes the copies. */
  clear(): void {
    for (const slab of this.#slabs) slab.fill(0);
    // One stays for what comes next.
    this.#slabs.length = Math.min(this.#slabs.length, 1);
    this.#pieces = [];
    this.#from = 0;
    this.#to = 0;
    this.#length = 0;
  }

  #newSlab(): Buffer {
    this.#closePiece();
    const slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#slabs.push(slab);
    this.#from = 0;
    this.#to = 0;
    return slab;
  }

  #closePiece(): void {
    if (this.#to > this.#from) this.#pieces.push(this.#slabs.at(-1)!.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
