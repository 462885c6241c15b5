/**
 * Secret bytes with one owner, zeroed when that owner is done, and never shown by a log, an error or `inspect`.
 *
 * Zeroing reaches this buffer only; copies that native code or the garbage collector made are beyond it.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';

const SHOWN = '[secret]';

/** @example using key = new SecretBytes(random.bytes(32)); */
export class SecretBytes implements Disposable {
  #bytes: Buffer | null;

  /** @param bytes becomes the property of this object: the caller keeps no other use of it */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.reveal().length;
  }

  /**
   * The bytes themselves, not a copy; they are zeroed when this object is disposed of.
   *
   * @throws INTERNAL after that
   */
  reveal(): Buffer {
    if (this.#bytes === null) throw new ClavigerError('INTERNAL', 'the secret was disposed of already');
    return this.#bytes;
  }

  /**
   * Another secret of the same bytes, with an owner and memory of its own: a shared slab would keep it beyond our reach.
   *
   * @throws INTERNAL after this one was disposed of
   */
  copy(): SecretBytes {
    const bytes = this.reveal();
    const copy = Buffer.allocUnsafeSlow(bytes.length);
    bytes.copy(copy);
    return new SecretBytes(copy);
  }

  /**
   * This secret to be kept for long: itself where its memory is its own, otherwise a copy in whose favour it is disposed of.
   *
   * @throws INTERNAL after it was disposed of
   */
  kept(): SecretBytes {
    const bytes = this.reveal();
    if (bytes.length === bytes.buffer.byteLength) return this;
    const copy = this.copy();
    this[Symbol.dispose]();
    return copy;
  }

  [Symbol.dispose](): void {
    this.#bytes?.fill(0);
    this.#bytes = null;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [Symbol.toPrimitive](): string {
    return SHOWN;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return SHOWN;
  }
}
