/**
 * `claviger fields` on a file of SQLite and on PostgreSQL.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, suite, test, type TestContext } from 'node:test';
import { Pool } from 'pg';
import {
  createFieldKeyTables,
  fields,
  postgresDatabase,
  sqliteDatabase,
  sqlKeyStore,
  type SqlDatabase,
} from '../../src/envelope/fields/index.ts';
import { startCli, startCliWorld, type CliWorld } from '../support/cli.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

let world: CliWorld;
let key: string;
let postgres: Promise<Postgres | null> | null = null;
before(async () => {
  world = await startCliWorld();
  ({ id: key } = await world.server.client.createKey({ spec: 'AES-256-GCM' }));
});
after(async () => {
  await (await postgres)?.stop();
  await world.stop();
});

const COLUMNS = {
  email: { type: 'string', index: { normalize: 'email', bits: 32 } },
  iban: { type: 'string', deterministic: true },
} as const;

interface Shop extends AsyncDisposable {
  readonly database: SqlDatabase;
  readonly config: string;
  readonly env: Readonly<Record<string, string>>;
}

let shops = 0;

/** A database with forty customers, and a configuration that names it. */
async function openShop(t: TestContext, dialect: 'sqlite' | 'postgres'): Promise<Shop | null> {
  shops += 1;
  const config = join(world.folder, `fields-${shops}.json`);
  const write = (database: unknown): void =>
    writeFileSync(
      config,
      JSON.stringify({
        database,
        key,
        cacheTtlSeconds: 1,
        backupRetentionDays: 7,
        tables: [{ table: 'customers', row: 'id', subject: 'owner', columns: COLUMNS }],
      }),
    );
  if (dialect === 'sqlite') {
    const file = `shop-${shops}.db`;
    const sqlite = new DatabaseSync(join(world.folder, file), { timeout: 5000 });
    write(`sqlite:${file}`);
    const database = sqliteDatabase(sqlite);
    await fill(database);
    return { database, config, env: {}, [Symbol.asyncDispose]: () => Promise.resolve(sqlite.close()) };
  }
  postgres ??= startPostgres(t);
  const server = await postgres;
  if (server === null) return null;
  const connection = await server.database();
  const { host, user, database: name } = connection;
  const pool = new Pool(connection);
  write({ env: 'SHOP_DATABASE' });
  const database = postgresDatabase(pool);
  await fill(database);
  const url = `postgres://${user}@/${name}?host=${encodeURIComponent(host)}`;
  return { database, config, env: { SHOP_DATABASE: url }, [Symbol.asyncDispose]: () => pool.end() };
}

async function fill(database: SqlDatabase): Promise<void> {
  await createFieldKeyTables(database);
  await database.run(
    'CREATE TABLE customers (id BIGINT PRIMARY KEY, owner INTEGER, email TEXT, email_index TEXT, iban TEXT)',
    [],
  );
  using customers = customersOf(database);
  const rows = Array.from({ length: 40 }, (_, id) => ({ id, owner: id % 4, email: `u${id}@x.org`, iban: `DE${id}` }));
  for (const { id, owner, email, email_index, iban } of await customers.encryptMany(rows)) {
    await database.run('INSERT INTO customers VALUES (?, ?, ?, ?, ?)', [id, owner, email, email_index as string, iban]);
  }
}

const customersOf = (database: SqlDatabase) =>
  fields(world.server.client, {
    key,
    keys: sqlKeyStore(database),
    table: 'customers',
    row: 'id',
    subject: 'owner',
    columns: COLUMNS,
  });

