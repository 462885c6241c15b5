/**
 * `node:sqlite` for libraries that know other drivers: as Kysely's SQLite dialect wants a database, which expects what
 * better-sqlite3 has, and as the callback of Drizzle's `sqlite-proxy`.
 *
 * @module
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { AsyncRemoteCallback } from 'drizzle-orm/sqlite-proxy';
import type { SqliteDatabase } from 'kysely';

export function kyselySqlite(database: DatabaseSync): SqliteDatabase {
  return {
    close: () => database.close(),
    prepare: (sql) => {
      const statement = database.prepare(sql);
      return {
        reader: statement.columns().length > 0,
        // Plain objects, as every other driver gives them.
        all: (parameters) => statement.all(...(parameters as SQLInputValue[])).map((row) => ({ ...row })),
        run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
        iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
      };
    },
  };
}

export function drizzleSqlite(database: DatabaseSync): AsyncRemoteCallback {
  return (sql, parameters, method) => {
    const statement = database.prepare(sql);
    if (method === 'run') statement.run(...(parameters as SQLInputValue[]));
    if (method === 'run') return Promise.resolve({ rows: [] });
    statement.setReturnArrays(true);
    const rows = statement.all(...(parameters as SQLInputValue[])) as unknown as unknown[][];
    return Promise.resolve({ rows: method === 'get' ? rows[0]! : rows });
  };
}
