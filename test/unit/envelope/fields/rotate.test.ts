import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  fields,
  rotateFields,
  verifyFields,
  type Fields,
  type RotateOptions,
  type SqlDatabase,
} from '../../../../src/envelope/fields/index.ts';
import { openFieldsWorld, type FieldsWorld } from '../../../support/fields.ts';

let world: FieldsWorld;
before(async () => {
  world = await openFieldsWorld();
});
after(() => world.remove());

const COLUMNS = {
  email: { type: 'string', index: { normalize: 'email', bits: 32 } },
  iban: { type: 'string', deterministic: true },
  notes: 'json',
} as const;

/** A table with rows, and field encryption of it. */
async function tableOf(table: string, count: number) {
  world.sqlite.exec(
    `CREATE TABLE ${table} (id TEXT PRIMARY KEY, owner INTEGER, email TEXT, email_index TEXT, iban TEXT UNIQUE, notes TEXT)`,
  );
  const customers = world.make({ table, row: 'id', subject: 'owner', columns: COLUMNS });
  const rows = Array.from({ length: count }, (_, at) => ({
    id: `row-${String(at).padStart(5, '0')}`,
    owner: at % 7,
    email: `user${at}@example.org`,
    iban: `DE${at}`,
    notes: { at },
  }));
  await insert(table, await customers.encryptMany(rows));
  return { customers, rows };
}

async function insert(table: string, rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
  for (const row of rows) await world.insert(table, row);
}

async function read(table: string): Promise<Record<string, unknown>[]> {
  const { rows } = await world.database.run(`SELECT * FROM ${table} ORDER BY id`, []);
  return rows.map((row) => ({ ...row, owner: Number(row['owner']) }));
}

/** Rotates with waiting that takes no time. */
const rotate = (table: Fields<typeof COLUMNS> | Fields<typeof COLUMNS>[], options: Partial<RotateOptions> = {}) =>
  rotateFields(table, {
    database: world.database,
    batchRows: 50,
    sleep: (ms) => Promise.resolve(world.service.clock.advance(ms)),
    ...options,
  });

const numbersOf = (rows: readonly Readonly<Record<string, unknown>>[], column: string): Set<number> =>
  new Set(rows.map((row) => Buffer.from(row[column] as string, 'base64url')[2]!));

test('after a rotation every value and term is under the new key, is found, and opens as before', async () => {
  const { customers, rows } = await tableOf('rotated', 120);
  const report = await rotate(customers);
  assert.equal(report.state, 'done');
  assert.equal(report.keysMade, 8);
  const [table] = report.tables;
  assert.deepEqual(
    { ...table, rows: 0 },
    {
      table: 'rotated',
      rows: 0,
      values: 360,
      terms: 120,
      adopted: 0,
      raced: 0,
      failures: 0,
    },
  );
  const stored = await read('rotated');
  for (const column of ['email', 'iban', 'notes']) assert.deepEqual(numbersOf(stored, column), new Set([2]));
  assert.deepEqual(await customers.decryptMany(stored), rows);
  assert.deepEqual(await customers.index('email', 'USER7@example.org'), [stored[7]!['email_index']]);
  assert.deepEqual(await customers.value('iban', 'DE7'), [stored[7]!['iban']]);
  const { tables, failures } = await verifyFields(customers, { database: world.database });
  assert.deepEqual(failures, []);
  assert.deepEqual(tables, [{ table: 'rotated', rows: 120, values: 360, failures: 0, stale: 0, shredded: 0 }]);
});

