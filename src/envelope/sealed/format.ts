/**
 * What a format of configuration files has to tell: where the values stand, and where the metadata.
 *
 * A value is sealed as it is spelled in the file, quotes and all, and everything around it is left alone. So each format
 * gives places in a text, and nobody writes a document anew.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import { VALUES_MAX } from './limits.ts';
import type { Path } from './path.ts';

export const FORMAT_NAMES = ['json', 'yaml', 'env'] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

/** Where one value is spelled: `text.slice(start, end)`. */
export interface Slot extends Span {
  readonly path: Path;
}

/** A value as a program is to have it; null is null. */
export interface Scalar {
  readonly path: Path;
  readonly value: string | null;
}

/** A value in its place. */
export interface Value extends Slot {
  readonly spelling: string;
  /** What it is sealed as; null where it is not sealed. */
  readonly token: string | null;
}

export interface Span {
  readonly start: number;
  readonly end: number;
}

export const EMPTY_SPAN: Span = { start: 0, end: 0 };

/** A text taken apart. */
export interface Split {
  /** The document without the metadata: what was there before it was sealed, but for the values. */
  readonly body: string;
  /** What stands in the metadata, unchecked; null where there is none. */
  readonly metadata: unknown;
  /** Where the MAC is spelled in the text; empty where there is none. */
  readonly mac: Span;
}

/** A text put together: the MAC goes to `macAt`. */
export interface Joined {
  readonly text: string;
  readonly macAt: number;
}

export interface Format {
  readonly name: FormatName;
  /**
   * Places of all values, in the order of the text.
   *
   * @throws INVALID_ARGUMENT with the line where it is not in the format, or has something that is not supported; never
   *   with what stands there
   */
  slots(body: string): readonly Slot[];
  /** As `slots`, for the text as a whole: finds the metadata. */
  split(text: string): Split;
  /** `split(join(body, metadata).text)` gives both back. The MAC of the metadata is left out. */
  join(body: string, metadata: object): Joined;
  /** How a sealed value is spelled. */
  spell(token: string): string;
  /** The sealed value that is spelled so; null where it is none. */
  tokenOf(spelling: string): string | null;
  /** The values of a document that is open, for a program. */
  scalars(body: string): readonly Scalar[];
}

/**
 * The values of a document, with their spellings.
 *
 * @throws INVALID_ARGUMENT as `slots`; LIMIT_EXCEEDED
 */
export function valuesOf(format: Format, body: string): readonly Value[] {
  const slots = format.slots(body);
  if (slots.length > VALUES_MAX) throw tooManyValues();
  return slots.map((slot) => {
    const spelling = body.slice(slot.start, slot.end);
    return { ...slot, spelling, token: format.tokenOf(spelling) };
  });
}

export function tooManyValues(): ClavigerError {
  return new ClavigerError('LIMIT_EXCEEDED', `more than ${VALUES_MAX} values`);
}

/** A refusal that names the place and says nothing of what stands there: that may be a secret. */
export function syntaxError(text: string, at: number, what: string): ClavigerError {
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  return new ClavigerError('INVALID_ARGUMENT', `line ${line}, column ${column}: ${what}`);
}

/** What a sealed value looks like. Whatever begins so and goes on otherwise is not taken for an ordinary value. */
export const TOKEN = /^claviger:v1:[\w-]+$/;

/** How the lines of a text end. */
export function lineEndOf(text: string): '\n' | '\r\n' {
  return text[text.indexOf('\n') - 1] === '\r' ? '\r\n' : '\n';
}
