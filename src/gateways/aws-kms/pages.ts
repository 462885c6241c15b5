/**
 * Lists as AWS gives them: `Limit` and `Marker` in, `Truncated` and `NextMarker` out.
 *
 * Some of AWS's lists are short ones of ours, which an operation gives whole; they are cut here.
 *
 * @module
 */
import { cutPage, pageOf } from '../../operations/cursor.ts';

export interface PageFields {
  readonly Limit?: number | undefined;
  readonly Marker?: string | undefined;
}

/** How an answer says whether there is more. */
export function truncated(nextCursor: string | null): object {
  return nextCursor === null ? { Truncated: false } : { Truncated: true, NextMarker: nextCursor };
}

/**
 * The fields, once their marker is one of this list: checked before the operation runs, for its record tells the refusal.
 *
 * @throws INVALID_ARGUMENT (reason InvalidMarker)
 */
export function withMarkerOf<F extends PageFields>(list: string, fields: F): F {
  pageOf(list, { cursor: fields.Marker });
  return fields;
}

/** A page of a whole list, whose items are in the order of their names. */
export function pageOfWhole<T>(
  list: string,
  items: readonly T[],
  { Limit: limit, Marker: cursor }: PageFields,
  nameOf: (item: T) => string,
): { readonly items: readonly T[]; readonly more: object } {
  const { after } = pageOf(list, { limit, cursor });
  const rest = after === null ? items : items.filter((item) => nameOf(item) > after);
  const { page, nextCursor } = cutPage(list, rest, { limit }, nameOf);
  return { items: page, more: truncated(nextCursor) };
}
