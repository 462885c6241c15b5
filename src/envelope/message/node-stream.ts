/**
 * A message as a stream of Node, for `pipeline`.
 *
 * Pieces are made when the reader wants them, so a chunk of many frames does not fill the memory.
 *
 * @module
 */
import { Transform, type TransformCallback } from 'node:stream';
import type { Passage, Pieces } from './passage.ts';
import { canceled, Turns } from './turns.ts';

export class MessageTransform extends Transform {
  readonly #passage: Passage;
  readonly #turns: Turns;
  readonly #aborted = (): void => {
    this.destroy(canceled(this.#passage.signal.reason));
  };
  /** Ends the wait for a reader. */
  #wanted: (() => void) | null = null;

  constructor(passage: Passage) {
    super();
    this.#passage = passage;
    this.#turns = new Turns(passage.signal);
    passage.signal.addEventListener('abort', this.#aborted);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#give(() => this.#passage.write(chunk), callback);
  }

  override _flush(callback: TransformCallback): void {
    this.#give(() => this.#passage.end(), callback);
  }

  override _read(size: number): void {
    if (this.#wanted === null) super._read(size);
    else this.#wanted();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#passage.signal.removeEventListener('abort', this.#aborted);
    this.#passage.close(error ?? undefined);
    this.#wanted?.();
    callback(error);
  }

  #give(made: () => Pieces, callback: TransformCallback): void {
    this.#push(made).then(
      // Not within the promise: what a callback throws is nobody's rejection.
      () => process.nextTick(callback),
      (error: Error) => process.nextTick(callback, error),
    );
  }

  async #push(made: () => Pieces): Promise<void> {
    const pieces = made();
    for (const piece of Symbol.iterator in pieces ? pieces : await pieces) {
      if (this.destroyed) return;
      this.#turns.did(piece.length);
      if (!this.push(piece)) await this.#reader();
      if (this.#turns.isOver) await this.#turns.next();
    }
  }

  async #reader(): Promise<void> {
    const wanted = Promise.withResolvers<void>();
    this.#wanted = wanted.resolve;
    await wanted.promise;
    this.#wanted = null;
  }
}