for (const dialect of ['sqlite', 'postgres'] as const) {
  suite(`\`claviger fields\` on ${dialect}`, () => {
    test('rotates: every value under the new keys, and a second run says so', async (t) => {
      await using shop = await openShop(t, dialect);
      if (shop === null) return;
      const { config, env, database } = shop;
      const waiting = await world.json(['fields', 'rotate', '-c', config, '--no-wait'], { env });
      assert.equal(waiting.rotated[0].state, 'waiting');
      assert.equal(waiting.rotated[0].keysMade, 5);
      const { rotated } = await world.json(['fields', 'rotate', '-c', config, '--batch', '7'], { env });
      assert.equal(rotated[0].state, 'done');
      assert.deepEqual(rotated[0].tables, [
        { table: 'customers', rows: 80, values: 80, terms: 40, adopted: 0, raced: 0, failures: 0 },
      ]);
      const verified = await world.ok(['fields', 'verify', '-c', config], { env });
      assert.equal(verified, 'customers: 40 rows, 80 values, all are right');
      using customers = customersOf(database);
      const [term] = await customers.index('email', 'U7@X.org');
      const { rows } = await database.run('SELECT * FROM customers WHERE email_index = ?', [term!]);
      assert.equal((await customers.decrypt(rows[0]!))['iban'], 'DE7');
    });

    test('takes in rows from before, where it is asked to', async (t) => {
      await using shop = await openShop(t, dialect);
      if (shop === null) return;
      const { config, env, database } = shop;
      await database.run("INSERT INTO customers (id, owner, email) VALUES (99, 1, 'plain@x.org')", []);
      const refused = await world.run(['fields', 'rotate', '-c', config, '--keep-keys'], { env });
      assert.equal(refused.code, 3);
      assert.match(refused.stdout, /customers 99 email: .*--adopt/);
      assert.ok(!`${refused.stdout}${refused.stderr}`.includes('plain@x.org'));
      const dry = await world.ok(['fields', 'rotate', '-c', config, '--keep-keys', '--adopt', '--dry-run'], { env });
      assert.match(dry, /nothing was changed[^]* 1 values and 1 index terms written, 1 of them plaintext before/);
      await world.ok(['fields', 'rotate', '-c', config, '--keep-keys', '--adopt'], { env });
      await world.ok(['fields', 'verify', '-c', config], { env });
    });

    test('verify names what does not open, and ends with 3', async (t) => {
      await using shop = await openShop(t, dialect);
      if (shop === null) return;
      const { config, env, database } = shop;
      await database.run('UPDATE customers SET email = (SELECT email FROM customers WHERE id = 8) WHERE id = 4', []);
      const run = await world.run(['fields', 'verify', '-c', config], { env });
      assert.equal(run.code, 3);
      assert.match(run.stdout, /1 FAILED\n {2}customers 4 email: .* does not open/);
    });

    test('shreds a subject only when it is sure, and prints a receipt', async (t) => {
      await using shop = await openShop(t, dialect);
      if (shop === null) return;
      const { config, env, database } = shop;
      const shred = ['fields', 'shred', '-c', config, '--subject', '3'];
      await world.refused(2, /for ever: say --yes/, shred, { env });
      await world.ok([...shred, '--dry-run'], { env });
      using customers = customersOf(database);
      const { rows } = await database.run('SELECT * FROM customers WHERE owner = 3', []);
      assert.equal((await customers.decryptMany(rows)).length, 10);
      const receipt = await world.json([...shred, '--yes'], { env });
      assert.deepEqual(receipt.tables, [
        { table: 'customers', rows: 10, nulledColumns: ['email_index', 'iban'], rowsNulled: 10 },
      ]);
      assert.equal(Date.parse(receipt.complete.from) - Date.parse(receipt.shreddedAt), 1000 + 7 * 86_400_000);
      customers.clear();
      await assert.rejects(customers.decryptMany(rows), { code: 'KEY_STATE' });
      const verified = await world.ok(['fields', 'verify', '-c', config], { env });
      assert.equal(verified, 'customers: 40 rows, 70 values, all are right, 10 shredded');
    });
  });
}

test('Ctrl-C ends a rotation that waits, with 130; the next run goes on', async (t) => {
  await using shop = await openShop(t, 'sqlite');
  const { config, env } = shop!;
  const { endpoint, token } = world.server;
  const running = startCli(['fields', 'rotate', '-c', config], {
    cwd: world.folder,
    env: { ...env, CLAVIGER_ENDPOINT: endpoint, CLAVIGER_TOKEN: token },
  });
  const { database } = shop!;
  const made = async (): Promise<number> =>
    Number((await database.run('SELECT count(*) AS n FROM claviger_field_keys WHERE number = 2', [])).rows[0]!['n']);
  while ((await made()) < 5) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(await running.stop('SIGINT'), 130);
  assert.match(running.stderr(), /what is done stays done/);
  const { rotated } = await world.json(['fields', 'rotate', '-c', config, '--no-wait'], { env });
  assert.equal(rotated[0].keysMade, 5);
});

test('a configuration that is wrong is refused, with the places and without what was meant to be secret', async () => {
  const refused = (config: unknown, message: RegExp) => {
    const file = join(world.folder, 'wrong.json');
    writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
    return world.refused(2, message, ['fields', 'verify', '-c', file]);
  };
  const table = { table: 't', row: 'id', columns: { a: 'string' } };
  await refused('{', /neither JSON nor YAML/);
  await refused({ database: 'sqlite:x', key, tables: [] }, /tables: /);
  await refused({ database: 'sqlite:x', key, tables: [{ ...table, columns: { a: 'text' } }] }, /tables\.0\.columns\.a/);
  await refused({ database: 'sqlite:x', key, tables: [table], typo: 1 }, /typo/);
  const { stderr } = await refused({ database: 'postgres://u:hunter2@h/d', key, tables: [table] }, /has a password/);
  assert.ok(!stderr.includes('hunter2'));
  await refused({ database: 'mysql://h/d', key, tables: [table] }, /`sqlite:FILE` or `postgres/);
  await world.refused(2, /no table `x`/, ['fields', 'verify', '-c', withTable(table), '--table', 'x']);
  await world.refused(1, /no SQLite file/, ['fields', 'verify', '-c', withTable(table)]);
});

function withTable(table: object): string {
  const file = join(world.folder, 'right.json');
  writeFileSync(file, JSON.stringify({ database: 'sqlite:nothing.db', key, tables: [table] }));
  return file;
}
