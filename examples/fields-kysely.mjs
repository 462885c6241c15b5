import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { Kysely, SqliteDialect } from 'kysely';
import { Claviger } from 'claviger';
import { createFieldKeyTables, fields, sqliteDatabase, sqlKeyStore } from 'claviger/fields';
import { fieldsDialect } from 'claviger/fields/kysely';

await using claviger = await Claviger.open({
  folder: './keys',
  principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] },
});
const { id: key } = await claviger.createKey({ spec: 'AES-256-GCM' });

const sqlite = new DatabaseSync('shop.db');
sqlite.exec('CREATE TABLE customers (id TEXT PRIMARY KEY, country TEXT, email TEXT, email_index TEXT, born TEXT)');
await createFieldKeyTables(sqliteDatabase(sqlite));

const customers = fields(claviger, {
  key,
  keys: sqlKeyStore(sqliteDatabase(sqlite)),
  table: 'customers',
  row: 'id',
  columns: { email: { type: 'string', index: { normalize: 'email', bits: 32 } }, born: 'date' },
});
const dialect = new SqliteDialect({ database: asBetterSqlite(sqlite) });
const db = new Kysely({ dialect: fieldsDialect(dialect, [customers]) });

await db
  .insertInto('customers')
  .values({ id: randomUUID(), country: 'GB', email: 'Ada@example.org', born: new Date('1815-12-10') })
  .execute();
const found = await db
  .selectFrom('customers')
  .select(['country', 'email', 'born'])
  .where('email', '=', 'ada@EXAMPLE.org')
  .executeTakeFirstOrThrow();
console.log(`found ${found.email} of ${found.country}, born in ${found.born.getUTCFullYear()}`);
console.log(`stored ${String(sqlite.prepare('SELECT email FROM customers').get().email).slice(0, 4)}…`);

/** Kysely's dialect expects better-sqlite3, of which node:sqlite lacks `reader`. */
function asBetterSqlite(database) {
  const prepare = (sql) => {
    const statement = database.prepare(sql);
    return {
      reader: statement.columns().length > 0,
      all: (parameters) => statement.all(...parameters),
      run: (parameters) => statement.run(...parameters),
      iterate: (parameters) => statement.iterate(...parameters),
    };
  };
  return { prepare, close: () => database.close() };
}
