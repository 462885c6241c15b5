import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Kysely, PostgresDialect, SqliteDialect } from 'kysely';
import {
  fields,
  postgresDatabase,
  rotateFields,
  verifyFields,
  type Fields,
  type SqlDatabase,
} from '../../src/envelope/fields/index.ts';
import { fieldsDialect } from '../../src/envelope/fields/kysely/index.ts';
import { kyselySqlite } from '../support/sqlite.ts';
import {
  CUSTOMER_COLUMNS,
  customersOf,
  DATABASES,
  openDatabases,
  type Databases,
  type TestDatabase,
} from './fields-support.ts';

interface Tables {
  customers: { id: string; email: string; iban: string; name: string; visits: number };
}

const ROWS = 300;
const WRITERS = 6;
/** Of every writer, so many that rotation meets them in each of its pages. */
const WRITES = 120;

let databases: Databases;
before(async () => {
  databases = await openDatabases();
});
after(() => databases.stop());

/** One program: a cache and connections of its own over the same tables. */
function program(database: TestDatabase): { readonly db: Kysely<Tables>; readonly customers: Fields<any> } {
  const { api } = databases.world;
  const customers = fields(api, {
    ...customersOf(databases, database),
    columns: CUSTOMER_COLUMNS,
  });
  const dialect =
    database.sqlite === null
      ? new PostgresDialect({ pool: database.pool! })
      : new SqliteDialect({ database: kyselySqlite(database.sqlite) });
  return { db: new Kysely<Tables>({ dialect: fieldsDialect(dialect, [customers]) }), customers };
}

for (const name of DATABASES) {
  test(`on ${name}, rows are encrypted again while others write, and no update is lost`, async (t) => {
    const database = await databases.open(t, name);
    if (database === null) return;
    t.after(() => database.close());
    const { clock } = databases.world.service;
    const { db, customers } = program(database);
    const last = new Map<string, { email: string; name: string }>();
    const rows = Array.from({ length: ROWS }, (_, n) => ({
      id: `c-${String(n).padStart(4, '0')}`,
      email: `user${n}@example.org`,
      iban: `DE${n}`,
      name: `user ${n}`,
      visits: n,
    }));
    await db.insertInto('customers').values(rows).execute();
    for (const { id, email, name: called } of rows) last.set(id, { email, name: called });

    const rotated = new AbortController();
    // Each row has one writer, who so knows what was written last. Another program, which learns of new keys by itself.
    const writer = async (number: number): Promise<number> => {
      const { db: other } = program(database);
      let writes = 0;
      for (let turn = 0; turn < WRITES || !rotated.signal.aborted; turn += 1) {
        const at = (number + WRITERS * ((turn * 7) % (ROWS / WRITERS))) % ROWS;
        const { id } = rows[at]!;
        const values = { email: `w${number}-${turn}@example.org`, name: `turn ${turn}` };
        const { numUpdatedRows } = await other
          .updateTable('customers')
          .set(values)
          .where('id', '=', id)
          .executeTakeFirst();
        assert.equal(numUpdatedRows, 1n);
        last.set(id, values);
        writes += 1;
        const found = await other.selectFrom('customers').select('id').where('email', '=', values.email).execute();
        assert.deepEqual(found, [{ id }], 'what was written is found at once');
        // Others have their turn, also where the database answers synchronously.
        await new Promise((resolve) => setImmediate(resolve));
      }
      return writes;
    };
    const writers = Array.from({ length: WRITERS }, (_, number) => writer(number));
    const sql: SqlDatabase = database.pool === null ? database.keys : postgresDatabase(database.pool);
    const report = await rotateFields(customers, {
      database: sql,
      batchRows: 25,
      sleep: (ms) => Promise.resolve(clock.advance(ms)),
    }).finally(() => rotated.abort());
    const writes = await Promise.all(writers);
    assert.equal(report.state, 'done', JSON.stringify(report));
    assert.ok(writes.every((count) => count >= WRITES));
    t.diagnostic(
      `${writes.reduce((sum, count) => sum + count)} writes, ${report.tables[0]!.raced} rows that both changed`,
    );

    const fresh = program(database);
    const read = await fresh.db
      .selectFrom('customers')
      .select(['id', 'email', 'name', 'iban', 'visits'])
      .orderBy('id')
      .execute();
    for (const [at, row] of read.entries()) {
      const { iban, visits, id } = rows[at]!;
      assert.deepEqual(row, { id, iban, visits, ...last.get(id)! });
    }
    const sample = [...last].filter((_, at) => at % 10 === 0);
    for (const [id, { email }] of sample) {
      assert.deepEqual(await fresh.db.selectFrom('customers').select('id').where('email', '=', email).execute(), [
        { id },
      ]);
    }
    const verified = await verifyFields(fresh.customers, { database: sql });
    assert.deepEqual(verified.failures, []);
  });
}
