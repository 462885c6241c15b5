/**
 * The body of a message that is written, frame by frame. Its header is made and its key is derived already.
 *
 * Pieces are made as they are asked for, so that whoever sends them decides how far it goes.
 *
 * @module
 */
import type { GcmEncryption } from '../../crypto/gcm-engine.ts';
import { ClavigerError } from '../../errors.ts';
import { BodyAad, FINAL_MARK, slices, writeFrameIv } from './body.ts';
import { IV_BYTES, type MessageHeader } from './header.ts';
import { HeldPieces } from './held-pieces.ts';
import { FRAMES_MAX } from './limits.ts';

const REGULAR_HEAD_BYTES = 4 + IV_BYTES;
const FINAL_HEAD_BYTES = 4 + 4 + IV_BYTES + 4;
const NOTHING = Buffer.alloc(0);

export class MessageEncryptor implements Disposable {
  readonly #header: MessageHeader;
  readonly #gcm: GcmEncryption;
  readonly #aad: BodyAad;
  readonly #held = new HeldPieces();
  #frames = 0;

  /** @param gcm becomes the property of this object */
  constructor(header: MessageHeader, gcm: GcmEncryption) {
    this.#header = header;
    this.#gcm = gcm;
    this.#aad = new BodyAad(header.messageId);
  }

  /**
   * Takes plaintext, and gives the pieces of the frames that it fills. Up to a frame of it is held back, as what comes last
   * is another kind of frame; it is not to change until it is given out.
   *
   * @throws LIMIT_EXCEEDED where there are more frames than the format has numbers
   */
  *write(chunk: Uint8Array): Generator<Buffer, void, void> {
    const { frameBytes } = this.#header;
    let before: Buffer | null = null;
    let at = 0;
    while (this.#held.length + chunk.length - at > frameBytes) {
      const end = at + frameBytes - this.#held.length;
      const part = chunk.subarray(at, end);
      at = end;
      if (this.#held.length === 0) {
        before = yield* this.#frame([part], frameBytes, false, before);
      } else {
        if (part.length > 0) this.#held.add(part);
        before = yield* this.#frame(this.#held.pieces(), frameBytes, false, before);
        this.#held.clear();
      }
    }
    if (before !== null) yield before;
    if (at < chunk.length) this.#held.add(chunk.subarray(at));
  }

  /** Takes the last of the plaintext, and gives the rest of the message. */
  *end(chunk: Uint8Array = NOTHING): Generator<Buffer, void, void> {
    if (this.#held.length === 0 && chunk.length <= this.#header.frameBytes) {
      yield yield* this.#frame([chunk], chunk.length, true, null);
      return;
    }
    yield* this.write(chunk);
    yield yield* this.#frame(this.#held.pieces(), this.#held.length, true, null);
    this.#held.clear();
  }

  [Symbol.dispose](): void {
    this.#gcm[Symbol.dispose]();
    this.#held.clear();
  }

  /** Gives the pieces of a frame but for its tag, which it returns; the tag of the frame before goes with its first one. */
  *#frame(
    pieces: readonly Uint8Array[],
    bytes: number,
    isFinal: boolean,
    before: Buffer | null,
  ): Generator<Buffer, Buffer, void> {
    if (this.#frames === FRAMES_MAX - 1 && !isFinal) {
      throw new ClavigerError('LIMIT_EXCEEDED', `a message has at most ${FRAMES_MAX} frames: choose longer ones`);
    }
    this.#frames++;
    const start = before?.length ?? 0;
    const head = Buffer.allocUnsafe(start + (isFinal ? FINAL_HEAD_BYTES : REGULAR_HEAD_BYTES));
    before?.copy(head);
    let at = isFinal ? head.writeUInt32BE(FINAL_MARK, start) : start;
    at = head.writeUInt32BE(this.#frames, at);
    const iv = head.subarray(at, at + IV_BYTES);
    at = writeFrameIv(head, at, this.#frames);
    if (isFinal) head.writeUInt32BE(bytes, at);
    this.#gcm.begin(iv);
    this.#gcm.aad(this.#aad.of(isFinal ? 'final' : 'regular', this.#frames, bytes));
    yield head;
    for (const piece of pieces) {
      for (const slice of slices(piece)) yield this.#gcm.update(slice);
    }
    return this.#gcm.tag();
  }
}
