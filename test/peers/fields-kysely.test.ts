import assert from 'node:assert/strict';
import { after, before, suite, test, type TestContext } from 'node:test';
import { CamelCasePlugin, Kysely, PostgresDialect, sql, SqliteDialect, type Dialect } from 'kysely';
import { fields, sqlKeyStore, type FieldsOptions } from '../../src/envelope/fields/index.ts';
import { fieldsDialect } from '../../src/envelope/fields/kysely/index.ts';
import { kyselySqlite } from '../support/sqlite.ts';
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

interface Tables {
  customers: {
    id: string;
    country: string | null;
    email: string | null;
    iban: string | null;
    name: string | null;
    born: Date | null;
    notes: { likes: string[] } | null;
    visits: number | null;
    balance: bigint | null;
    photo: Uint8Array | null;
    active: boolean | null;
    email_index: string | null;
  };
  orders: { id: number; customer_id: string; item: string };
}

let databases: Databases;
before(async () => {
  databases = await openDatabases();
});
after(() => databases.stop());

type Options = Partial<FieldsOptions<any>>;

interface World {
  readonly db: Kysely<Tables>;
  readonly database: TestDatabase;
  /** The same database, seen with another declaration. */
  readonly seenAs: (options: Options) => Kysely<Tables>;
}

function dialectOf({ sqlite, pool }: TestDatabase): Dialect {
  return sqlite === null ? new PostgresDialect({ pool: pool! }) : new SqliteDialect({ database: kyselySqlite(sqlite) });
}

async function withWorld(
  t: TestContext,
  name: DatabaseName,
  body: (world: World) => Promise<void>,
  options: Options = {},
): Promise<void> {
  const database = await databases.open(t, name);
  if (database === null) return;
  const { api } = databases.world;
  const seenAs = (more: Options): Kysely<Tables> => {
    const customers = fields(api, {
      ...customersOf(databases, database),
      columns: CUSTOMER_COLUMNS,
      ...more,
    });
    return new Kysely<Tables>({ dialect: fieldsDialect(dialectOf(database), [customers]) });
  };
  try {
    await body({ db: seenAs(options), database, seenAs });
  } finally {
    await database.close();
  }
}

const unsupported = (words: RegExp): { code: string; message: RegExp } => ({ code: 'UNSUPPORTED', message: words });

