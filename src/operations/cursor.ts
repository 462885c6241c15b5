/**
 * Lists: an opaque cursor that says where the next page begins.
 *
 * @module
 */
import { decodeBase64Url, encodeBase64Url } from '../bytes/base64.ts';
import { ClavigerError, errorOf } from '../errors.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;

export interface PageInput {
  /** 1 to 1,000; 100 where it is not given. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** What a store is asked for: one more than the page holds, to know whether another follows. */
export function pageOf(
  list: string,
  { limit = LIMIT_DEFAULT, cursor }: PageInput,
): { after: string | null; limit: number } {
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    throw new ClavigerError('INVALID_ARGUMENT', `\`limit\` must be from 1 to ${LIMIT_MAX}`);
  }
  return { after: cursor === undefined ? null : readCursor(list, cursor), limit: limit + 1 };
}

/** Cuts what the store gave into the page and the cursor of the next one. */
export function cutPage<T>(
  list: string,
  found: readonly T[],
  { limit = LIMIT_DEFAULT }: PageInput,
  nameOf: (item: T) => string,
): { readonly page: readonly T[]; readonly nextCursor: string | null } {
  const page = found.slice(0, limit);
  return { page, nextCursor: found.length > limit ? writeCursor(list, nameOf(page.at(-1)!)) : null };
}

export function writeCursor(list: string, after: string): string {
  return encodeBase64Url(Buffer.from(`${list}:${after}`));
}

/** @throws INVALID_ARGUMENT (reason InvalidMarker) where the cursor is not one of this list */
function readCursor(list: string, cursor: string): string {
  const prefix = `${list}:`;
  let text = '';
  try {
    text = decodeBase64Url(cursor, 'cursor').toString();
  } catch {
    // Said below, in one way.
  }
  if (!text.startsWith(prefix)) {
    throw errorOf('InvalidMarker', 'the cursor is not one that this list gave; begin again without it');
  }
  return text.slice(prefix.length);
}
