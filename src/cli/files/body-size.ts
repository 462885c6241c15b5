/**
 * How much plaintext a message has, by the lengths that its body tells: regular frames are all of one length, so the final
 * one is where the length of the file says that it is, and tells its own. Nothing is decrypted, and nothing is believed
 * but that the parts fit.
 *
 * @module
 */
import { FINAL_MARK } from '../../envelope/message/body.ts';
import { IV_BYTES, TAG_BYTES, type MessageHeader } from '../../envelope/message/header.ts';

const NUMBER_BYTES = 4;
const FRAME_OVERHEAD = NUMBER_BYTES + IV_BYTES + TAG_BYTES;
/** Mark, number, IV and length come before the content of the final frame. */
const FINAL_HEAD_BYTES = 4 + NUMBER_BYTES + IV_BYTES + 4;
const NON_FRAMED_HEAD_BYTES = IV_BYTES + 8;
/** Longest signature, with its length: DER of P-384. */
const FOOTER_BYTES_MAX = 2 + 128;

export interface BodySize {
  readonly plaintextBytes: number;
  readonly frames: number;
  /** Length of the signature at the end; 0 where there is none. */
  readonly signatureBytes: number;
}

/** Gives so many bytes of the message from a place, fewer where there are fewer. */
export type ReadAt = (at: number, bytes: number) => Promise<Buffer>;

/** Null where the parts do not fit: the message is cut off, or goes on behind its end. */
export async function bodySizeOf(
  { contentType, frameBytes, headerBytes, suite }: MessageHeader,
  fileBytes: number,
  readAt: ReadAt,
): Promise<BodySize | null> {
  const bodyBytes = fileBytes - headerBytes;
  const isSigned = suite.signature !== null;
  if (contentType === 'non-framed') {
    const head = await readAt(headerBytes, NON_FRAMED_HEAD_BYTES);
    if (head.length < NON_FRAMED_HEAD_BYTES) return null;
    const plaintextBytes = Number(head.readBigUInt64BE(IV_BYTES));
    return sized(plaintextBytes, 1, bodyBytes - NON_FRAMED_HEAD_BYTES - plaintextBytes - TAG_BYTES, isSigned);
  }
  const step = frameBytes + FRAME_OVERHEAD;
  const least = FINAL_HEAD_BYTES + TAG_BYTES;
  const last = Math.floor((bodyBytes - least) / step);
  const first = Math.max(0, Math.floor((bodyBytes - least - FOOTER_BYTES_MAX - frameBytes) / step));
  for (let regular = last; regular >= first; regular -= 1) {
    const head = await readAt(headerBytes + regular * step, FINAL_HEAD_BYTES);
    const isFinal =
      head.length === FINAL_HEAD_BYTES &&
      head.readUInt32BE(0) === FINAL_MARK &&
      head.readUInt32BE(NUMBER_BYTES) === regular + 1;
    if (!isFinal) continue;
    const bytes = head.readUInt32BE(FINAL_HEAD_BYTES - 4);
    if (bytes > frameBytes) continue;
    const size = sized(regular * frameBytes + bytes, regular + 1, bodyBytes - regular * step - least - bytes, isSigned);
    if (size !== null) return size;
  }
  return null;
}

/** @param rest bytes behind the last tag: the footer, or nothing */
function sized(plaintextBytes: number, frames: number, rest: number, isSigned: boolean): BodySize | null {
  if (!isSigned) return rest === 0 ? { plaintextBytes, frames, signatureBytes: 0 } : null;
  return rest > 2 && rest <= FOOTER_BYTES_MAX ? { plaintextBytes, frames, signatureBytes: rest - 2 } : null;
}
