/**
 * The outer shape of DER (ITU-T X.690, section 10): enough to say that a structure fills its bytes exactly, and to write
 * an ECDSA signature.
 *
 * What is inside is OpenSSL's to read; it takes the first structure that it finds and says nothing of bytes after it.
 *
 * @module
 */

export const SEQUENCE = 0x30;
export const BIT_STRING = 0x03;
const INTEGER = 0x02;
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

/**
 * An ECDSA signature r ‖ s, both as long as the curve's order (IEEE P1363, JOSE), as DER (RFC 3279, section 2.2.3).
 *
 * @param signature of an even length, at most 132 bytes
 */
export function ecdsaToDer(signature: Uint8Array): Buffer {
  const half = signature.length / 2;
  const content = Buffer.concat([
    unsignedInteger(signature.subarray(0, half)),
    unsignedInteger(signature.subarray(half)),
  ]);
  // Two integers of P-521 fill 138 bytes, so one byte of length is enough in the long form.
  const length = content.length < LONG_FORM ? [content.length] : [LONG_FORM + 1, content.length];
  return Buffer.concat([Buffer.of(SEQUENCE, ...length), content]);
}

/** A DER INTEGER: no zeros before it but the one that keeps it positive. */
function unsignedInteger(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? bytes.subarray(-1) : bytes.subarray(first);
  const positive = digits[0]! < 0x80 ? [] : [0];
  return Buffer.concat([Buffer.of(INTEGER, positive.length + digits.length, ...positive), digits]);
}
