/**
 * The database of a configuration: a file of SQLite, or PostgreSQL through the package `pg`, which is loaded when it is
 * needed.
 *
 * @module
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { postgresDatabase, sqliteDatabase, type SqlDatabase } from '../../../envelope/fields/index.ts';
import { ClavigerError } from '../../../errors.ts';
import type { Terminal } from '../../terminal.ts';
import { UsageError } from '../../usage-error.ts';

const SQLITE = 'sqlite:';
const POSTGRES = /^postgres(?:ql)?:\/\//;
/** A writer elsewhere holds an SQLite file for moments only. */
const BUSY_MS = 10_000;
const CONNECT_MS = 10_000;
/** A statement over 500 rows takes milliseconds; one that takes minutes waits for a lock that nobody gives. */
const STATEMENT_MS = 120_000;

export interface OpenDatabase extends AsyncDisposable {
  readonly database: SqlDatabase;
}

/** @throws UsageError for an address of another kind; INVALID_ARGUMENT, STORE_UNAVAILABLE where it cannot be opened */
export async function openDatabase(terminal: Terminal, address: string): Promise<OpenDatabase> {
  if (address.startsWith(SQLITE)) return openSqlite(resolve(terminal.folder, address.slice(SQLITE.length)));
  if (POSTGRES.test(address)) return openPostgres(address);
  throw new UsageError('a database is `sqlite:FILE` or `postgres://HOST/NAME`');
}

function openSqlite(path: string): OpenDatabase {
  if (!existsSync(path)) throw new ClavigerError('INVALID_ARGUMENT', `there is no SQLite file \`${path}\``);
  const sqlite = new DatabaseSync(path, { timeout: BUSY_MS });
  const close = (): Promise<void> => Promise.resolve(sqlite.close());
  return { database: sqliteDatabase(sqlite), [Symbol.asyncDispose]: close };
}

async function openPostgres(address: string): Promise<OpenDatabase> {
  const { default: pg } = await import('pg').catch((cause: unknown) => {
    throw new ClavigerError('UNSUPPORTED', 'PostgreSQL needs the package `pg`: run `npm install pg`', { cause });
  });
  const pool = new pg.Pool({
    connectionString: address,
    max: 1,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    application_name: 'claviger fields',
  });
  // A connection that breaks while nobody uses it is told by the next statement.
  pool.on('error', () => undefined);
  try {
    await pool.query('SELECT 1');
  } catch (cause) {
    await pool.end();
    const { code, message } = cause as { code?: string; message: string };
    throw new ClavigerError(
      'STORE_UNAVAILABLE',
      `PostgreSQL cannot be reached (${code ?? message}): run \`claviger fields\` again when it can`,
      { cause },
    );
  }
  return { database: postgresDatabase(pool), [Symbol.asyncDispose]: () => pool.end() };
}
