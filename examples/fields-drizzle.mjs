import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { drizzle } from 'drizzle-orm/sqlite-proxy';
import { Claviger } from 'claviger';
import { createFieldKeyTables, fields, sqliteDatabase, sqlKeyStore } from 'claviger/fields';
import { drizzleFields, sqliteEncrypted, sqliteIndexTerm } from 'claviger/fields/drizzle';

await using claviger = await Claviger.open({
  folder: './keys',
  principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] },
});
const { id: key } = await claviger.createKey({ spec: 'AES-256-GCM' });

const sqlite = new DatabaseSync('shop.db');
sqlite.exec('CREATE TABLE customers (id TEXT PRIMARY KEY, country TEXT, email TEXT, email_index TEXT, born TEXT)');
await createFieldKeyTables(sqliteDatabase(sqlite));

const table = sqliteTable('customers', {
  id: text('id').primaryKey(),
  country: text('country'),
  email: sqliteEncrypted('email', 'string'),
  emailIndex: sqliteIndexTerm('email_index'),
  born: sqliteEncrypted('born', 'date'),
});
const customers = drizzleFields(
  table,
  fields(claviger, {
    key,
    keys: sqlKeyStore(sqliteDatabase(sqlite)),
    table: 'customers',
    row: 'id',
    columns: {
      email: { type: 'string', index: { column: 'emailIndex', normalize: 'email', bits: 32 } },
      born: 'date',
    },
    names: { emailIndex: 'email_index' },
  }),
);
const db = drizzle(proxyTo(sqlite));

const ada = { id: randomUUID(), country: 'GB', email: 'Ada@example.org', born: new Date('1815-12-10') };
await db.insert(table).values(await customers.encrypt(ada));
const [found] = await customers.find({ email: 'ada@EXAMPLE.org' }, (where) => db.select().from(table).where(where));
console.log(`found ${found.email} of ${found.country}, born in ${found.born.getUTCFullYear()}`);
console.log(`stored ${String(sqlite.prepare('SELECT email FROM customers').get().email).slice(0, 4)}…`);

/** Drizzle has no driver for node:sqlite that needs no other package; its proxy needs a function. */
function proxyTo(database) {
  return (sql, parameters, method) => {
    const statement = database.prepare(sql);
    if (method === 'run') return Promise.resolve({ rows: [statement.run(...parameters)] });
    statement.setReturnArrays(true);
    const rows = statement.all(...parameters);
    return Promise.resolve({ rows: method === 'get' ? rows[0] : rows });
  };
}
