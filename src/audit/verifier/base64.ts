/**
 * Base64 of RFC 4648, section 4, in its one canonical form.
 *
 * @module
 */
import { MalformedError } from './finding.ts';

/** @throws MalformedError where it is not canonical, or has another length than asked for */
export function bytesOf(text: unknown, lengthBytes?: number): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : null;
  if (bytes === null || bytes.toString('base64') !== text) throw new MalformedError('is not base64');
  if (lengthBytes !== undefined && bytes.length !== lengthBytes) {
    throw new MalformedError(`has ${bytes.length} bytes, not ${lengthBytes}`);
  }
  return bytes;
}

/** Whether a value is canonical base64 of so many bytes. */
export function isBase64(text: unknown, lengthBytes: number): boolean {
  try {
    bytesOf(text, lengthBytes);
    return true;
  } catch {
    return false;
  }
}
