/**
 * The header of a message, as far into a source as it goes.
 *
 * @module
 */
import { readMessageHeader, type MessageHeader } from '../../envelope/message/header.ts';
import { ClavigerError } from '../../errors.ts';
import type { Source } from './source.ts';

const STEP_BYTES = 64 * 1024;

/** @throws INVALID_CIPHERTEXT where it is cut off or malformed; LIMIT_EXCEEDED */
export async function headerOf(source: Source): Promise<MessageHeader> {
  for (let bytes = STEP_BYTES; ; bytes *= 2) {
    const first = await source.first(bytes);
    const read = readMessageHeader(first);
    if (read !== null) return read.header;
    if (first.length < bytes) {
      throw new ClavigerError('INVALID_CIPHERTEXT', `${source.name} begins as a message, and ends within its header`);
    }
  }
}
