/**
 * Which values of a file are to be sealed: all, or those whose paths match a pattern, or do not.
 *
 * Patterns stand in the file, and a file may come from anybody; a pattern that takes too long is ended.
 *
 * @module
 */
import { runInNewContext } from 'node:vm';
import { ClavigerError } from '../../errors.ts';
import { PATTERN_CHARS_MAX, PATTERN_MS_MAX } from './limits.ts';
import type { Selection } from './metadata.ts';
import { pathText, type Path } from './path.ts';

export const ALL: Selection = { only: null, except: null };

/**
 * Whether each path is selected, in their order.
 *
 * @throws INVALID_ARGUMENT where a pattern is none, or takes too long
 */
export function selected({ only, except }: Selection, paths: readonly Path[]): readonly boolean[] {
  const texts = paths.map(pathText);
  const wanted = only === null ? texts.map(() => true) : matches(only, texts);
  if (except === null) return wanted;
  const unwanted = matches(except, texts);
  return wanted.map((is, at) => is && !unwanted[at]);
}

function matches(pattern: string, texts: readonly string[]): readonly boolean[] {
  const regex = requirePattern(pattern);
  try {
    const found: unknown = runInNewContext(
      'texts.map((text) => regex.test(text))',
      { regex, texts },
      { timeout: PATTERN_MS_MAX },
    );
    return found as readonly boolean[];
  } catch (cause) {
    throw new ClavigerError('INVALID_ARGUMENT', `the pattern \`${pattern}\` takes too long: make it simpler`, {
      cause,
    });
  }
}

/** @throws INVALID_ARGUMENT */
export function requirePattern(pattern: string): RegExp {
  if (pattern === '' || pattern.length > PATTERN_CHARS_MAX) {
    throw new ClavigerError('INVALID_ARGUMENT', `a pattern has 1 to ${PATTERN_CHARS_MAX} characters`);
  }
  try {
    return new RegExp(pattern, 'u');
  } catch (cause) {
    throw new ClavigerError('INVALID_ARGUMENT', `\`${pattern}\` is no regular expression of JavaScript`, { cause });
  }
}
