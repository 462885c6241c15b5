/**
 * What rotating, verifying and shredding have in common.
 *
 * @module
 */
import { ClavigerError } from '../../../errors.ts';
import type { Fields } from '../fields.ts';
import type { SqlDatabase } from '../sql/database.ts';

export interface MaintenanceOptions {
  /** The database with the tables. The key table may be in another. */
  readonly database: SqlDatabase;
  /** Rows that are read at a time, 1 to 500; 500 where it is not given. */
  readonly batchRows?: number;
  readonly onProgress?: (progress: MaintenanceProgress) => void;
  readonly signal?: AbortSignal;
}

export interface MaintenanceProgress {
  readonly phase: 'keys' | 'waiting' | 'rows';
  readonly table: string | null;
  /** Rows, or keys, that are done. */
  readonly done: number;
  /** About how many there are; null where nobody has counted. */
  readonly of: number | null;
  /** While waiting: until when. */
  readonly untilMs: number | null;
}

/** A value that did not open, or was not written; never the value. */
export interface FieldFailure {
  readonly table: string;
  readonly row: string;
  readonly column: string;
  readonly why: string;
}

/** Any table, whatever its columns. */
export type AnyFields = Pick<Fields, 'declared' | 'fieldKeys' | 'cipher' | 'clock'>;

/** So that the scopes of a batch fit into one query: a row has its subject's and its tenant's. */
export const BATCH_ROWS_MAX = 500;
/** Failures that are listed; all are counted. */
export const FAILURES_MAX = 1000;

export function batchRowsOf({ batchRows = BATCH_ROWS_MAX }: MaintenanceOptions): number {
  if (Number.isInteger(batchRows) && batchRows >= 1 && batchRows <= BATCH_ROWS_MAX) return batchRows;
  throw new ClavigerError('INVALID_ARGUMENT', `\`batchRows\` is 1 to ${BATCH_ROWS_MAX}`);
}

/** The tables, which must all be of one key set. */
export function tablesOf(given: AnyFields | readonly AnyFields[]): readonly [AnyFields, ...AnyFields[]] {
  const tables = Array.isArray(given) ? (given as readonly AnyFields[]) : [given as AnyFields];
  const [first, ...others] = tables;
  if (first === undefined) throw new ClavigerError('INVALID_ARGUMENT', 'name at least one table');
  const other = others.find(({ declared }) => declared.keySet !== first.declared.keySet);
  if (other === undefined) return [first, ...others];
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `\`${other.declared.table}\` is of another key set than \`${first.declared.table}\`: one key set at a time`,
  );
}

export function requireGoingOn(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new ClavigerError('CANCELED', 'stopped; what is done stays done, and the next run goes on there');
}
