/**
 * The two databases on which the integrations of field encryption are tested, and the tables in them.
 *
 * @module
 */
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { Pool } from 'pg';
import {
  createFieldKeyTables,
  postgresDatabase,
  sqliteDatabase,
  sqlKeyStore,
  type SqlDatabase,
} from '../../src/envelope/fields/index.ts';
import { openFieldsWorld, type FieldsWorld } from '../support/fields.ts';
import { startPostgres, type Connection, type Postgres } from '../support/postgres.ts';

export const DATABASES = ['sqlite', 'postgres'] as const;
export type DatabaseName = (typeof DATABASES)[number];

export interface TestDatabase {
  readonly name: DatabaseName;
  /** Set on SQLite. */
  readonly sqlite: DatabaseSync | null;
  /** Set on PostgreSQL. */
  readonly pool: Pool | null;
  readonly connection: Connection | null;
  /** The key table's, with a connection of its own where there is a choice. */
  readonly keys: SqlDatabase;
  /** What stands in a table, as nobody has decrypted it. */
  rows(sql: string): Promise<readonly Record<string, unknown>[]>;
  close(): Promise<void>;
}

const CUSTOMERS = (bytes: string): string => `CREATE TABLE customers (
  id TEXT PRIMARY KEY,
  country TEXT,
  email TEXT,
  email_index TEXT,
  iban TEXT UNIQUE,
  name TEXT,
  born TEXT,
  notes TEXT,
  visits TEXT,
  balance TEXT,
  photo ${bytes},
  active TEXT
)`;

const ORDERS = `CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id TEXT NOT NULL, item TEXT NOT NULL)`;

/** What the tests declare of `customers`. */
export const CUSTOMER_COLUMNS = {
  email: { type: 'string', index: { normalize: 'email', bits: 256 } },
  iban: { type: 'string', deterministic: true },
  name: 'string',
  born: 'date',
  notes: 'json',
  visits: 'number',
  balance: 'bigint',
  active: 'boolean',
} as const;

/** Two rows of `customers`. */
export const ADA = {
  id: 'c-1',
  country: 'GB',
  email: 'Ada@Example.org',
  iban: 'DE02120300000000202051',
  name: 'Ada',
  born: new Date('1815-12-10'),
  notes: { likes: ['engines'] },
  visits: -0.5,
  balance: 2n ** 70n,
  active: false,
};
export const BOB = { id: 'c-2', country: 'GB', email: 'bob@example.org', iban: 'DE89370400440532013000', name: 'Bob' };

/** The refusal of an argument, in these words. */
export const invalid = (words: RegExp): { code: string; message: RegExp } => ({
  code: 'INVALID_ARGUMENT',
  message: words,
});

export interface Databases {
  readonly world: FieldsWorld;
  /** null where there is no PostgreSQL, and the test was skipped. */
  open(t: TestContext, name: DatabaseName): Promise<TestDatabase | null>;
  stop(): Promise<void>;
}

/** What a file of tests shares: a service, and a server that is started when it is first needed. */
export async function openDatabases(): Promise<Databases> {
  const world = await openFieldsWorld();
  let server: Promise<Postgres | null> | null = null;
  return {
    world,
    open: async (t, name) => {
      if (name === 'sqlite') return prepare(openSqlite());
      server ??= startPostgres(t);
      const postgres = await server;
      return postgres === null ? null : prepare(openPostgres(await postgres.database()));
    },
    stop: async () => {
      await (await server)?.stop();
      await world.remove();
    },
  };
}

/** What field encryption of `customers` is declared with, whatever its columns. */
export function customersOf({ world: { key, service } }: Databases, { keys }: TestDatabase) {
  return { key, keys: sqlKeyStore(keys), clock: service.clock, table: 'customers', row: 'id' } as const;
}

async function prepare(database: TestDatabase): Promise<TestDatabase> {
  await createFieldKeyTables(database.keys);
  await database.rows(CUSTOMERS(database.name === 'sqlite' ? 'BLOB' : 'BYTEA'));
  await database.rows(ORDERS);
  return database;
}

function openSqlite(): TestDatabase {
  const sqlite = new DatabaseSync(':memory:');
  return {
    name: 'sqlite',
    sqlite,
    pool: null,
    connection: null,
    keys: sqliteDatabase(sqlite),
    rows: (sql) =>
      Promise.resolve(
        sqlite
          .prepare(sql)
          .all()
          .map((row) => ({ ...row })),
      ),
    close: () => Promise.resolve(sqlite.isOpen ? sqlite.close() : undefined),
  };
}

function openPostgres(connection: Connection): TestDatabase {
  const pool = new Pool({ ...connection, max: 10 });
  const keyPool = new Pool({ ...connection, max: 4 });
  return {
    name: 'postgres',
    sqlite: null,
    pool,
    connection,
    keys: postgresDatabase(keyPool),
    rows: async (sql) => (await keyPool.query(sql)).rows as Record<string, unknown>[],
    close: async () => {
      await keyPool.end();
      if (!pool.ended) await pool.end();
    },
  };
}
