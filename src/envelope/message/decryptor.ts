/**
 * The body of a message that is read, frame by frame. Its header is verified and its key is derived already.
 *
 * No plaintext leaves before the tag of its frame is verified. A signed message is known to be whole only at its end:
 * who takes plaintext before takes it unsigned.
 *
 * @module
 */
import type { GcmDecryption } from '../../crypto/gcm-engine.ts';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import { BodyAad, FINAL_MARK, SLICE_BYTES, slices, type ContentKind } from './body.ts';
import { IV_BYTES, TAG_BYTES, type MessageHeader } from './header.ts';
import { HeldPieces, SMALL_BYTES } from './held-pieces.ts';
import { NON_FRAMED_BYTES_MAX } from './limits.ts';
import type { SignatureCheck } from './signature.ts';

/** What comes next. A part of fixed length is gathered in `#field`. */
type Part =
  'number' | 'regular-head' | 'final-head' | 'non-framed-head' | 'content' | 'tag' | 'footer-length' | 'footer' | 'end';

const FIELD_BYTES_MAX = 128;

export class MessageDecryptor implements Disposable {
  readonly #header: MessageHeader;
  readonly #gcm: GcmDecryption;
  readonly #signature: SignatureCheck | null;
  readonly #aad: BodyAad;

  #part: Part;
  #field: Buffer | null = null;
  #fieldBytes = 0;
  #taken = 0;
  #fieldWants: number;

  #kind: ContentKind = 'regular';
  #frames = 0;
  /** Of the frame that is being read. */
  #contentLeft = 0;
  /** Ciphertext that came in small pieces. */
  readonly #small = new HeldPieces();
  /** Plaintext of the frame, not yet verified. */
  #plaintext: Buffer[] = [];

  /**
   * @param gcm becomes the property of this object
   * @param signature has seen the header; null for a suite without
   */
  constructor(header: MessageHeader, gcm: GcmDecryption, signature: SignatureCheck | null) {
    this.#header = header;
    this.#gcm = gcm;
    this.#signature = signature;
    this.#aad = new BodyAad(header.messageId);
    const isFramed = header.contentType === 'framed';
    this.#part = isFramed ? 'number' : 'non-framed-head';
    this.#fieldWants = isFramed ? 4 : IV_BYTES + 8;
  }

