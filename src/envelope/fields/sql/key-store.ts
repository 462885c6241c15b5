/**
 * The key table in SQLite or PostgreSQL, and beside it the table in which jobs note how far they are.
 *
 * @module
 */
import { ClavigerError } from '../../../errors.ts';
import { FIELD_KEY_STATES, type FieldKeyRow, type FieldKeyState, type FieldKeyStore } from '../key-store.ts';
import type { SqlDatabase, SqlDialect, SqlValue } from './database.ts';

/** The tables, for a migration of your own; `createFieldKeyTables` runs the same. */
export const FIELD_KEYS_DDL: Readonly<Record<SqlDialect, readonly string[]>> = {
  sqlite: ddl('BLOB'),
  postgres: ddl('BYTEA'),
};

function ddl(bytes: string): readonly string[] {
  return [
    `CREATE TABLE IF NOT EXISTS claviger_field_keys (
  key_set TEXT NOT NULL,
  tenant TEXT NOT NULL,
  subject TEXT NOT NULL,
  number INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('live', 'retired', 'shredded')),
  readmitted INTEGER NOT NULL,
  made_at_ms BIGINT NOT NULL,
  active_from_ms BIGINT NOT NULL,
  shredded_at_ms BIGINT,
  wrapped ${bytes},
  PRIMARY KEY (key_set, tenant, subject, number)
)`,
    `CREATE TABLE IF NOT EXISTS claviger_field_jobs (
  name TEXT NOT NULL PRIMARY KEY,
  noted TEXT NOT NULL,
  noted_at_ms BIGINT NOT NULL
)`,
  ];
}

const COLUMNS =
  'key_set, tenant, subject, number, state, readmitted, made_at_ms, active_from_ms, shredded_at_ms, wrapped';
/** So that parameters stay far below what either database takes. */
const ROWS_A_STATEMENT = 500;

export async function createFieldKeyTables(database: SqlDatabase): Promise<void> {
  for (const statement of FIELD_KEYS_DDL[database.dialect]) await database.run(statement, []);
}

/** The key table `claviger_field_keys` in a database; `createFieldKeyTables` makes it. */
export function sqlKeyStore(database: SqlDatabase): FieldKeyStore {
  return {
    find: async (scopes) => {
      if (scopes.length === 0) return [];
      const groups = Map.groupBy(scopes, ({ set, tenant }) => JSON.stringify([set, tenant]));
      const parameters: string[] = [];
      const conditions = [...groups.values()].map((group) => {
        const { set, tenant } = group[0]!;
        parameters.push(set, tenant, ...group.map(({ subject }) => subject));
        return `(key_set = ? AND tenant = ? AND subject IN (${group.map(() => '?').join(', ')}))`;
      });
      const sql = `SELECT ${COLUMNS} FROM claviger_field_keys WHERE ${conditions.join(' OR ')}`;
      const { rows } = await database.run(sql, parameters);
      return rows.map(readRow);
    },

    insertAbsent: async (rows) => {
      for (let start = 0; start < rows.length; start += ROWS_A_STATEMENT) {
        const some = rows.slice(start, start + ROWS_A_STATEMENT);
        const values = some.map(() => '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').join(', ');
        await database.run(
          `INSERT INTO claviger_field_keys (${COLUMNS}) VALUES ${values} ON CONFLICT DO NOTHING`,
          some.flatMap(rowValues),
        );
      }
    },

    scopes: async (set, after, limit) => {
      const behind = after === null ? '' : 'AND (tenant, subject) > (?, ?)';
      const sql = `SELECT DISTINCT tenant, subject FROM claviger_field_keys WHERE key_set = ? ${behind} ORDER BY tenant, subject LIMIT ?`;
      const { rows } = await database.run(sql, [set, ...(after === null ? [] : [after.tenant, after.subject]), limit]);
      return rows.map(({ tenant, subject }) => ({ set, tenant: String(tenant), subject: String(subject) }));
    },

    retire: async (set, nowMs) => {
      await database.run(
        `UPDATE claviger_field_keys SET state = 'retired'
WHERE key_set = ? AND subject = '' AND state = 'live' AND number < (
  SELECT MAX(newer.number) FROM claviger_field_keys newer
  WHERE newer.key_set = claviger_field_keys.key_set AND newer.tenant = claviger_field_keys.tenant
    AND newer.subject = '' AND newer.state = 'live' AND newer.active_from_ms <= ?
)`,
        [set, nowMs],
      );
    },

    shred: async ({ set, tenant, subject }, atMs) => {
      const { changes } = await database.run(
        `UPDATE claviger_field_keys SET state = 'shredded', wrapped = NULL, shredded_at_ms = ? WHERE key_set = ? AND tenant = ? AND subject = ? AND state <> 'shredded'`,
        [atMs, set, tenant, subject],
      );
      return changes;
    },

    readJob: async (name) => {
      const { rows } = await database.run('SELECT noted FROM claviger_field_jobs WHERE name = ?', [name]);
      return rows.length === 0 ? null : String(rows[0]!['noted']);
    },

    writeJob: async (name, json, atMs) => {
      await database.run(
        'INSERT INTO claviger_field_jobs (name, noted, noted_at_ms) VALUES (?, ?, ?) ' +
          'ON CONFLICT (name) DO UPDATE SET noted = excluded.noted, noted_at_ms = excluded.noted_at_ms',
        [name, json, atMs],
      );
    },
  };
}

function rowValues(row: FieldKeyRow): SqlValue[] {
  const { set, tenant, subject, number, state, readmitted, madeAtMs, activeFromMs, shreddedAtMs, wrapped } = row;
  return [set, tenant, subject, number, state, readmitted ? 1 : 0, madeAtMs, activeFromMs, shreddedAtMs, wrapped];
}

function readRow(row: Readonly<Record<string, unknown>>): FieldKeyRow {
  const { key_set, tenant, subject, state, wrapped, shredded_at_ms } = row;
  if (!FIELD_KEY_STATES.includes(state as FieldKeyState)) {
    throw new ClavigerError('STORE_UNAVAILABLE', 'the key table has a row of a state that this program does not know');
  }
  return {
    set: String(key_set),
    tenant: String(tenant),
    subject: String(subject),
    number: Number(row['number']),
    state: state as FieldKeyState,
    readmitted: Number(row['readmitted']) === 1,
    madeAtMs: Number(row['made_at_ms']),
    activeFromMs: Number(row['active_from_ms']),
    shreddedAtMs: shredded_at_ms === null ? null : Number(shredded_at_ms),
    wrapped: wrapped instanceof Uint8Array ? wrapped : null,
  };
}
