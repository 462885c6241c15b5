/**
 * A declared table as the jobs read and write it: pages in the order of the row ids, and updates that change a row only
 * where it is as it was read.
 *
 * @module
 */
import { ClavigerError } from '../../../errors.ts';
import type { FieldTable } from '../declaration.ts';
import type { Row } from '../row-cipher.ts';
import { quoted, type SqlDatabase, type SqlValue } from '../sql/database.ts';

/** A value of a row id as JSON keeps it. */
export interface Cursor {
  readonly type: 'text' | 'integer' | 'real' | 'bytes';
  readonly value: string;
}

export interface TableRow {
  readonly id: SqlValue;
  /** By property, as `Fields` has them. */
  readonly row: Row;
}

export interface Replacement {
  readonly sqlName: string;
  readonly value: SqlValue;
}

/** The id of a row as reports name it. */
export function rowName(id: SqlValue): string {
  return id instanceof Uint8Array ? Buffer.from(id).toString('hex') : String(id);
}

export class TableRows {
  readonly #table: FieldTable;
  readonly #database: SqlDatabase;
  /** Property and column of everything that is read. */
  readonly #read: readonly { readonly property: string; readonly sqlName: string }[];

  constructor(table: FieldTable, database: SqlDatabase) {
    this.#table = table;
    this.#database = database;
    const { row, subject, tenant, columns } = table;
    const all = [
      row,
      ...(subject === null ? [] : [subject]),
      ...(typeof tenant === 'string' ? [] : [tenant]),
      ...[...columns.values()].flatMap((column) => [column, ...column.indexes]),
    ];
    this.#read = [...new Map(all.map((each) => [each.sqlName, each])).values()];
  }

  /** The rows behind one, in the order of their ids. */
  async page(after: SqlValue, limit: number): Promise<readonly TableRow[]> {
    const id = quoted(this.#table.row.sqlName);
    const behind = after === null ? '' : `WHERE ${id} > ?`;
    return this.#select(`${behind} ORDER BY ${id} LIMIT ?`, [...(after === null ? [] : [after]), limit]);
  }

  /** Some rows as they are now; those that are gone are left out. */
  async again(ids: readonly SqlValue[]): Promise<readonly TableRow[]> {
    const marks = ids.map(() => '?').join(', ');
    return this.#select(`WHERE ${quoted(this.#table.row.sqlName)} IN (${marks})`, ids);
  }

  /**
   * Writes into a row where the columns of `unchanged` still hold what was read. Nobody's update is so lost: whoever wrote
   * in between has changed one of them.
   *
   * @returns whether it was so
   */
  async replace(
    id: SqlValue,
    unchanged: readonly Replacement[],
    replacements: readonly Replacement[],
  ): Promise<boolean> {
    const set = replacements.map(({ sqlName }) => `${quoted(sqlName)} = ?`).join(', ');
    const same = unchanged.map(({ sqlName }) => `AND ${quoted(sqlName)} = ?`).join(' ');
    const { changes } = await this.#database.run(
      `UPDATE ${quoted(this.#table.table)} SET ${set} WHERE ${quoted(this.#table.row.sqlName)} = ? ${same}`,
      [...replacements.map(({ value }) => value), id, ...unchanged.map(({ value }) => value)],
    );
    return changes > 0;
  }

  /** About how many rows there are. */
  async count(): Promise<number | null> {
    const postgres = this.#database.dialect === 'postgres';
    const { rows } = postgres
      ? await this.#database.run('SELECT reltuples AS count FROM pg_class WHERE oid = to_regclass(?)', [
          quoted(this.#table.table),
        ])
      : await this.#database.run(`SELECT count(*) AS count FROM ${quoted(this.#table.table)}`, []);
    const count = Number(rows[0]?.['count']);
    // PostgreSQL says -1 where it never counted.
    return count >= 0 ? count : null;
  }

  async #select(condition: string, parameters: readonly SqlValue[]): Promise<readonly TableRow[]> {
    const columns = this.#read.map(({ sqlName }) => quoted(sqlName)).join(', ');
    const { rows } = await this.#database.run(
      `SELECT ${columns} FROM ${quoted(this.#table.table)} ${condition}`,
      parameters,
    );
    return rows.map((row) => ({
      id: row[this.#table.row.sqlName] as SqlValue,
      row: Object.fromEntries(this.#read.map(({ property, sqlName }) => [property, row[sqlName]])),
    }));
  }
}

export function toCursor(id: SqlValue): Cursor {
  if (typeof id === 'string') return { type: 'text', value: id };
  if (typeof id === 'bigint') return { type: 'integer', value: String(id) };
  if (typeof id === 'number') return { type: 'real', value: String(id) };
  if (id instanceof Uint8Array) return { type: 'bytes', value: Buffer.from(id).toString('hex') };
  throw new ClavigerError('INVALID_ARGUMENT', 'the row ids of a table are texts, numbers or bytes, and none is null');
}

const FROM_CURSOR: Readonly<Record<Cursor['type'], (value: string) => SqlValue>> = {
  text: (value) => value,
  integer: (value) => BigInt(value),
  real: (value) => Number(value),
  bytes: (value) => Buffer.from(value, 'hex'),
};

export function fromCursor({ type, value }: Cursor): SqlValue {
  return FROM_CURSOR[type](value);
}
