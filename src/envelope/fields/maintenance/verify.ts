/**
 * Verification: every value of a table is opened, every index term compared with the one it should be. It changes nothing.
 *
 * @module
 */
import { toClavigerError } from '../../../errors.ts';
import { readTerm } from '../blind-index.ts';
import type { FieldColumn } from '../declaration.ts';
import type { ParsedField } from '../field-value.ts';
import { Wants, type Lease } from '../key-cache.ts';
import type { Place } from '../row-cipher.ts';
import {
  batchRowsOf,
  FAILURES_MAX,
  requireGoingOn,
  tablesOf,
  type AnyFields,
  type FieldFailure,
  type MaintenanceOptions,
} from './options.ts';
import { rowName, TableRows, type TableRow } from './table-rows.ts';

export interface VerifyReport {
  readonly tables: readonly VerifiedTable[];
  /** The first thousand of them. */
  readonly failures: readonly FieldFailure[];
}

export interface VerifiedTable {
  readonly table: string;
  readonly rows: number;
  readonly values: number;
  /** Values and terms that are not what they should be. */
  readonly failures: number;
  /** Values that open, but not under the newest key of theirs: a rotation has not come to them. */
  readonly stale: number;
  /** Values of subjects that were shredded. */
  readonly shredded: number;
}

type Counts = { -readonly [Name in Exclude<keyof VerifiedTable, 'table'>]: number };

/** @throws CANCELED where the signal ended it */
export async function verifyFields(
  given: AnyFields | readonly AnyFields[],
  options: MaintenanceOptions,
): Promise<VerifyReport> {
  const failures: FieldFailure[] = [];
  const verified: VerifiedTable[] = [];
  for (const table of tablesOf(given)) {
    verified.push({ table: table.declared.table, ...(await verifyTable(table, options, failures)) });
  }
  return { tables: verified, failures };
}

async function verifyTable(table: AnyFields, options: MaintenanceOptions, failures: FieldFailure[]): Promise<Counts> {
  const counts: Counts = { rows: 0, values: 0, failures: 0, stale: 0, shredded: 0 };
  const rows = new TableRows(table.declared, options.database);
  const batchRows = batchRowsOf(options);
  const of = options.onProgress === undefined ? null : await rows.count();
  let page = await rows.page(null, batchRows);
  while (page.length > 0) {
    requireGoingOn(options.signal);
    await verifyPage(table, page, counts, (failure) => {
      counts.failures += 1;
      if (failures.length < FAILURES_MAX) failures.push({ table: table.declared.table, ...failure });
    });
    counts.rows += page.length;
    options.onProgress?.({ phase: 'rows', table: table.declared.table, done: counts.rows, of, untilMs: null });
    page = page.length < batchRows ? [] : await rows.page(page.at(-1)!.id, batchRows);
  }
  return counts;
}

type Fail = (failure: Omit<FieldFailure, 'table'>) => void;

interface Checked {
  readonly source: TableRow;
  readonly place: Place;
  readonly column: FieldColumn;
  readonly parsed: ParsedField;
}

async function verifyPage(table: AnyFields, page: readonly TableRow[], counts: Counts, fail: Fail): Promise<void> {
  const wants = new Wants();
  const checked = page.flatMap((source) => planRow(table, source, wants, fail));
  using lease = await table.fieldKeys.lease(wants);
  for (const one of checked) {
    counts.values += 1;
    verifyValue(table, one, lease, counts, fail);
  }
}

function planRow({ cipher, declared }: AnyFields, source: TableRow, wants: Wants, fail: Fail): readonly Checked[] {
  const row = rowName(source.id);
  const given = cipher.given(source.row);
  let place: Place;
  try {
    place = cipher.placeOf(source.row, given);
  } catch (error) {
    fail({ row, column: declared.row.sqlName, why: toClavigerError(error).message });
    return [];
  }
  for (const column of declared.columns.values()) {
    if (given.includes(column)) continue;
    for (const index of column.indexes.filter(({ property }) => source.row[property] !== null)) {
      fail({ row, column: index.sqlName, why: 'there is an index term and no value' });
    }
  }
  return given.flatMap((column) => {
    try {
      const parsed = cipher.parse(column, source.row[column.property], place);
      const scope = cipher.scopeOf(column, place);
      wants.add(scope, 'rewrite');
      wants.addNumber(scope, parsed.number);
      if (column.indexes.length > 0) wants.add(cipher.setScope(place.tenant), 'search');
      return [{ source, place, column, parsed }];
    } catch (error) {
      fail({ row, column: column.sqlName, why: toClavigerError(error).message });
      return [];
    }
  });
}

function verifyValue({ cipher }: AnyFields, checked: Checked, lease: Lease, counts: Counts, fail: Fail): void {
  const { source, place, column, parsed } = checked;
  const row = rowName(source.id);
  const keys = lease.of(cipher.scopeOf(column, place));
  if (keys.shreddedAtMs !== null) {
    counts.shredded += 1;
    return;
  }
  let value: unknown;
  try {
    value = cipher.open(column, parsed, place, lease);
  } catch (error) {
    fail({ row, column: column.sqlName, why: toClavigerError(error).message });
    return;
  }
  if (keys.write !== null && parsed.number !== keys.write.number) counts.stale += 1;
  for (const index of column.indexes) {
    const stored = source.row[index.property];
    const term = readTerm(stored);
    const held = lease.of(cipher.setScope(place.tenant)).search.find(({ number }) => number === term?.number);
    const version = index.versions.find((each) => each.version === term?.version);
    if (held === undefined || version === undefined) {
      fail({ row, column: index.sqlName, why: 'the index term is of no key and version that are searched for' });
    } else if (!isSame(cipher.term(column, index, version, value, held), stored)) {
      fail({ row, column: index.sqlName, why: 'the index term is not that of the value' });
    }
  }
}

function isSame(expected: string | Uint8Array, stored: unknown): boolean {
  if (typeof expected === 'string') return expected === stored;
  return stored instanceof Uint8Array && Buffer.compare(expected, stored) === 0;
}