for (const name of DATABASES) {
  suite(`Kysely on ${name}`, () => {
    test('values of each type come back as they went in, and the database has none of them', (t) =>
      withWorld(t, name, async ({ db, database }) => {
        await db.insertInto('customers').values(ADA).execute();
        const { photo: _, ...read } = await db.selectFrom('customers').selectAll().executeTakeFirstOrThrow();
        assert.deepEqual(read, ADA);
        const [stored] = await database.rows('SELECT * FROM customers');
        assert.equal(stored!['country'], 'GB');
        const told = JSON.stringify({ ...stored, id: '', country: '' });
        for (const word of ['Ada', 'xample', 'DE0212', 'engines', '1815', 'false']) {
          assert.ok(!told.includes(word), `${word} in ${told}`);
        }
      }));

    test('rows of one insert may lack columns, and null stays null', (t) =>
      withWorld(t, name, async ({ db, database }) => {
        await db
          .insertInto('customers')
          .values([
            { id: 'c-1', email: 'ada@example.org' },
            { id: 'c-2', name: 'Bob' },
            { id: 'c-3', email: null },
          ])
          .execute();
        const read = await db.selectFrom('customers').select(['id', 'email', 'name']).orderBy('id').execute();
        assert.deepEqual(read, [
          { id: 'c-1', email: 'ada@example.org', name: null },
          { id: 'c-2', email: null, name: 'Bob' },
          { id: 'c-3', email: null, name: null },
        ]);
        const nulls = await database.rows('SELECT id FROM customers WHERE email_index IS NULL ORDER BY id');
        assert.deepEqual(nulls, [{ id: 'c-2' }, { id: 'c-3' }]);
        const found = await db.selectFrom('customers').select('id').where('email', 'is', null).orderBy('id').execute();
        assert.deepEqual(found, [{ id: 'c-2' }, { id: 'c-3' }]);
      }));

    test('what was added to a selection is not in its rows, under aliases and in joins', (t) =>
      withWorld(t, name, async ({ db }) => {
        await db.insertInto('customers').values([ADA, BOB]).execute();
        await db.insertInto('orders').values({ id: 7, customer_id: 'c-1', item: 'cards' }).execute();
        assert.deepEqual(await db.selectFrom('customers').select('email as e').where('id', '=', 'c-1').execute(), [
          { e: ADA.email },
        ]);
        const joined = await db
          .selectFrom('orders as o')
          .rightJoin('customers as c', 'c.id', 'o.customer_id')
          .leftJoin('customers as other', (join) => join.on('other.iban', '=', BOB.iban))
          .select(['o.item', 'c.email', 'c.born', 'other.name as otherName'])
          .orderBy('c.id')
          .execute();
        assert.deepEqual(joined, [
          { item: 'cards', email: ADA.email, born: ADA.born, otherName: 'Bob' },
          { item: null, email: BOB.email, born: null, otherName: 'Bob' },
        ]);
        const all = await db
          .selectFrom('orders')
          .innerJoin('customers', 'customers.id', 'orders.customer_id')
          .selectAll('customers')
          .select('orders.item')
          .execute();
        assert.equal(all.length, 1);
        assert.equal(all[0]!.email, ADA.email);
        assert.equal(all[0]!.item, 'cards');
        assert.ok(!('email_index' in all[0]!));
        const [named] = await db.selectFrom('customers').selectAll().select('email_index').execute();
        assert.equal(typeof named!.email_index, 'string');
      }));

    test('an indexed column is found in any way of writing, a deterministic one exactly, each also under `or` and `in`', (t) =>
      withWorld(t, name, async ({ db }) => {
        await db.insertInto('customers').values([ADA, BOB]).execute();
        const query = db.selectFrom('customers').select('name').orderBy('id');
        const names = async (q: typeof query): Promise<unknown[]> => (await q.execute()).map((row) => row.name);
        assert.deepEqual(await names(query.where('email', '=', ' ada@EXAMPLE.org')), ['Ada']);
        assert.deepEqual(await names(query.where('email', 'in', ['x@y.z', BOB.email])), ['Bob']);
        assert.deepEqual(await names(query.where('iban', '=', ADA.iban)), ['Ada']);
        assert.deepEqual(await names(query.where('iban', '=', ADA.iban.toLowerCase())), []);
        assert.deepEqual(
          await names(query.where((eb) => eb.or([eb('email', '=', BOB.email), eb('iban', '=', ADA.iban)]))),
          ['Ada', 'Bob'],
        );
        const counted = await db
          .selectFrom('customers')
          .select(({ fn }) => fn.countAll().as('n'))
          .where('email', '=', BOB.email)
          .executeTakeFirstOrThrow();
        assert.equal(Number(counted.n), 1);
        const ordered = db
          .selectFrom('orders')
          .select('item')
          .where('customer_id', 'in', (eb) =>
            eb.selectFrom('customers').select('customers.id').where('customers.email', '=', ADA.email),
          );
        assert.deepEqual(await ordered.execute(), []);
      }));

    test('a search before anything was encrypted finds nothing', (t) =>
      withWorld(t, name, async ({ db }) => {
        assert.deepEqual(await db.selectFrom('customers').select('id').where('email', '=', 'a@b.c').execute(), []);
      }));

    test('rows that a truncated index finds by mistake are left out, and do not count for limit and offset', (t) =>
      withWorld(
        t,
        name,
        async ({ db, database }) => {
          const rows = Array.from({ length: 40 }, (_, n) => ({
            id: `c-${String(n).padStart(2, '0')}`,
            name: n % 8 === 3 ? 'wanted' : `other ${n}`,
          }));
          await db.insertInto('customers').values(rows).execute();
          const [row] = await database.rows('SELECT email_index FROM customers LIMIT 1');
          const same = await database.rows(
            `SELECT id FROM customers WHERE email_index = '${String(row!['email_index'])}'`,
          );
          assert.ok(same.length > 5, 'terms of one bit are shared');
          const wanted = db.selectFrom('customers').select('id').where('name', '=', 'Wanted').orderBy('id');
          const ids = async (query: typeof wanted): Promise<string[]> => (await query.execute()).map(({ id }) => id);
          assert.deepEqual(await ids(wanted), ['c-03', 'c-11', 'c-19', 'c-27', 'c-35']);
          assert.deepEqual(await ids(wanted.limit(2)), ['c-03', 'c-11']);
          assert.deepEqual(await ids(wanted.limit(2).offset(3)), ['c-27', 'c-35']);
          assert.deepEqual(Object.keys((await wanted.limit(1).execute())[0]!), ['id']);

          for (const query of [
            db
              .selectFrom('customers')
              .select(({ fn }) => fn.countAll().as('n'))
              .where('name', '=', 'wanted'),
            db.updateTable('customers').set({ country: 'X' }).where('name', '=', 'wanted'),
            db.deleteFrom('customers').where('name', '=', 'wanted'),
            db
              .selectFrom('orders')
              .selectAll()
              .where('customer_id', 'in', (eb) =>
                eb.selectFrom('customers').select('customers.id').where('customers.name', '=', 'wanted'),
              ),
          ]) {
            await assert.rejects(query.execute(), unsupported(/found by it|truncated/));
          }
          await assert.rejects(
            wanted.where((eb) => eb.or([eb('name', '=', 'a'), eb('id', '=', 'b')])).execute(),
            unsupported(/under `or`/),
          );
        },
        { columns: { name: { type: 'string', index: { normalize: 'case', bits: 1, column: 'email_index' } } } },
      ));

    test('while an index gets a new version, rows of both are found', (t) =>
      withWorld(
        t,
        name,
        async ({ db, seenAs }) => {
          await db.insertInto('customers').values({ id: 'old', email: 'ada@example.org' }).execute();
          const next = seenAs({
            columns: {
              email: {
                type: 'string',
                index: {
                  version: 2,
                  normalize: 'email',
                  bits: 64,
                  older: [{ version: 1, normalize: 'case', bits: 16 }],
                },
              },
            },
          });
          await next.insertInto('customers').values({ id: 'new', email: 'ada@example.org' }).execute();
          const found = next.selectFrom('customers').select('id').where('email', '=', 'ADA@example.org').orderBy('id');
          assert.deepEqual(await found.execute(), [{ id: 'new' }, { id: 'old' }]);
        },
        { columns: { email: { type: 'string', index: { normalize: 'case', bits: 16 } } } },
      ));

    test('an update encrypts for the row that its condition names, and its index follows', (t) =>
      withWorld(t, name, async ({ db }) => {
        await db.insertInto('customers').values([ADA, BOB]).execute();
        const { numUpdatedRows } = await db
          .updateTable('customers')
          .set({ email: 'countess@example.org', name: null, country: 'IT' })
          .where('id', '=', 'c-1')
          .executeTakeFirst();
        assert.equal(numUpdatedRows, 1n);
        const found = db.selectFrom('customers').select(['id', 'email', 'name', 'country']);
        assert.deepEqual(await found.where('email', '=', 'countess@example.org').execute(), [
          { id: 'c-1', email: 'countess@example.org', name: null, country: 'IT' },
        ]);
        assert.deepEqual(await found.where('email', '=', ADA.email).execute(), []);
        const returned = await db
          .updateTable('customers')
          .set('name', 'Robert')
          .where('id', '=', 'c-2')
          .returning(['name', 'email'])
          .executeTakeFirstOrThrow();
        assert.deepEqual(returned, { name: 'Robert', email: BOB.email });
        await db.updateTable('customers').set({ iban: 'X' }).where('iban', '=', BOB.iban).execute();
        const gone = await db.deleteFrom('customers').where('iban', '=', 'X').returningAll().execute();
        assert.equal(gone[0]!.name, 'Robert');
      }));

    test('an update that cannot tell the row, or would unbind it, is refused', (t) =>
      withWorld(t, name, async ({ db }) => {
        await db.insertInto('customers').values(BOB).execute();
        const update = db.updateTable('customers');
        for (const query of [
          update.set({ name: 'x' }),
          update.set({ name: 'x' }).where('id', 'in', ['c-1', 'c-2']),
          update.set({ name: 'x' }).where((eb) => eb.or([eb('id', '=', 'c-1'), eb('id', '=', 'c-2')])),
        ]) {
          await assert.rejects(query.execute(), invalid(/add `where\('id', '=', …\)`/));
        }
        await assert.rejects(update.set({ id: 'c-9' }).where('id', '=', 'c-2').execute(), invalid(/cannot be changed/));
        await update
          .set({ ...BOB, name: 'Rob' })
          .where('id', '=', 'c-2')
          .execute();
        await assert.rejects(
          update
            .set((eb) => ({ name: eb.ref('country') }))
            .where('id', '=', 'c-2')
            .execute(),
          unsupported(/plain value/),
        );
        await assert.rejects(update.set({ email_index: 'x' }).execute(), invalid(/leave it out/));
        const { name } = await db.selectFrom('customers').select('name').executeTakeFirstOrThrow();
        assert.equal(name, 'Rob');
      }));

    test('an upsert writes what was to be inserted; one whose row may be another is refused', (t) =>
      withWorld(t, name, async ({ db }) => {
        const upsert = (row: typeof BOB) => db.insertInto('customers').values(row);
        await upsert(BOB).execute();
        await upsert({ ...BOB, name: 'Robert', email: 'rob@example.org' })
          .onConflict((oc) =>
            oc.column('id').doUpdateSet((eb) => ({ name: eb.ref('excluded.name'), email: eb.ref('excluded.email') })),
          )
          .execute();
        const read = await db
          .selectFrom('customers')
          .select(['name', 'iban'])
          .where('email', '=', 'rob@example.org')
          .execute();
        assert.deepEqual(read, [{ name: 'Robert', iban: BOB.iban }]);

        const other = { ...BOB, id: 'c-3', name: 'Other' };
        await upsert(other)
          .onConflict((oc) => oc.column('iban').doNothing())
          .execute();
        await upsert(other)
          .onConflict((oc) => oc.column('iban').doUpdateSet({ country: 'FR' }))
          .execute();
        const [row] = await db.selectFrom('customers').select(['name', 'country']).execute();
        assert.deepEqual(row, { name: 'Robert', country: 'FR' });
        await assert.rejects(
          upsert(other)
            .onConflict((oc) => oc.column('iban').doUpdateSet((eb) => ({ name: eb.ref('excluded.name') })))
            .execute(),
          invalid(/`id` among the columns of its conflict/),
        );
        await assert.rejects(
          upsert(other)
            .onConflict((oc) => oc.column('id').doUpdateSet({ name: 'x' }))
            .execute(),
          invalid(/excluded\.name/),
        );
        await assert.rejects(upsert(other).execute(), /unique/iu);
      }));

    test('what the database would do with ciphertexts is refused, wherever it stands in a query', (t) =>
      withWorld(t, name, async ({ db, database }) => {
        await db.insertInto('customers').values([ADA, BOB]).execute();
        const select = db.selectFrom('customers').select('id');
        const shapes: Record<string, { execute(): Promise<unknown> }> = {
          like: select.where('email', 'like', 'ada%'),
          less: select.where('visits', '<', 3),
          unequal: select.where('email', '!=', 'x'),
          'not in': select.where('email', 'not in', ['x']),
          not: select.where((eb) => eb.not(eb('email', '=', 'x'))),
          'two columns': select.whereRef('email', '=', 'name'),
          reversed: select.where((eb) => eb(eb.val('x'), '=', eb.ref('email'))),
          'a column without an index': select.where('name', '=', 'Ada'),
          'is true': select.where('active', 'is', true),
          order: select.orderBy('email'),
          'order by its alias': db.selectFrom('customers').select('email as e').orderBy('e'),
          'order by its place': db
            .selectFrom('customers')
            .select('email')
            .orderBy(sql`1`),
          group: db.selectFrom('customers').select('iban').groupBy('iban'),
          having: select.groupBy('id').having('name', '=', 'x'),
          min: db.selectFrom('customers').select(({ fn }) => fn.min('email').as('first')),
          lower: db.selectFrom('customers').select((eb) => eb.fn<string>('lower', ['email']).as('low')),
          case: db
            .selectFrom('customers')
            .select((eb) => eb.case().when('iban', '=', 'x').then(1).else(2).end().as('n')),
          concat: db.selectFrom('customers').select((eb) => eb('email', '||', 'x').as('both')),
          'a whole row as JSON': db.selectFrom('customers').select((eb) => eb.fn.toJson('customers').as('j')),
          distinct: db.selectFrom('customers').select('email').distinct(),
          'raw SQL': db.selectFrom('customers').select(sql<string>`lower(email)`.as('low')),
          'a raw reference': db
            .selectFrom('customers')
            .select(sql<string>`lower(${sql.ref('customers.email')})`.as('low')),
          'a raw condition': select.where(sql<boolean>`email = ${'x'}`),
          subquery: db.selectFrom((eb) => eb.selectFrom('customers').select('email').as('c')).selectAll(),
          cte: db
            .with('c', (q) => q.selectFrom('customers').selectAll())
            .selectFrom('c')
            .selectAll(),
          union: select.union(db.selectFrom('customers').select('email as id') as never),
          scalar: db.selectFrom('orders').select((eb) => eb.selectFrom('customers').select('email').as('e')),
          'all of a join': db
            .selectFrom('customers')
            .innerJoin('orders', 'orders.customer_id', 'customers.id')
            .selectAll(),
          'insert from select': db
            .insertInto('customers')
            .columns(['id', 'name'])
            .expression(db.selectFrom('orders').select(['customer_id', 'item'])),
          'copy elsewhere': db
            .insertInto('orders')
            .columns(['id', 'customer_id', 'item'])
            .expression(db.selectFrom('customers').select([sql<number>`1`.as('n'), 'id', 'iban'])),
          'an expression as value': db.insertInto('customers').values({ id: 'c-5', name: sql<string>`'x'` }),
          'an upper-case table': db.selectFrom('Customers' as 'customers').select('id'),
          'an upper-case column': select.where('Email' as 'email', '=', 'x'),
        };
        for (const [shape, query] of Object.entries(shapes)) {
          await assert.rejects(
            query.execute(),
            { name: 'ClavigerError', code: /^(UNSUPPORTED|INVALID_ARGUMENT)$/ },
            shape,
          );
        }
        assert.equal((await database.rows('SELECT id FROM customers')).length, 2);
      }));

    test('an insert without an id, or of a value of another type, is refused and leaves nothing', (t) =>
      withWorld(t, name, async ({ db, database }) => {
        const insert = db.insertInto('customers');
        await assert.rejects(insert.values({ name: 'x' } as never).execute(), invalid(/make it yourself/));
        await assert.rejects(insert.values({ id: 'c-1', name: 5 as never }).execute(), invalid(/takes a string/));
        await assert.rejects(insert.values({ id: 'c-1', email_index: 'x' }).execute(), invalid(/leave it out/));
        assert.deepEqual(await database.rows('SELECT id FROM customers'), []);
      }));

    test('values that were swapped between rows or columns, or are plaintext, are errors', (t) =>
      withWorld(t, name, async ({ db, database }) => {
        await db.insertInto('customers').values([ADA, BOB]).execute();
        const read = db.selectFrom('customers').select(['id', 'name', 'email']);
        await database.rows(
          "UPDATE customers SET name = (SELECT name FROM customers WHERE id = 'c-2') WHERE id = 'c-1'",
        );
        await assert.rejects(read.execute(), { code: 'INVALID_CIPHERTEXT', message: /name.*does not open/ });
        await database.rows("UPDATE customers SET name = email WHERE id = 'c-1'");
        await assert.rejects(read.execute(), { code: 'INVALID_CIPHERTEXT' });
        await database.rows("UPDATE customers SET name = 'Ada' WHERE id = 'c-1'");
        await assert.rejects(read.execute(), { code: 'INVALID_CIPHERTEXT', message: /plaintext/ });
        assert.equal((await read.where('id', '=', 'c-2').execute())[0]!.name, 'Bob');
      }));

    test('each tenant has its own keys: a search names the tenant, and a value that moved does not open', (t) =>
      withWorld(
        t,
        name,
        async ({ db, database }) => {
          await db
            .insertInto('customers')
            .values([
              { id: 'c-1', country: 'acme', email: 'ada@example.org' },
              { id: 'c-2', country: 'globex', email: 'ada@example.org' },
            ])
            .execute();
          const search = db.selectFrom('customers').select(['id', 'email']).where('email', '=', 'ada@example.org');
          await assert.rejects(search.execute(), invalid(/add `where\('country', '=', …\)`/));
          assert.deepEqual(await search.where('country', '=', 'globex').execute(), [
            { id: 'c-2', email: 'ada@example.org' },
          ]);
          await assert.rejects(
            db.updateTable('customers').set({ email: 'x' }).where('id', '=', 'c-1').execute(),
            invalid(/where\('country'/),
          );
          await db
            .updateTable('customers')
            .set({ email: 'x' })
            .where('id', '=', 'c-1')
            .where('country', '=', 'globex')
            .execute();
          await assert.rejects(
            db.updateTable('customers').set({ country: 'globex' }).where('id', '=', 'c-1').execute(),
            invalid(/cannot be changed/),
          );
          await database.rows("UPDATE customers SET country = 'globex' WHERE id = 'c-1'");
          await assert.rejects(db.selectFrom('customers').select('email').execute(), { code: 'INVALID_CIPHERTEXT' });
        },
        { tenant: { column: 'country' } },
      ));

    test('each data subject has its own key: an update names it, and what was shredded is told apart', (t) =>
      withWorld(
        t,
        name,
        async ({ db, database, seenAs }) => {
          const subject = { subject: 'country' };
          await db
            .insertInto('customers')
            .values([
              { id: 'c-1', country: 's-1', name: 'Ada' },
              { id: 'c-2', country: 's-2', name: 'Bob' },
            ])
            .execute();
          const update = db.updateTable('customers').set({ name: 'x' }).where('id', '=', 'c-1');
          await assert.rejects(update.execute(), invalid(/where\('country'/));
          const wrong = await update.where('country', '=', 's-2').executeTakeFirst();
          assert.equal(wrong.numUpdatedRows, 0n);
          await update.where('country', '=', 's-1').execute();
          await assert.rejects(
            db
              .insertInto('customers')
              .values({ id: 'c-1', country: 's-2', name: 'y' })
              .onConflict((oc) => oc.column('id').doUpdateSet((eb) => ({ name: eb.ref('excluded.name') })))
              .execute(),
            invalid(/`country` among the columns of its conflict/),
          );
          const read = await db.selectFrom('customers').select('name').orderBy('id').execute();
          assert.deepEqual(read, [{ name: 'x' }, { name: 'Bob' }]);
          await database.rows("UPDATE customers SET country = 's-2' WHERE id = 'c-1'");
          await assert.rejects(seenAs(subject).selectFrom('customers').select('name').execute(), {
            code: 'INVALID_CIPHERTEXT',
          });
        },
        { subject: 'country' },
      ));

    test('rows that stream are decrypted as they come, and an insert within `with` is encrypted', (t) =>
      withWorld(t, name, async ({ db, database }) => {
        await db.insertInto('customers').values([ADA, BOB]).execute();
        if (name === 'sqlite') {
          const streamed: unknown[] = [];
          for await (const row of db.selectFrom('customers').select('name').orderBy('id').stream()) streamed.push(row);
          assert.deepEqual(streamed, [{ name: 'Ada' }, { name: 'Bob' }]);
        } else {
          const inserted = db
            .withSchema('public')
            .with('new', (q) => q.insertInto('customers').values({ id: 'c-3', name: 'Eve' }).returning('customers.id'))
            .selectFrom('new')
            .select('new.id');
          assert.deepEqual(await inserted.execute(), [{ id: 'c-3' }]);
          const read = db.withSchema('public').selectFrom('customers').select('name').where('id', '=', 'c-3');
          assert.deepEqual(await read.execute(), [{ name: 'Eve' }]);
        }
        assert.deepEqual(await database.rows("SELECT id FROM customers WHERE name IN ('Ada', 'Bob', 'Eve')"), []);
      }));

    test('in a transaction it is as outside: what is rolled back is not there', (t) =>
      withWorld(t, name, async ({ db }) => {
        await db.insertInto('customers').values(BOB).execute();
        await assert.rejects(
          db.transaction().execute(async (trx) => {
            await trx.insertInto('customers').values(ADA).execute();
            const read = await trx.selectFrom('customers').select('email').where('email', '=', ADA.email).execute();
            assert.deepEqual(read, [{ email: ADA.email }]);
            throw new Error('no');
          }),
          /^Error: no$/,
        );
        assert.deepEqual(await db.selectFrom('customers').select('name').execute(), [{ name: 'Bob' }]);
      }));

    test('a field key that was made in a transaction which is rolled back is not written with afterwards', (t) =>
      withWorld(t, name, async ({ db, seenAs }) => {
        const rolledBack = db.transaction().execute(async (trx) => {
          await trx.insertInto('customers').values(ADA).execute();
          throw new Error('no');
        });
        await assert.rejects(rolledBack, /^Error: no$/);
        await db.insertInto('customers').values(BOB).execute();
        // Another program, which has nothing in its memory.
        const read = await seenAs({}).selectFrom('customers').select('name').execute();
        assert.deepEqual(read, [{ name: 'Bob' }]);
      }));

    test('an id that the database finds under another spelling is not updated to what its own cannot open', (t) =>
      withWorld(t, name, async ({ db, database }) => {
        const type = name === 'postgres' ? 'UUID' : 'TEXT COLLATE NOCASE';
        await database.rows(`CREATE TABLE people (id ${type} PRIMARY KEY, name TEXT)`);
        const id = '01a20a5b-00ab-7000-8000-0000000000ff';
        const { api, key, service } = databases.world;
        const people = fields(api, {
          key,
          keys: sqlKeyStore(database.keys),
          clock: service.clock,
          table: 'people',
          row: 'id',
          columns: { name: 'string' },
        });
        const peopleDb = new Kysely<{ people: { id: string; name: string } }>({
          dialect: fieldsDialect(dialectOf(database), [people]),
        });
        await peopleDb.insertInto('people').values({ id, name: 'Ada' }).execute();
        const update = await peopleDb
          .updateTable('people')
          .set({ name: 'x' })
          .where('id', '=', id.toUpperCase())
          .executeTakeFirst();
        assert.equal(update.numUpdatedRows, 0n);
        assert.deepEqual(await peopleDb.selectFrom('people').selectAll().execute(), [{ id, name: 'Ada' }]);
        assert.ok(db);
      }));

    test('tables that are not declared, and raw SQL, are left as they are', (t) =>
      withWorld(t, name, async ({ db }) => {
        await db.insertInto('orders').values({ id: 1, customer_id: 'c-1', item: 'cards' }).execute();
        const found = await db.selectFrom('orders').selectAll().where('item', 'like', 'c%').orderBy('item').execute();
        assert.deepEqual(found, [{ id: 1, customer_id: 'c-1', item: 'cards' }]);
        await db.insertInto('customers').values(BOB).execute();
        const raw = await sql<{ name: string }>`SELECT name FROM customers`.execute(db);
        assert.notEqual(raw.rows[0]!.name, 'Bob');
      }));

    test('a plugin that renames columns sees plaintext, too', (t) =>
      withWorld(t, name, async ({ db }) => {
        const camel = db.withPlugin(new CamelCasePlugin()) as unknown as Kysely<{
          customers: { id: string; emailIndex: string; email: string };
        }>;
        await camel
          .insertInto('customers')
          .values({ id: 'c-1', email: 'a@b.c' } as never)
          .execute();
        const row = await camel.selectFrom('customers').select(['email', 'emailIndex']).executeTakeFirstOrThrow();
        assert.equal(row.email, 'a@b.c');
        assert.equal(typeof row.emailIndex, 'string');
      }));
  });
}
