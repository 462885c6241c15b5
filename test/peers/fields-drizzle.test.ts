import assert from 'node:assert/strict';
import { after, before, suite, test, type TestContext } from 'node:test';
import { and, asc, eq, gt, inArray, isNull, ne } from 'drizzle-orm';
import { drizzle as drizzlePostgres, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { integer as pgInteger, pgTable, text as pgText } from 'drizzle-orm/pg-core';
import { integer as sqliteInteger, sqliteTable, text as sqliteText } from 'drizzle-orm/sqlite-core';
import { drizzle as drizzleProxy } from 'drizzle-orm/sqlite-proxy';
import {
  drizzleFields,
  pgEncrypted,
  pgIndexTerm,
  sqliteEncrypted,
  sqliteIndexTerm,
  type DrizzleFields,
} from '../../src/envelope/fields/drizzle/index.ts';
import { fields, type FieldsOptions } from '../../src/envelope/fields/index.ts';
import { drizzleSqlite } from '../support/sqlite.ts';
import {
  ADA,
  BOB,
  CUSTOMER_COLUMNS,
  customersOf,
  DATABASES,
  invalid,
  openDatabases,
  type DatabaseName,
  type Databases,
  type TestDatabase,
} from './fields-support.ts';

const pgCustomers = pgTable('customers', {
  id: pgText('id').primaryKey(),
  country: pgText('country'),
  email: pgEncrypted('email', 'string'),
  emailIndex: pgIndexTerm('email_index'),
  iban: pgEncrypted('iban', 'string').unique(),
  name: pgEncrypted('name', 'string'),
  born: pgEncrypted('born', 'date'),
  notes: pgEncrypted('notes', 'json'),
  visits: pgEncrypted('visits', 'number'),
  balance: pgEncrypted('balance', 'bigint'),
  active: pgEncrypted('active', 'boolean'),
});
const pgOrders = pgTable('orders', {
  id: pgInteger('id').primaryKey(),
  customerId: pgText('customer_id').notNull(),
  item: pgText('item').notNull(),
});
const sqliteCustomers = sqliteTable('customers', {
  id: sqliteText('id').primaryKey(),
  country: sqliteText('country'),
  email: sqliteEncrypted('email', 'string'),
  emailIndex: sqliteIndexTerm('email_index'),
  iban: sqliteEncrypted('iban', 'string').unique(),
  name: sqliteEncrypted('name', 'string'),
  born: sqliteEncrypted('born', 'date'),
  notes: sqliteEncrypted('notes', 'json'),
  visits: sqliteEncrypted('visits', 'number'),
  balance: sqliteEncrypted('balance', 'bigint'),
  active: sqliteEncrypted('active', 'boolean'),
});
const sqliteOrders = sqliteTable('orders', {
  id: sqliteInteger('id').primaryKey(),
  customerId: sqliteText('customer_id').notNull(),
  item: sqliteText('item').notNull(),
});

const COLUMNS = {
  ...CUSTOMER_COLUMNS,
  email: { type: 'string', index: { normalize: 'email', bits: 256, column: 'emailIndex' } },
} as const;
const NAMES = { emailIndex: 'email_index' };

type Options = Partial<FieldsOptions<any>>;

interface World {
  /** The two databases have the same methods, which TypeScript takes from one. */
  readonly db: NodePgDatabase;
  readonly table: typeof pgCustomers;
  readonly orders: typeof pgOrders;
  readonly customers: DrizzleFields<typeof pgCustomers>;
  readonly database: TestDatabase;
  readonly seenAs: (options: Options) => DrizzleFields<typeof pgCustomers>;
}

let databases: Databases;
before(async () => {
  databases = await openDatabases();
});
after(() => databases.stop());

async function withWorld(
  t: TestContext,
  name: DatabaseName,
  body: (world: World) => Promise<void>,
  options: Options = {},
): Promise<void> {
  const database = await databases.open(t, name);
  if (database === null) return;
  const { api } = databases.world;
  const { sqlite, pool } = database;
  const db = (sqlite === null ? drizzlePostgres(pool!) : drizzleProxy(drizzleSqlite(sqlite))) as NodePgDatabase;
  const table = (sqlite === null ? pgCustomers : sqliteCustomers) as typeof pgCustomers;
  const orders = (sqlite === null ? pgOrders : sqliteOrders) as typeof pgOrders;
  const seenAs = (more: Options): DrizzleFields<typeof pgCustomers> =>
    drizzleFields(
      table,
      fields(api, {
        ...customersOf(databases, database),
        columns: COLUMNS,
        names: NAMES,
        ...more,
      }),
    );
  try {
    await body({ db, table, orders, customers: seenAs(options), database, seenAs });
  } finally {
    await database.close();
  }
}

for (const name of DATABASES) {
  suite(`Drizzle on ${name}`, () => {
    test('values of each type come back as they went in, and the database has none of them', (t) =>
      withWorld(t, name, async ({ db, table, customers, database }) => {
        await db.insert(table).values(await customers.encrypt(ADA));
        const [row] = await customers.decryptMany(await db.select().from(table));
        assert.ok(row !== undefined);
        assert.deepEqual(row, ADA);
        // Types: plaintext of the declared type, and no term.
        const born: Date | null = row.born;
        const balance: bigint | null = row.balance;
        assert.deepEqual([born, balance, 'emailIndex' in row], [ADA.born, ADA.balance, false]);
        const [stored] = await database.rows('SELECT * FROM customers');
        const told = JSON.stringify({ ...stored, id: '', country: '' });
        for (const word of ['Ada', 'xample', 'DE0212', 'engines', '1815', 'false'])
          assert.ok(!told.includes(word), word);
      }));

    test('plaintext does not get as far as the database, neither as a value nor in a comparison', (t) =>
      withWorld(t, name, async ({ db, table, customers, database }) => {
        await db.insert(table).values(await customers.encrypt(BOB));
        const plaintext = 'ada@example.org' as never;
        const refused = /encrypted column takes what `encrypt` gives/;
        const attempts = {
          insert: () => db.insert(table).values({ id: 'c-9', email: plaintext }),
          'insert of a term': () => db.insert(table).values({ id: 'c-9', emailIndex: plaintext }),
          update: () => db.update(table).set({ email: plaintext }).where(eq(table.id, 'c-2')),
          equal: () => db.select().from(table).where(eq(table.email, plaintext)),
          unequal: () => db.select().from(table).where(ne(table.email, plaintext)),
          greater: () => db.select().from(table).where(gt(table.email, plaintext)),
          in: () =>
            db
              .select()
              .from(table)
              .where(inArray(table.email, [plaintext])),
        };
        for (const [attempt, run] of Object.entries(attempts)) {
          await assert.rejects(async () => run(), refused, attempt);
        }
        assert.deepEqual(await database.rows('SELECT id FROM customers'), [{ id: 'c-2' }]);
      }));

    test('an indexed column is found in any way of writing, a deterministic one exactly', (t) =>
      withWorld(t, name, async ({ db, table, customers }) => {
        assert.deepEqual(
          await db
            .select()
            .from(table)
            .where(await customers.where('email', 'a@b.c')),
          [],
        );
        await db.insert(table).values(await customers.encryptMany([ADA, BOB]));
        const ids = async (where: Awaited<ReturnType<typeof customers.where>>): Promise<string[]> =>
          (await db.select({ id: table.id }).from(table).where(where).orderBy(asc(table.id))).map(({ id }) => id);
        assert.deepEqual(await ids(await customers.where('email', ' ada@EXAMPLE.org')), ['c-1']);
        assert.deepEqual(await ids(await customers.where('email', ['x@y.z', BOB.email])), ['c-2']);
        assert.deepEqual(await ids(await customers.where('iban', ADA.iban)), ['c-1']);
        assert.deepEqual(await ids(await customers.where('iban', ADA.iban.toLowerCase())), []);
        assert.deepEqual(await ids(isNull(table.born)), ['c-2']);
        const found = await customers.find({ email: BOB.email, iban: BOB.iban }, (where) =>
          db
            .select()
            .from(table)
            .where(and(where, eq(table.country, 'GB'))),
        );
        assert.deepEqual(
          found.map((row) => row.name),
          ['Bob'],
        );
        await assert.rejects(customers.where('name', 'Ada'), { code: 'UNSUPPORTED', message: /declare an index/ });
        await assert.rejects(customers.where('email', null as never), invalid(/isNull/));
      }));

    test('rows that a truncated index finds by mistake are left out', (t) =>
      withWorld(
        t,
        name,
        async ({ db, table, customers, database }) => {
          const rows = Array.from({ length: 30 }, (_, n) => ({
            id: `c-${n}`,
            email: n === 7 ? 'wanted' : `other ${n}`,
          }));
          await db.insert(table).values(await customers.encryptMany(rows));
          let selected = 0;
          const found = await customers.find({ email: 'Wanted' }, async (where) => {
            const some = await db.select().from(table).where(where);
            selected = some.length;
            return some;
          });
          assert.ok(selected > 5, 'terms of one bit are shared');
          assert.deepEqual(
            found.map(({ id }) => id),
            ['c-7'],
          );
          await assert.rejects(customers.where('email', 'wanted'), { code: 'UNSUPPORTED', message: /truncated/ });
          await assert.rejects(
            customers.find({ email: 'wanted' }, (where) => db.select({ id: table.id }).from(table).where(where)),
            invalid(/selects it/),
          );
          assert.equal((await database.rows('SELECT id FROM customers')).length, 30);
        },
        {
          columns: {
            ...COLUMNS,
            email: { type: 'string', index: { normalize: 'case', bits: 1, column: 'emailIndex' } },
          },
        },
      ));

    test('while an index gets a new version, rows of both are found', (t) =>
      withWorld(
        t,
        name,
        async ({ db, table, customers, seenAs }) => {
          await db.insert(table).values(await customers.encrypt({ id: 'old', email: 'ada@example.org' }));
          const older = [{ version: 1, normalize: 'case', bits: 16 }] as const;
          const index = { version: 2, normalize: 'email', bits: 64, column: 'emailIndex', older } as const;
          const next = seenAs({ columns: { ...COLUMNS, email: { type: 'string', index } } });
          await db.insert(table).values(await next.encrypt({ id: 'new', email: 'ada@example.org' }));
          const found = await next.find({ email: 'ADA@example.org' }, (where) => db.select().from(table).where(where));
          assert.deepEqual(found.map(({ id }) => id).toSorted(), ['new', 'old']);
        },
        {
          columns: {
            ...COLUMNS,
            email: { type: 'string', index: { normalize: 'case', bits: 16, column: 'emailIndex' } },
          },
        },
      ));

    test('an update changes one row, and its index follows; one that would unbind the row is refused', (t) =>
      withWorld(t, name, async ({ db, table, customers }) => {
        await db.insert(table).values(await customers.encryptMany([ADA, BOB]));
        const { set, where } = await customers.update(
          { id: 'c-1' },
          { email: 'new@example.org', name: null, country: 'IT' },
        );
        await db.update(table).set(set).where(where);
        const [ada] = await customers.find({ email: 'new@example.org' }, (found) =>
          db.select().from(table).where(found),
        );
        assert.deepEqual(ada, { ...ADA, email: 'new@example.org', name: null, country: 'IT' });
        await assert.rejects(customers.update({}, { name: 'x' }), invalid(/give `id`/));
        await assert.rejects(customers.update({ id: 'c-1' }, { id: 'c-9', name: 'x' }), invalid(/cannot be changed/));
        await assert.rejects(customers.encrypt({ name: 'x' } as never), invalid(/make it yourself/));
        await assert.rejects(customers.encrypt({ id: 'c-5', name: 5 as never }), invalid(/takes a string/));
      }));

    test('an upsert takes what was to be inserted; equal deterministic values meet the unique constraint', (t) =>
      withWorld(t, name, async ({ db, table, customers }) => {
        await db.insert(table).values(await customers.encrypt(BOB));
        const upsert = { ...BOB, name: 'Robert', email: 'rob@example.org' };
        await db
          .insert(table)
          .values(await customers.encrypt(upsert))
          .onConflictDoUpdate({ target: table.id, set: customers.excluded('name', 'email') });
        const [row] = await customers.find({ email: 'rob@example.org' }, (where) =>
          db.select().from(table).where(where),
        );
        assert.equal(row!.name, 'Robert');
        await assert.rejects(async () => db.insert(table).values(await customers.encrypt({ ...BOB, id: 'c-3' })));
      }));

    test('a joined table is decrypted by itself, and is null where there is none', (t) =>
      withWorld(t, name, async ({ db, table, orders, customers }) => {
        await db.insert(table).values(await customers.encryptMany([ADA, BOB]));
        await db.insert(orders).values([
          { id: 1, customerId: 'c-1', item: 'cards' },
          { id: 2, customerId: 'gone', item: 'tea' },
        ]);
        const rows = await db
          .select()
          .from(orders)
          .leftJoin(table, eq(orders.customerId, table.id))
          .orderBy(asc(orders.id));
        const buyers = await customers.decryptMany(rows.map((row) => row.customers));
        assert.deepEqual(
          buyers.map((buyer) => buyer?.email ?? null),
          [ADA.email, null],
        );
      }));

    test('values that were swapped between rows or columns, or are plaintext, are errors', (t) =>
      withWorld(t, name, async ({ db, table, customers, database }) => {
        await db.insert(table).values(await customers.encryptMany([ADA, BOB]));
        const read = async () => customers.decryptMany(await db.select().from(table));
        await database.rows(
          "UPDATE customers SET name = (SELECT name FROM customers WHERE id = 'c-2') WHERE id = 'c-1'",
        );
        await assert.rejects(read, { code: 'INVALID_CIPHERTEXT', message: /name.*does not open/ });
        await database.rows("UPDATE customers SET name = email WHERE id = 'c-1'");
        await assert.rejects(read, { code: 'INVALID_CIPHERTEXT' });
        await database.rows("UPDATE customers SET name = 'Ada' WHERE id = 'c-1'");
        await assert.rejects(read, { code: 'INVALID_CIPHERTEXT', message: /plaintext/ });
        await assert.rejects(
          customers.decryptMany(await db.select({ name: table.name }).from(table)),
          invalid(/select it with what you decrypt/),
        );
      }));

    test('each tenant has its own keys', (t) =>
      withWorld(
        t,
        name,
        async ({ db, table, customers, database }) => {
          const email = 'ada@example.org';
          await db.insert(table).values(
            await customers.encryptMany([
              { id: 'c-1', country: 'acme', email },
              { id: 'c-2', country: 'globex', email },
            ]),
          );
          const query = (where: Parameters<Parameters<typeof customers.find>[1]>[0]) =>
            db.select().from(table).where(where);
          await assert.rejects(customers.find({ email }, query), invalid(/needs `tenant`/));
          const found = await customers.find({ email }, query, { tenant: 'globex' });
          assert.deepEqual(
            found.map(({ id }) => id),
            ['c-2'],
          );
          await assert.rejects(customers.update({ id: 'c-1' }, { email: 'x' }), invalid(/give `country`/));
          await database.rows("UPDATE customers SET country = 'globex' WHERE id = 'c-1'");
          await assert.rejects(customers.decryptMany(await db.select().from(table)), { code: 'INVALID_CIPHERTEXT' });
        },
        { tenant: { column: 'country' } },
      ));

    test('in a transaction it is as outside', (t) =>
      withWorld(t, name, async ({ db, table, customers }) => {
        await assert.rejects(
          db.transaction(async (tx) => {
            await tx.insert(table).values(await customers.encrypt(ADA));
            const [read] = await customers.decryptMany(await tx.select().from(table));
            assert.equal(read!.email, ADA.email);
            throw new Error('no');
          }),
          /no/,
        );
        assert.deepEqual(await db.select().from(table), []);
      }));

    test('a table that is not as it is declared is refused when the two are bound', (t) =>
      withWorld(t, name, async ({ seenAs }) => {
        const { email, ...rest } = COLUMNS;
        const attempts: [Options, RegExp][] = [
          [{ names: {} }, /declare `names: { emailIndex: 'email_index' }`/],
          [{ columns: rest, names: {} }, /`email` is encrypted, and not declared/],
          [{ columns: { ...COLUMNS, born: 'number' } }, /`born` is declared as encrypted, of the type `number`/],
          [{ columns: { ...COLUMNS, phone: 'string' } }, /no column `phone`/],
          [{ columns: { ...rest, email, country: 'string' } }, /`country` is declared as encrypted/],
          [{ storage: 'bytes' }, /storage `bytes`/],
          [{ table: 'people' }, /declaration of `people`/],
        ];
        for (const [options, words] of attempts) assert.throws(() => seenAs(options), invalid(words));
        await Promise.resolve();
      }));

    test('an id that the database finds under another spelling is not updated', (t) =>
      withWorld(t, name, async ({ db, table, customers, database }) => {
        await database.rows('DROP TABLE customers');
        const type = name === 'postgres' ? 'UUID' : 'TEXT COLLATE NOCASE';
        await database.rows(`CREATE TABLE customers (id ${type} PRIMARY KEY, country TEXT)`);
        const id = '01a20a5b-00ab-7000-8000-0000000000ff';
        await database.rows(`INSERT INTO customers VALUES ('${id}', 'GB')`);
        const { where } = await customers.update({ id: id.toUpperCase() }, { name: 'x' });
        await db.update(table).set({ country: 'IT' }).where(eq(table.id, id.toUpperCase()));
        await db.update(table).set({ country: 'FR' }).where(where);
        assert.deepEqual(await database.rows('SELECT country FROM customers'), [{ country: 'IT' }]);
      }));
  });
}
