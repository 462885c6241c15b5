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

const CONTENT_KINDS = {
  regular: Buffer.from('AWSKMSEncryptionClient Frame'),
  final: Buffer.from('AWSKMSEncryptionClient Final Frame'),
  'non-framed': Buffer.from('AWSKMSEncryptionClient Single Block'),
};
export type ContentKind = keyof typeof CONTENT_KINDS;

/** The additional data of the frames of one message. */
export class BodyAad {
  readonly #messageId: Uint8Array;
  readonly #made = new Map<ContentKind, Buffer>();

  constructor(messageId: Uint8Array) {
    // A copy: the bytes may be a chunk that its writer uses again.
    this.#messageId = Uint8Array.from(messageId);
  }

  /**
   * @param number of the frame, from 1
   * @param bytes length of its content
   * @returns a buffer that is good until the next call
   */
  of(kind: ContentKind, number: number, bytes: number): Buffer {
    let aad = this.#made.get(kind);
    if (aad === undefined) {
      aad = Buffer.concat([this.#messageId, CONTENT_KINDS[kind], Buffer.alloc(4 + 8)]);
      this.#made.set(kind, aad);
    }
    aad.writeUInt32BE(number, aad.length - 12);
    // The length is 64 bits; what is held in memory stays below 32.
    aad.writeUInt32BE(bytes, aad.length - 4);
    return aad;
  }
}

/** The IV of a frame that is written: its number. The header's is 0, so none comes twice under the key of a message. */
export function writeFrameIv(target: Buffer, at: number, number: number): number {
  target.fill(0, at, at + IV_BYTES - 4);
  return target.writeUInt32BE(number, at + IV_BYTES - 4);
}
