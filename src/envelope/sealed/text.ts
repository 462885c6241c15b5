/**
 * Texts with values in them: what is taken for one, and putting other spellings in the places of values.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { Format, Slot } from './format.ts';
import { TEXT_BYTES_MAX } from './limits.ts';
import { encodePath, pathText } from './path.ts';

/**
 * The text of a file.
 *
 * @throws INVALID_ARGUMENT where it is binary
 */
export function textOf(bytes: Uint8Array): string {
  try {
    // The mark of the byte order is a part of the file.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch {
    // Told below.
  }
  throw new ClavigerError('INVALID_ARGUMENT', 'this is no UTF-8 text; for other files there is `claviger encrypt`');
}

/** @throws INVALID_ARGUMENT, LIMIT_EXCEEDED */
export function requireText(text: string, bytesMax: number = TEXT_BYTES_MAX): void {
  if (!text.isWellFormed() || text.includes('\0')) {
    throw new ClavigerError('INVALID_ARGUMENT', 'this is no well-formed Unicode text');
  }
  if (Buffer.byteLength(text) > bytesMax) {
    throw new ClavigerError(
      'LIMIT_EXCEEDED',
      `more than ${bytesMax} bytes: for large files there is \`claviger encrypt\``,
    );
  }
}

/**
 * A text with other spellings in these places.
 *
 * @throws INVALID_ARGUMENT where that would be another document: values would not be where they were
 */
export function replaced(format: Format, text: string, slots: readonly Slot[], spellings: readonly string[]): string {
  let result = '';
  let at = 0;
  slots.forEach(({ start, end }, index) => {
    result += text.slice(at, start) + spellings[index]!;
    at = end;
  });
  result += text.slice(at);
  const found = format.slots(result);
  const strange = slots.findIndex(({ path }, index) => {
    const there = found[index];
    if (there === undefined || !encodePath(there.path).equals(encodePath(path))) return true;
    return result.slice(there.start, there.end) !== spellings[index];
  });
  if (strange === -1 && found.length === slots.length) return result;
  const where = strange === -1 ? 'its end' : `\`${pathText(slots[strange]!.path)}\``;
  throw new ClavigerError(
    'UNSUPPORTED',
    `the document is written in a way that cannot be sealed, at ${where}: write the value in quotes, on one line`,
  );
}
