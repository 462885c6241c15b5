/**
 * Whether a file has values that are to be sealed and are not: without any key, so that a hook can ask before a commit.
 *
 * @module
 */
import { valuesOf, type Format } from './format.ts';
import { SEALED_BYTES_MAX } from './limits.ts';
import { parseMetadata } from './metadata.ts';
import { pathText } from './path.ts';
import { ALL, selected } from './selection.ts';
import { requireText } from './text.ts';

export interface Checked {
  /** False where it has no metadata. */
  readonly sealed: boolean;
  /** Paths of values that are to be sealed and are not. */
  readonly unsealed: readonly string[];
}

/** @throws INVALID_ARGUMENT as `seal` */
export function check(format: Format, text: string): Checked {
  requireText(text, SEALED_BYTES_MAX);
  const { body, metadata } = format.split(text);
  const values = valuesOf(format, body);
  const wanted = selected(
    metadata === null ? ALL : parseMetadata(metadata).selection,
    values.map(({ path }) => path),
  );
  const unsealed = values.filter(({ token }, at) => wanted[at] && (token === null || metadata === null));
  return { sealed: metadata !== null, unsealed: unsealed.map(({ path }) => pathText(path)) };
}
