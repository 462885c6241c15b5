/**
 * A lane: one session, at most one operation in it, and the memory that the operation reads and writes.
 *
 * An asynchronous call of `pkcs11js` keeps no hold of the buffers it was given: memory that nothing else holds may be
 * another's by the time it is read, and other data signed (pkcs11js issue 121). So each input is copied into memory that
 * lives as long as its lane.
 *
 * @module
 */
import type { Handle, PKCS11 } from './module.ts';
import { openSession } from './token.ts';

/** More than a ciphertext is longer than its plaintext, and the longest signature (RSA-16384). */
const OVERHEAD_BYTES = 2048;

export class Lane {
  readonly #pkcs11: PKCS11;
  readonly #slot: Handle;
  readonly #readWrite: boolean;
  readonly #input: Buffer;
  readonly output: Buffer;
  session: Handle;
  /** What the library has pointers to, kept from the garbage collector until the next operation. */
  held: unknown = null;

  constructor(pkcs11: PKCS11, slot: Handle, readWrite: boolean, inputBytesMax: number) {
    this.#pkcs11 = pkcs11;
    this.#slot = slot;
    this.#readWrite = readWrite;
    this.#input = Buffer.allocUnsafeSlow(inputBytesMax + OVERHEAD_BYTES);
    this.output = Buffer.allocUnsafeSlow(inputBytesMax + OVERHEAD_BYTES);
    this.session = openSession(pkcs11, slot, readWrite);
  }

  get inputBytesMax(): number {
    return this.#input.length;
  }

  /** A copy that lives as long as the lane; not empty memory even where it has no bytes, which libraries refuse. */
  own(input: Uint8Array): Buffer {
    this.#input.set(input);
    return this.#input.subarray(0, input.length);
  }

  /** Nothing of an operation stays after its answer was taken. */
  wipe(inputBytes: number, outputBytes: number): void {
    this.#input.fill(0, 0, Math.min(inputBytes, this.#input.length));
    this.output.fill(0, 0, Math.min(outputBytes, this.output.length));
  }

  /** A session in which no operation is active. Sessions of one process share its login, so nobody logs in again. */
  reopen(): void {
    try {
      this.#pkcs11.C_CloseSession(this.session);
    } catch {
      // It is gone, which is why we are here.
    }
    this.session = openSession(this.#pkcs11, this.#slot, this.#readWrite);
  }
}
