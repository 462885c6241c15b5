/**
 * Tags and descriptions: free text of the key's owner, within AWS's limits.
 *
 * @module
 */
import { ClavigerError, errorOf } from '../errors.ts';
import { printable } from '../model/ids.ts';

export const TAGS_MAX = 50;
export const TAG_KEY_CHARS_MAX = 128;
export const TAG_VALUE_CHARS_MAX = 256;
export const DESCRIPTION_CHARS_MAX = 8192;

/** @throws INVALID_ARGUMENT (reason Tag), or LIMIT_EXCEEDED for too many */
export function requireTags(tags: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const pairs = Object.entries(tags);
  if (pairs.length > TAGS_MAX) throw new ClavigerError('LIMIT_EXCEEDED', `a key has at most ${TAGS_MAX} tags`);
  for (const [name, value] of pairs) {
    const reserved = name.toLowerCase().startsWith('aws:');
    if (name === '' || name.length > TAG_KEY_CHARS_MAX || value.length > TAG_VALUE_CHARS_MAX || reserved) {
      throw errorOf(
        'Tag',
        `tag \`${printable(name)}\` is not allowed: keys have 1 to ${TAG_KEY_CHARS_MAX} characters and do not begin with \`aws:\`, values at most ${TAG_VALUE_CHARS_MAX}`,
      );
    }
  }
  return tags;
}

/** @throws INVALID_ARGUMENT */
export function requireDescription(description: string): string {
  if (description.length <= DESCRIPTION_CHARS_MAX) return description;
  throw new ClavigerError('INVALID_ARGUMENT', `a description has at most ${DESCRIPTION_CHARS_MAX} characters`);
}