  /**
   * Takes bytes of the message, and gives plaintext whose frame is verified. When it has given all, it keeps nothing of the
   * bytes that is not its own.
   *
   * @throws INVALID_CIPHERTEXT; LIMIT_EXCEEDED for a body without frames that is too long
   */
  *write(chunk: Uint8Array): Generator<Buffer, void, void> {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = 0;
    while (at < bytes.length) {
      const part = this.#part;
      if (part === 'end') throw invalidCiphertext();
      if (part === 'content') {
        const content = bytes.subarray(at, at + this.#contentLeft);
        at += content.length;
        this.#content(content);
        continue;
      }
      const field = this.#fieldOf(bytes, at);
      at += this.#taken;
      if (field === null) return;
      if (part !== 'footer-length' && part !== 'footer') this.#signature?.update(field);
      if (part === 'tag') for (const piece of this.#verified(field)) yield piece;
      else this.#fieldRead(part, field);
    }
  }

  /**
   * There is nothing more.
   *
   * @throws INVALID_CIPHERTEXT where the message is not whole
   */
  end(): void {
    if (this.#part !== 'end') throw invalidCiphertext();
  }

  [Symbol.dispose](): void {
    this.#gcm[Symbol.dispose]();
    this.#small.clear();
    this.#wipe();
  }

  /** The field that is wanted, where these bytes end it; else what there is of it is kept. Counts what it took. */
  #fieldOf(bytes: Buffer, at: number): Buffer | null {
    const wants = this.#fieldWants - this.#fieldBytes;
    const taken = bytes.subarray(at, at + wants);
    this.#taken = taken.length;
    if (taken.length === this.#fieldWants) return taken;
    this.#field ??= Buffer.allocUnsafe(FIELD_BYTES_MAX);
    this.#field.set(taken, this.#fieldBytes);
    this.#fieldBytes += taken.length;
    return taken.length === wants ? this.#field.subarray(0, this.#fieldBytes) : null;
  }

  #fieldRead(part: Exclude<Part, 'content' | 'tag' | 'end'>, field: Buffer): void {
    switch (part) {
      case 'number':
        return this.#numberRead(field.readUInt32BE());
      case 'regular-head':
        return this.#begin('regular', field.subarray(0, IV_BYTES), this.#header.frameBytes);
      case 'final-head': {
        const bytes = field.readUInt32BE(4 + IV_BYTES);
        if (field.readUInt32BE() !== this.#frames || bytes > this.#header.frameBytes) throw invalidCiphertext();
        return this.#begin('final', field.subarray(4, 4 + IV_BYTES), bytes);
      }
      case 'non-framed-head': {
        const bytes = field.readBigUInt64BE(IV_BYTES);
        if (bytes > NON_FRAMED_BYTES_MAX) {
          throw new ClavigerError(
            'LIMIT_EXCEEDED',
            `the message has a body of ${bytes} bytes without frames; at most ${NON_FRAMED_BYTES_MAX} are read`,
          );
        }
        this.#frames = 1;
        return this.#begin('non-framed', field.subarray(0, IV_BYTES), Number(bytes));
      }
      case 'footer-length': {
        const bytes = field.readUInt16BE();
        if (bytes === 0 || bytes > this.#signature!.signatureBytesMax) throw invalidCiphertext();
        return this.#next('footer', bytes);
      }
      case 'footer':
        if (!this.#signature!.accepts(field)) throw invalidCiphertext();
        return this.#next('end', 0);
    }
  }

  #next(part: Part, fieldWants: number): void {
    this.#part = part;
    this.#fieldBytes = 0;
    this.#fieldWants = fieldWants;
  }

  #numberRead(number: number): void {
    this.#frames++;
    if (number === FINAL_MARK) return this.#next('final-head', 4 + IV_BYTES + 4);
    if (number !== this.#frames) throw invalidCiphertext();
    this.#next('regular-head', IV_BYTES);
  }

  #begin(kind: ContentKind, iv: Uint8Array, bytes: number): void {
    this.#kind = kind;
    this.#contentLeft = bytes;
    this.#gcm.begin(iv);
    this.#gcm.aad(this.#aad.of(kind, this.#frames, bytes));
    this.#next(bytes === 0 ? 'tag' : 'content', bytes === 0 ? TAG_BYTES : 0);
  }

  #content(bytes: Uint8Array): void {
    this.#signature?.update(bytes);
    this.#contentLeft -= bytes.length;
    const isWhole = this.#contentLeft === 0;
    if (bytes.length >= SMALL_BYTES || (isWhole && this.#small.length === 0)) {
      this.#decryptSmall();
      this.#decrypt(bytes);
    } else {
      this.#small.add(bytes);
      if (isWhole || this.#small.length >= SLICE_BYTES) this.#decryptSmall();
    }
    if (isWhole) this.#next('tag', TAG_BYTES);
  }

  #decryptSmall(): void {
    for (const piece of this.#small.pieces()) this.#decrypt(piece);
    this.#small.clear();
  }

  #decrypt(bytes: Uint8Array): void {
    for (const slice of slices(bytes)) this.#plaintext.push(this.#gcm.update(slice));
  }

  /** What the tag shows to be true. */
  #verified(tag: Uint8Array): readonly Buffer[] {
    if (!this.#gcm.isGenuine(tag)) {
      this.#wipe();
      throw invalidCiphertext();
    }
    if (this.#kind === 'regular') this.#next('number', 4);
    else if (this.#signature === null) this.#next('end', 0);
    else this.#next('footer-length', 2);
    const verified = this.#plaintext;
    this.#plaintext = [];
    return verified;
  }

  #wipe(): void {
    for (const piece of this.#plaintext) piece.fill(0);
    this.#plaintext = [];
  }
}
