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

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