test('a new key is searched at once, and written with only when every cache knows it', async () => {
  const { customers } = await tableOf('announced', 3);
  const other = world.make({ table: 'announced', row: 'id', subject: 'owner', columns: COLUMNS });
  assert.equal((await other.index('email', 'a@b.c')).length, 1);
  const report = await rotate(customers, { wait: false });
  assert.equal(report.state, 'waiting');
  assert.equal(report.activeFrom, new Date(world.service.clock.now() + 310_000).toISOString());
  assert.equal((await customers.index('email', 'a@b.c')).length, 2);
  assert.equal((await other.index('email', 'a@b.c')).length, 1, 'its cache does not know the key yet');
  const row = { id: 'new', owner: 1, iban: 'DE-new' };
  assert.deepEqual(numbersOf([await customers.encrypt(row)], 'iban'), new Set([1]));
  world.service.clock.advance(300_000);
  assert.equal((await other.index('email', 'a@b.c')).length, 2);
  assert.deepEqual(numbersOf([await other.encrypt(row)], 'iban'), new Set([1]));
  world.service.clock.advance(10_000);
  assert.deepEqual(numbersOf([await other.encrypt(row)], 'iban'), new Set([2]));
  assert.equal((await rotate(customers)).state, 'done');
  assert.equal((await customers.index('email', 'a@b.c')).length, 1);
});

test('a rotation that was stopped goes on where it was, and makes no more keys', async () => {
  const { customers, rows } = await tableOf('stopped', 300);
  const stop = new AbortController();
  await assert.rejects(
    rotate(customers, {
      signal: stop.signal,
      onProgress: ({ phase, done }) => {
        if (phase === 'rows' && done >= 150) stop.abort();
      },
    }),
    { code: 'CANCELED' },
  );
  assert.equal(numbersOf(await read('stopped'), 'iban').size, 2);
  const firstPages: number[] = [];
  const report = await rotate(customers, { onProgress: ({ done }) => void firstPages.push(done) });
  assert.equal(firstPages[0], 50);
  assert.equal(report.state, 'done');
  assert.equal(report.keysMade, 8);
  assert.equal(report.tables[0]!.rows, 600, 'each row twice: to rewrite it, and to see that nothing is left');
  assert.deepEqual(numbersOf(await read('stopped'), 'iban'), new Set([2]));
  assert.deepEqual(await customers.decryptMany(await read('stopped')), rows);
});

test('no update of a writer is lost while the rows are encrypted again', async () => {
  const { customers, rows } = await tableOf('written', 200);
  const writer = world.make({ table: 'written', row: 'id', subject: 'owner', columns: COLUMNS });
  const expected = new Map(rows.map((row) => [row.id, { ...row }]));
  const written = new Set<string>();
  const write = async (id: string): Promise<void> => {
    const row = expected.get(id)!;
    Object.assign(row, { email: `${id}@written.example`, notes: { written: id } });
    const sealed = await writer.encrypt({ id, owner: row.owner, email: row.email, notes: row.notes });
    await world.database.run('UPDATE written SET email = ?, email_index = ?, notes = ? WHERE id = ?', [
      sealed.email,
      sealed['email_index'] as string,
      sealed.notes,
      id,
    ]);
  };
  // At the worst moment, after a page was read and before it is written: each row once, so that nothing heals a loss.
  const meddling: SqlDatabase = {
    dialect: 'sqlite',
    run: async (sql, parameters) => {
      const result = await world.database.run(sql, parameters);
      const ids = result.rows.map((row) => row['id'] as string).filter((id, at) => at % 3 === 0 && !written.has(id));
      for (const id of ids) written.add(id);
      await Promise.all(ids.map(write));
      return result;
    },
  };
  const report = await rotate(customers, { database: meddling, batchRows: 20 });
  assert.equal(report.state, 'done');
  assert.deepEqual(await customers.decryptMany(await read('written')), [...expected.values()]);
  const { tables, failures } = await verifyFields(customers, { database: world.database });
  assert.deepEqual(failures, []);
  assert.equal(tables[0]!.stale, 0);
  assert.equal(report.tables[0]!.raced, written.size);
  assert.ok(written.size > 60);
});

test('a dry run counts, and changes nothing', async () => {
  const { customers } = await tableOf('dry', 10);
  await rotate(customers, { wait: false });
  world.service.clock.advance(400_000);
  const stored = await read('dry');
  const report = await rotate(customers, { dryRun: true });
  assert.equal(report.state, 'dry-run');
  assert.equal(report.tables[0]!.values, 30);
  assert.deepEqual(await read('dry'), stored);
  assert.equal((await rotate(customers)).tables[0]!.values, 30);
});

