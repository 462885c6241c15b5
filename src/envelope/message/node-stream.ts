/**
 * A message as a stream of Node, for `pipeline`.
 *
 * Pieces are made when the reader wants them, so a chunk of many frames does not fill the memory.
 *
 * @module
 */
import { Transform, type TransformCallback } from 'node:stream';
import { canceledBy } from '../../resilience/index.ts';
import { Garbage } from './garbage.ts';
import type { Passage, Pieces } from './passage.ts';
import { Turns } from './turns.ts';

/** Made ahead of the reader, who is asked less often for it. */
const AHEAD_BYTES = 256 * 1024;

export class MessageTransform extends Transform {
  readonly #passage: Passage;
  readonly #turns: Turns;
  readonly #garbage = new Garbage();
  readonly #aborted = (): void => {
    this.destroy(canceledBy(this.#passage.signal));
  };
  /** Goes on with the pieces that wait for a reader. */
  #wanted: (() => void) | null = null;

  constructor(passage: Passage) {
    super({ readableHighWaterMark: AHEAD_BYTES });
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
    const wanted = this.#wanted;
    this.#wanted = null;
    if (wanted === null) super._read(size);
    else wanted();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#passage.signal.removeEventListener('abort', this.#aborted);
    this.#passage.close(error ?? undefined);
    this.#wanted = null;
    callback(error);
  }

  #give(made: () => Pieces, callback: TransformCallback): void {
    try {
      const pieces = made();
      if (Symbol.iterator in pieces) this.#push(pieces[Symbol.iterator](), callback);
      else
        void this.#later(
          pieces.then((later) => later[Symbol.iterator]()),
          callback,
        );
    } catch (error) {
      callback(error as Error);
    }
  }

  /** Pushes as long as somebody reads, with no promise in between. */
  #push(pieces: Iterator<Buffer>, callback: TransformCallback): void {
    // A piece that is asked for later would need a key that is no more.
    while (!this.destroyed) {
      let piece: IteratorResult<Buffer>;
      try {
        piece = pieces.next();
      } catch (error) {
        callback(error as Error);
        return;
      }
      if (piece.done === true) {
        callback();
        return;
      }
      this.#turns.did(piece.value.length);
      this.#garbage.of(piece.value.length);
      const isRead = this.push(piece.value);
      if (!isRead) {
        this.#wanted = () => this.#push(pieces, callback);
        return;
      }
      if (this.#turns.isOver) {
        void this.#later(
          this.#turns.next().then(() => pieces),
          callback,
        );
        return;
      }
    }
  }

  async #later(pieces: Promise<Iterator<Buffer>>, callback: TransformCallback): Promise<void> {
    let next: () => void;
    try {
      const iterator = await pieces;
      next = () => this.#push(iterator, callback);
    } catch (error) {
      next = () => callback(error as Error);
    }
    // Not within the promise: what a listener throws is nobody's rejection.
    process.nextTick(next);
  }
}
