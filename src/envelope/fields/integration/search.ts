/**
 * How an encrypted column is compared: a deterministic one by the ciphertexts of the wanted value, another one by the terms
 * of its first index. Terms of a truncated index are found in rows of other values too; these are told apart after
 * decryption.
 *
 * @module
 */
import type { FieldColumn, FieldIndexVersion, NamedProperty } from '../declaration.ts';
import type { Stored } from '../field-value.ts';
import type { Fields } from '../fields.ts';
import { NORMALIZERS } from '../normalize.ts';
import { encodeValue } from '../typed-value.ts';
import { refused } from './refusals.ts';

/** Of any table; what a column holds is checked when it is encrypted. */
// eslint-disable-next-line typescript/no-explicit-any
export type AnyFields = Fields<any>;

/** From so many bits, two values share a term as rarely as they share a 128-bit key. */
const EXACT_BITS_MIN = 128;

export interface Comparison {
  readonly column: FieldColumn;
  /** The column that is compared in its place. */
  readonly by: NamedProperty;
  /** What it finds needs no check. */
  readonly isExact: boolean;
  /**
   * Whatever may stand in `by` for any of these values, without repetition; empty where nothing has been encrypted yet.
   *
   * @throws INVALID_ARGUMENT for values of another type than declared
   */
  terms(values: readonly unknown[], tenant: string | undefined): Promise<Stored[]>;
  /** Tells whether a decrypted value is one of these, as the index sees them: normalised. */
  matcher(values: readonly unknown[]): (value: unknown) => boolean;
}

/** @throws UNSUPPORTED where the column cannot be compared */
export function comparisonOf(fields: AnyFields, column: FieldColumn): Comparison {
  const { property } = column;
  if (column.kind === 'deterministic') {
    return {
      column,
      by: column,
      isExact: true,
      terms: (values, tenant) => each(values, (value) => fields.value(property, value, searched(tenant))),
      matcher: (values) => matcherOf(column, AS_IT_IS, values),
    };
  }
  const [index] = column.indexes;
  if (index === undefined) throw refused(fields.declared, column, 'unindexed');
  const [newest, ...older] = index.versions as readonly [FieldIndexVersion, ...FieldIndexVersion[]];
  const isExact =
    index.versions.every(({ bits }) => bits >= EXACT_BITS_MIN) &&
    older.every(({ normalize }) => normalize === newest.normalize);
  return {
    column,
    by: index,
    isExact,
    terms: (values, tenant) =>
      each(values, (value) => fields.index(property, value, { ...searched(tenant), index: index.property })),
    matcher: (values) => matcherOf(column, newest, values),
  };
}

const AS_IT_IS = { normalize: 'none' } as const;

function searched(tenant: string | undefined): { tenant?: string } {
  return tenant === undefined ? {} : { tenant };
}

async function each(values: readonly unknown[], find: (value: unknown) => Promise<Stored[]>): Promise<Stored[]> {
  const found = await Promise.all(values.map(find));
  const byText = new Map(found.flat().map((term) => [typeof term === 'string' ? term : hex(term), term]));
  return [...byText.values()];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function matcherOf(
  column: FieldColumn,
  { normalize }: Pick<FieldIndexVersion, 'normalize'>,
  values: readonly unknown[],
): (value: unknown) => boolean {
  const form = (value: unknown): string => {
    const text =
      typeof value === 'string' ? (typeof normalize === 'function' ? normalize : NORMALIZERS[normalize])(value) : value;
    return hex(encodeValue(column.type, text === 0 ? 0 : text, 0));
  };
  const wanted = new Set(values.map(form));
  return (value) => value !== null && value !== undefined && wanted.has(form(value));
}
