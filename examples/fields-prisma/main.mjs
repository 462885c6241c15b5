import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { Claviger } from 'claviger';
import { createFieldKeyTables, fields, sqliteDatabase, sqlKeyStore } from 'claviger/fields';
import { fieldsExtension } from 'claviger/fields/prisma';
import { PrismaClient } from './client/client.ts';

await using claviger = await Claviger.open({
  folder: './keys',
  principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] },
});
const { id: key } = await claviger.createKey({ spec: 'AES-256-GCM' });

// Field keys in a file of their own: Prisma's transactions do not keep others from it.
const keys = sqliteDatabase(new DatabaseSync('field-keys.db'));
await createFieldKeyTables(keys);

const customers = fields(claviger, {
  key,
  keys: sqlKeyStore(keys),
  table: 'customers',
  row: 'id',
  columns: {
    email: { type: 'string', index: { column: 'emailIndex', normalize: 'email', bits: 32 } },
    born: 'date',
  },
  names: { emailIndex: 'email_index' },
});
const base = new PrismaClient({ adapter: new PrismaLibSql({ url: 'file:shop.db' }) });
await base.$executeRaw`CREATE TABLE customers (id TEXT PRIMARY KEY, country TEXT, email TEXT, email_index TEXT, born TEXT)`;
const db = base.$extends(fieldsExtension(base, { Customer: customers }));

await db.customer.create({
  data: { id: randomUUID(), country: 'GB', email: 'Ada@example.org', born: new Date('1815-12-10') },
});
const [found] = await db.customer.findMany({ where: { email: 'ada@EXAMPLE.org' } });
console.log(`found ${found.email} of ${found.country}, born in ${found.born.getUTCFullYear()}`);
const [stored] = await base.customer.findMany();
console.log(`stored ${stored.email.slice(0, 4)}…`);
