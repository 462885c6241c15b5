/**
 * What each frame of a body is authenticated with, beside its content (AWS Encryption SDK, "Message body AAD"): the id of
 * the message, what kind of part it is, its number and its length. So no frame can be moved, dropped or taken for
 * another's.
 *
 * @module
 */
import { IV_BYTES } from './header.ts';

/** Stands where a number would, before the number of the final frame. */
export const FINAL_MARK = 0xffff_ffff;
/** Most that AES-GCM is given at a time: larger pieces cost more, for the memory that each takes anew. */
export const SLICE_BYTES = 64 * 1024;

/** Bytes as the cipher gets them. */
export function slices(bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes.length === 0) return [];
  if (bytes.length <= SLICE_BYTES) return [bytes];
  return Array.from({ length: Math.ceil(bytes.length / SLICE_BYTES) }, (_, at) =>
    bytes.subarray(at * SLICE_BYTES, (at + 1) * SLICE_BYTES),
  );
}

const CONTENT_KINDS = {
  regular: Buffer.from('AWSKMSEncryptionClient Frame'),
  final: Buffer.from('AWSKMSEncryptionClient Final Frame'),
  'non-framed': Buffer.from('AWSKMSEncryptionClient Single Block'),
};
export type ContentKind = keyof typeof CONTENT_KINDS;

/** The additional data of the frames of one message. */
export class BodyAad {
  readonly #messageId: Uint8Array;
  #kind: ContentKind | null = null;
  #aad!: Buffer;

  constructor(messageId: Uint8Array) {
    this.#messageId = messageId;
  }

  /**
   * @param number of the frame, from 1
   * @param bytes length of its content
   * @returns a buffer that is good until the next call
   */
  of(kind: ContentKind, number: number, bytes: number): Buffer {
    // At most twice a message: most frames are regular, and one is final.
    if (kind !== this.#kind) {
      this.#kind = kind;
      const text = CONTENT_KINDS[kind];
      const numbersAt = this.#messageId.length + text.length;
      this.#aad = Buffer.allocUnsafe(numbersAt + 4 + 8);
      this.#aad.set(this.#messageId);
      this.#aad.set(text, this.#messageId.length);
      this.#aad.writeUInt32BE(0, numbersAt + 4);
    }
    this.#aad.writeUInt32BE(number, this.#aad.length - 12);
    // The length is 64 bits; what is held in memory stays below 32.
    this.#aad.writeUInt32BE(bytes, this.#aad.length - 4);
    return this.#aad;
  }
}

/** The IV of a frame that is written: its number. The header's is 0, so none comes twice under the key of a message. */
export function writeFrameIv(target: Buffer, at: number, number: number): number {
  target.fill(0, at, at + IV_BYTES - 4);
  return target.writeUInt32BE(number, at + IV_BYTES - 4);
}