test('rows from before encryption are taken in where that is asked for, and named where it is not', async () => {
  const { customers, rows } = await tableOf('adopted', 5);
  const plain = { id: 'plain', owner: 3, email: 'Plain@Example.org', notes: { a: [1] } };
  world.sqlite
    .prepare('INSERT INTO adopted (id, owner, email, notes) VALUES (?, ?, ?, ?)')
    .run('plain', 3, plain.email, JSON.stringify(plain.notes));
  const refused = await rotate(customers, { newKeys: false });
  assert.deepEqual(
    refused.failures.map(({ row, column }) => `${row} ${column}`),
    ['plain email', 'plain notes'],
  );
  assert.equal(refused.tables[0]!.failures, 2);
  assert.match(refused.failures[0]!.why, /`claviger fields rotate --adopt`/);
  assert.ok(!JSON.stringify(refused).includes('Plain@'));
  const report = await rotate(customers, { newKeys: false, adopt: true });
  assert.equal(report.tables[0]!.adopted, 2);
  const found = await customers.index('email', 'plain@example.org');
  const { rows: hits } = await world.database.run('SELECT * FROM adopted WHERE email_index = ?', [found[0]!]);
  assert.deepEqual(await customers.decryptMany(hits), [{ ...plain, owner: 3n, iban: null }]);
  assert.equal((await customers.decryptMany(await read('adopted'))).length, rows.length + 1);
});

test('an index with another version is made again, and both are searched until then', async () => {
  const { customers } = await tableOf('reindexed', 4);
  const [before] = await customers.index('email', 'user1@example.org');
  const newer = world.make({
    table: 'reindexed',
    row: 'id',
    subject: 'owner',
    columns: {
      ...COLUMNS,
      email: {
        type: 'string',
        index: { normalize: 'email', bits: 48, version: 2, older: [{ version: 1, normalize: 'email', bits: 32 }] },
      },
    },
  });
  const terms = await newer.index('email', 'user1@example.org');
  assert.equal(terms.length, 2);
  assert.ok(terms.includes(before!));
  const report = await rotateFields(newer, { database: world.database, newKeys: false });
  assert.equal(report.tables[0]!.terms, 4);
  assert.equal(report.tables[0]!.values, 0);
  assert.equal((await read('reindexed'))[1]!['email_index'], terms[0]);
});

test('a value that a constraint refuses keeps the rotation open, and the old key searched', async () => {
  const { customers } = await tableOf('unique_values', 3);
  await rotate(customers, { wait: false });
  world.service.clock.advance(400_000);
  // The same IBAN under the new key: to the database it is another text.
  await insert('unique_values', [await customers.encrypt({ id: 'twin', owner: 1, iban: 'DE1' })]);
  const report = await rotate(customers);
  assert.equal(report.state, 'incomplete');
  assert.match(report.failures[0]!.why, /constraint/);
  assert.equal((await customers.value('iban', 'DE1')).length, 2);
  world.sqlite.exec("DELETE FROM unique_values WHERE id = 'twin'");
  assert.equal((await rotate(customers)).state, 'done');
  assert.equal((await customers.value('iban', 'DE1')).length, 1);
});

test('two rotations at once make one new key each, and end alike', async () => {
  const { customers, rows } = await tableOf('twice', 60);
  const other = world.make({ table: 'twice', row: 'id', subject: 'owner', columns: COLUMNS });
  const reports = await Promise.all([rotate(customers), rotate(other)]);
  assert.deepEqual(
    reports.map(({ state }) => state),
    ['done', 'done'],
  );
  assert.deepEqual(numbersOf(await read('twice'), 'iban'), new Set([2]));
  assert.deepEqual(await customers.decryptMany(await read('twice')), rows);
});

test('tables of two key sets are not rotated together', async () => {
  const { customers } = await tableOf('one_set', 1);
  const other = fields(world.api, {
    key: world.key,
    keys: world.keys,
    table: 'other_set',
    row: 'id',
    columns: COLUMNS,
  });
  await assert.rejects(rotate([customers, other]), { code: 'INVALID_ARGUMENT' });
});
