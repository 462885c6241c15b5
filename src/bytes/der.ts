/**
 * The outer shape of DER (ITU-T X.690, section 10): enough to say that a structure fills its bytes exactly.
 *
 * What is inside is OpenSSL's to read; it takes the first structure that it finds and says nothing of bytes after it.
 *
 * @module
 */

export const SEQUENCE = 0x30;
export const BIT_STRING = 0x03;
const LONG_FORM = 0x80;
/** Bytes of a length in the long form: 16 MiB, which is more than any key has. */
const LENGTH_BYTES_MAX = 3;

/** True where `bytes` is one DER SEQUENCE, its length in the shortest form, with nothing after it. */
export function isOneSequence(bytes: Uint8Array): boolean {
  const header = readHeader(bytes);
  return header !== null && header.tag === SEQUENCE && header.contentAt + header.length === bytes.length;
}

export interface DerHeader {
  readonly tag: number;
  /** Where the content begins. */
  readonly contentAt: number;
  readonly length: number;
}

/** Tag and length at the start of `bytes`; null where they are not DER, or longer than we read. */
export function readHeader(bytes: Uint8Array): DerHeader | null {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) return null;
  if (first < LONG_FORM) return { tag, contentAt: 2, length: first };
  const lengthBytes = first - LONG_FORM;
  if (lengthBytes === 0 || lengthBytes > LENGTH_BYTES_MAX || bytes.length < 2 + lengthBytes) return null;
  let length = 0;
  for (const byte of bytes.subarray(2, 2 + lengthBytes)) length = length * 256 + byte;
  const shortest = length >= LONG_FORM && length >= 256 ** (lengthBytes - 1);
  return shortest ? { tag, contentAt: 2 + lengthBytes, length } : null;
}
