/**
 * Strict base64 (RFC 4648, section 4) and base64url without padding (section 5).
 *
 * One text for one value: white space, missing or surplus padding, foreign characters and trailing bits other than zero
 * are refused, where `Buffer` alone would skip over them.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';

export function encodeBase64(bytes: Uint8Array): string {
  return viewOf(bytes).toString('base64');
}

/**
 * The bytes of a padded base64 text.
 *
 * @param what names the text in the error
 * @throws INVALID_ARGUMENT
 */
export function decodeBase64(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  // Encoding again is the whole check: it is native, and only the canonical text comes back as it went in.
  if (bytes.toString('base64') !== text) {
    throw new ClavigerError('INVALID_ARGUMENT', `\`${what}\` is not base64 with padding and without white space`);
  }
  return bytes;
}

export function encodeBase64Url(bytes: Uint8Array): string {
  return viewOf(bytes).toString('base64url');
}

/**
 * The bytes of a base64url text without padding.
 *
 * @param what names the text in the error
 * @throws INVALID_ARGUMENT
 */
export function decodeBase64Url(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) {
    throw new ClavigerError('INVALID_ARGUMENT', `\`${what}\` is not base64url without padding and white space`);
  }
  return bytes;
}

const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const PAD = 0x3d;

/** As `encodeBase64`, without a string, which nobody could zero. */
export function encodeBase64Bytes(bytes: Uint8Array): Buffer {
  const text = Buffer.allocUnsafeSlow(Math.ceil(bytes.length / 3) * 4);
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    const group = (bytes[from]! << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0);
    const length = bytes.length - from;
    text[to] = ALPHABET[group >> 18]!;
    text[to + 1] = ALPHABET[(group >> 12) & 63]!;
    text[to + 2] = length > 1 ? ALPHABET[(group >> 6) & 63]! : PAD;
    text[to + 3] = length > 2 ? ALPHABET[group & 63]! : PAD;
  }
  return text;
}

/**
 * As `decodeBase64`, without a string.
 *
 * @throws INVALID_ARGUMENT
 */
export function decodeBase64Bytes(text: Uint8Array, what: string): Buffer {
  const padding = text.at(-1) !== PAD ? 0 : text.at(-2) === PAD ? 2 : 1;
  const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.floor(text.length / 4) * 3 - padding));
  for (let from = 0, to = 0; to < bytes.length; from += 4, to += 3) {
    const [a, b, c, d] = [0, 1, 2, 3].map((at) => Math.max(0, ALPHABET.indexOf(text[from + at]!))) as [
      number,
      number,
      number,
      number,
    ];
    const group = (a << 18) | (b << 12) | (c << 6) | d;
    bytes[to] = group >> 16;
    if (to + 1 < bytes.length) bytes[to + 1] = (group >> 8) & 0xff;
    if (to + 2 < bytes.length) bytes[to + 2] = group & 0xff;
  }
  const again = encodeBase64Bytes(bytes);
  const isCanonical = again.equals(text);
  again.fill(0);
  if (isCanonical) return bytes;
  bytes.fill(0);
  throw new ClavigerError('INVALID_ARGUMENT', `\`${what}\` is not base64 with padding and without white space`);
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
