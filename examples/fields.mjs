// A customer whose e-mail address and birthday are encrypted in the application's own database, found again by e-mail, and
// forgotten for good.
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { Claviger } from 'claviger';
import { createFieldKeyTables, fields, shredSubject, sqliteDatabase, sqlKeyStore } from 'claviger/fields';

await using claviger = await Claviger.open({
  folder: './keys',
  principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] },
});
const { id: key } = await claviger.createKey({ spec: 'AES-256-GCM' });
const sqlite = new DatabaseSync(':memory:');
const database = sqliteDatabase(sqlite);
await createFieldKeyTables(database);
sqlite.exec('CREATE TABLE customers (id TEXT PRIMARY KEY, country TEXT, email TEXT, email_index TEXT, born TEXT)');

using customers = fields(claviger, {
  key,
  keys: sqlKeyStore(database),
  table: 'customers',
  row: 'id',
  subject: 'id',
  columns: { email: { type: 'string', index: { normalize: 'email', bits: 32 } }, born: 'date' },
});

const ada = { id: randomUUID(), country: 'GB', email: 'Ada@Example.org', born: new Date('1815-12-10') };
const row = await customers.encrypt(ada);
sqlite
  .prepare('INSERT INTO customers (id, country, email, email_index, born) VALUES (?, ?, ?, ?, ?)')
  .run(row.id, row.country, row.email, row.email_index, row.born);

const terms = await customers.index('email', 'ada@example.ORG');
const stored = sqlite.prepare(`SELECT * FROM customers WHERE email_index IN (${terms.map(() => '?')})`).all(...terms);
const [found] = await customers.decryptMany(stored);
console.log(`found ${found.email}, born ${found.born.getUTCFullYear()}, stored as ${stored[0].email.slice(0, 3)}…`);

const receipt = await shredSubject(customers, { database, subject: ada.id, backupRetentionDays: 30 });
console.log(`${receipt.keysDestroyed} key destroyed, complete in 30 days`);
await customers.decrypt(stored[0]).catch(({ code }) => console.log(`cannot be read any more: ${code}`));
