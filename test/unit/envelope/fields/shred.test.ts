import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  readmitSubject,
  rotateFields,
  shredSubject,
  verifyFields,
  type FieldsOptions,
  type ShredOptions,
  type SqlDatabase,
} from '../../../../src/envelope/fields/index.ts';
import { DAY_MS } from '../../../support/clock.ts';
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
type Extra = Partial<Pick<FieldsOptions<typeof COLUMNS>, 'shredded' | 'keySet' | 'tenant'>>;

const made = (table: string, extra: Extra = {}) =>
  world.make({ table, row: 'id', subject: 'owner', columns: COLUMNS, ...extra });

async function tableOf(table: string, extra: Extra = {}, ibanType = 'TEXT', iban = 'iban') {
  world.sqlite.exec(
    `CREATE TABLE ${table} (id INTEGER PRIMARY KEY, org TEXT, owner TEXT, email TEXT, email_index TEXT, ${iban} ${ibanType}, notes TEXT)`,
  );
  const fields = made(table, extra);
  for (let id = 1; id <= 6; id += 1) {
    const owner = id % 2 === 0 ? 'ada' : 'bob';
    await world.insert(
      table,
      await fields.encrypt({ id, org: 'acme', owner, email: `${owner}@x.org`, iban: `DE${id}`, notes: { id } }),
    );
  }
  return fields;
}

const read = async (table: string, owner: string) =>
  (await world.database.run(`SELECT * FROM ${table} WHERE owner = ? ORDER BY id`, [owner])).rows;

const shred = (fields: Parameters<typeof shredSubject>[0], options: Partial<ShredOptions> = {}) =>
  shredSubject(fields, { database: world.database, subject: 'ada', backupRetentionDays: 30, batchRows: 2, ...options });

test('a shredded subject is gone for every program, and the others stay', async () => {
  const customers = await tableOf('gone');
  const stored = await read('gone', 'ada');
  const start = world.service.clock.now();
  const receipt = await shred(customers);
  assert.deepEqual(receipt, {
    receipt: 'claviger/field-shredding/v1',
    keySet: 'gone',
    tenant: null,
    subject: 'ada',
    shreddedAt: new Date(start).toISOString(),
    keysDestroyed: 1,
    tables: [{ table: 'gone', rows: 3, nulledColumns: ['email_index', 'iban'], rowsNulled: 3 }],
    complete: {
      from: new Date(start + 300_000 + 30 * DAY_MS).toISOString(),
      cachesUntil: new Date(start + 300_000).toISOString(),
      backupsUntil: new Date(start + 300_000 + 30 * DAY_MS).toISOString(),
    },
    confirmed: false,
    provided: [
      'every program that has these tables keeps field keys for at most 300 s',
      'no backup, replica or log of the database is older than 30 days',
      'these are all tables of the key set: gone',
    ],
  });
  const rows = await read('gone', 'ada');
  for (const row of rows) assert.deepEqual([row['email_index'], row['iban']], [null, null]);
  for (const program of [customers, made('gone')]) {
    await assert.rejects(program.decryptMany(rows), {
      code: 'KEY_STATE',
      message: /subject `ada` .* was shredded at 2026/,
    });
    await assert.rejects(program.decryptMany(stored.map((row) => ({ ...row, iban: null }))), { code: 'KEY_STATE' });
    await assert.rejects(program.encrypt({ id: 2, owner: 'ada', notes: {} }), { code: 'KEY_STATE' });
  }
  const others = await customers.decryptMany(await read('gone', 'bob'));
  assert.deepEqual(
    others.map(({ iban }) => iban),
    ['DE1', 'DE3', 'DE5'],
  );
  const { rows: keys } = await world.database.run(
    "SELECT state, wrapped FROM claviger_field_keys WHERE key_set = 'gone' AND subject = 'ada'",
    [],
  );
  assert.deepEqual(
    keys.map((key) => ({ ...key })),
    [{ state: 'shredded', wrapped: null }],
  );
});

test('where it is asked for, what was shredded is null', async () => {
  const customers = await tableOf('nulls', { shredded: 'null' });
  await shred(customers);
  const [row] = await customers.decryptMany(await read('nulls', 'ada'));
  assert.deepEqual(row, { id: 2n, org: 'acme', owner: 'ada', email: null, iban: null, notes: null });
});

test('a program that had the key in memory reads until its time is over, and a second run confirms the receipt', async () => {
  const customers = await tableOf('cached');
  const other = made('cached');
  const stored = await read('cached', 'ada');
  await other.decryptMany(stored);
  await shred(customers);
  assert.equal((await other.decryptMany(stored)).length, 3);
  await world.insert('cached', await other.encrypt({ id: 8, owner: 'ada', email: 'late@x.org', iban: 'DE8' }));
  world.service.clock.advance(300_000);
  await assert.rejects(other.decryptMany(stored), { code: 'KEY_STATE' });
  const receipt = await shred(customers);
  assert.equal(receipt.confirmed, true);
  assert.equal(receipt.tables[0]!.rowsNulled, 4, 'what was written meanwhile is nulled too');
  assert.equal(receipt.shreddedAt, new Date(world.service.clock.now() - 300_000).toISOString());
  assert.equal(receipt.complete.from, new Date(world.service.clock.now() + 30 * DAY_MS).toISOString());
  assert.equal((await shred(customers, { backupRetentionDays: 0 })).complete.from, receipt.complete.cachesUntil);
});

test('a shredding that was interrupted goes on, and keeps its time', async () => {
  const customers = await tableOf('interrupted');
  const start = world.service.clock.now();
  for (const allowed of [0, 1]) {
    let updates = 0;
    const failing: SqlDatabase = {
      dialect: 'sqlite',
      run: (sql, parameters) => {
        if (sql.startsWith('UPDATE "interrupted"') && (updates += 1) > allowed) throw new Error('the power went');
        return world.database.run(sql, parameters);
      },
    };
    await assert.rejects(shred(customers, { database: failing }), /the power went/);
    await assert.rejects(customers.encrypt({ id: 2, owner: 'ada', notes: {} }), { code: 'KEY_STATE' });
    world.service.clock.advance(1000);
  }
  const receipt = await shred(customers);
  assert.equal(receipt.shreddedAt, new Date(start).toISOString());
  assert.equal(receipt.tables[0]!.rowsNulled, 3);
});

test('all tables of a key set lose the subject together', async () => {
  const customers = await tableOf('people', { keySet: 'all' });
  const orders = await tableOf('orders', { keySet: 'all' });
  const receipt = await shred([customers, orders]);
  assert.deepEqual(
    receipt.tables.map(({ table, rowsNulled }) => [table, rowsNulled]),
    [
      ['people', 3],
      ['orders', 3],
    ],
  );
  await assert.rejects(orders.decryptMany(await read('orders', 'ada')), { code: 'KEY_STATE' });
});

test('a subject of one tenant is not that of another', async () => {
  const customers = await tableOf('tenants', { tenant: { column: 'org' } });
  await world.insert(
    'tenants',
    await customers.encrypt({ id: 9, org: 'other', owner: 'ada', email: 'o@x.org', iban: 'DE9' }),
  );
  await assert.rejects(shred(customers), { code: 'INVALID_ARGUMENT', message: /needs `tenant`/ });
  await shred(customers, { tenant: 'acme' });
  const rows = await read('tenants', 'ada');
  assert.equal((await customers.decrypt(rows.at(-1)!))['iban'], 'DE9');
  await assert.rejects(customers.decrypt(rows[0]!), { code: 'KEY_STATE' });
});

for (const [what, table, iban] of [
  ['a column', 'strict', 'iban'],
  ['a column of an attached database', 'attached.strict', 'iban'],
  ['a column whose name is written otherwise', 'shouting', 'IBAN'],
] as const)
  test(`nothing is destroyed where ${what} may not be NULL`, async () => {
    if (table.startsWith('attached.')) world.sqlite.exec("ATTACH ':memory:' AS attached");
    const customers = await tableOf(table, {}, 'TEXT NOT NULL', iban);
    await assert.rejects(shred(customers), {
      code: 'INVALID_ARGUMENT',
      message: new RegExp(`\`${table.replace('.', '\\.')}\\.iban\` is NOT NULL.*nothing was destroyed`),
    });
    const rows = (await read(table, 'ada')).map(({ IBAN, ...row }) => ({ iban: IBAN, ...row }));
    assert.equal((await customers.decryptMany(rows as typeof rows & { id: bigint }[])).length, 3);
  });

test('a subject without any key gets a tombstone, so that none is made', async () => {
  const customers = await tableOf('nobody');
  const receipt = await shred(customers, { subject: 'eve' });
  assert.equal(receipt.keysDestroyed, 1);
  await assert.rejects(customers.encrypt({ id: 10, owner: 'eve', notes: 1 }), { code: 'KEY_STATE' });
});

test('a rotation leaves a shredded subject as it is, also one that began before', async () => {
  const customers = await tableOf('rotating');
  const options = { database: world.database, sleep: (ms: number) => Promise.resolve(world.service.clock.advance(ms)) };
  await rotateFields(customers, { ...options, wait: false });
  await shred(customers);
  const report = await rotateFields(customers, options);
  assert.equal(report.state, 'done');
  assert.deepEqual(report.failures, []);
  await assert.rejects(customers.decryptMany(await read('rotating', 'ada')), { code: 'KEY_STATE' });
  const { tables } = await verifyFields(customers, options);
  assert.deepEqual(tables[0], { table: 'rotating', rows: 6, values: 15, failures: 0, stale: 0, shredded: 6 });
});

test('a subject comes back only when it is readmitted, without what it had', async () => {
  const customers = await tableOf('came_back');
  await assert.rejects(readmitSubject(customers, { subject: 'ada' }), { code: 'CONFLICT' });
  await shred(customers);
  const old = await read('came_back', 'ada');
  await readmitSubject(customers, { subject: 'ada' });
  const fresh = await customers.encrypt({ id: 12, owner: 'ada', notes: { back: true } });
  assert.deepEqual((await made('came_back').decrypt(fresh)).notes, { back: true });
  await assert.rejects(customers.decryptMany(old), { code: 'INVALID_CIPHERTEXT', message: /no such field key/ });
  await shred(customers);
  await assert.rejects(made('came_back').decrypt(fresh), { code: 'KEY_STATE' });
});

test('a subject that the database finds and its keys do not go by is refused, before anything was destroyed', async () => {
  world.sqlite.exec(
    `CREATE TABLE numbered (id INTEGER PRIMARY KEY, owner INTEGER, notes TEXT);
     CREATE TABLE folded (id INTEGER PRIMARY KEY, owner TEXT COLLATE NOCASE, notes TEXT)`,
  );
  for (const [table, owners, given] of [
    ['numbered', [7], '07'],
    ['folded', ['Ada', 'ada'], 'ada'],
  ] as const) {
    const fields = world.make({ table, row: 'id', subject: 'owner', columns: { notes: 'json' } });
    for (const [id, owner] of owners.entries())
      await world.insert(table, await fields.encrypt({ id, owner, notes: 'kept' }));
    await assert.rejects(shred(fields, { subject: given }), {
      code: 'INVALID_ARGUMENT',
      message: `\`${table}.owner\` has \`${owners[0]}\` where \`${given}\` was given: nothing was destroyed; give it as it stands there`,
    });
    assert.equal((await fields.decrypt((await read(table, String(owners[0])))[0]!))['notes'], 'kept');
  }
});

test('subjects whose ids are bytes are shredded, by their digits too', async () => {
  world.sqlite.exec('CREATE TABLE bytes (id INTEGER PRIMARY KEY, owner BLOB, iban TEXT, notes TEXT)');
  const columns = { iban: { type: 'string', deterministic: true }, notes: 'json' } as const;
  const fields = world.make({ table: 'bytes', row: 'id', subject: 'owner', columns });
  const [first, second] = [Buffer.from('aabb', 'hex'), Buffer.from('ccdd', 'hex')];
  await world.insert('bytes', await fields.encrypt({ id: 1, owner: first, iban: 'DE1', notes: 1 }));
  await world.insert('bytes', await fields.encrypt({ id: 2, owner: second, iban: 'DE2', notes: 2 }));
  for (const subject of [first, second.toString('hex')]) {
    const { tables, keysDestroyed } = await shred(fields, { subject });
    assert.deepEqual([tables[0]!.rows, tables[0]!.rowsNulled, keysDestroyed], [1, 1, 1]);
  }
  const { rows } = await world.database.run('SELECT * FROM bytes', []);
  assert.deepEqual(
    rows.map(({ iban }) => iban),
    [null, null],
  );
  for (const row of rows) await assert.rejects(fields.decrypt(row), { code: 'KEY_STATE' });
});

test('a table without subjects cannot shred one', async () => {
  const table = world.make({ table: 'plain', row: 'id', columns: COLUMNS });
  await assert.rejects(shred(table), { code: 'INVALID_ARGUMENT', message: /has no subject/ });
});

test('`verify` names what does not open and what is not found, by row and column', async () => {
  const customers = await tableOf('verified');
  const swap = (column: string) =>
    `UPDATE verified SET ${column} = (SELECT ${column} FROM verified WHERE id = 3) WHERE id = 1`;
  world.sqlite.exec(swap('notes'));
  world.sqlite.exec("UPDATE verified SET email_index = 'AQEAAAAA' WHERE id = 2");
  world.sqlite.exec('UPDATE verified SET email_index = NULL WHERE id = 4');
  world.sqlite.exec('UPDATE verified SET email = NULL WHERE id = 5');
  world.sqlite.exec("UPDATE verified SET iban = 'DE-in-the-clear' WHERE id = 6");
  const { tables, failures } = await verifyFields(customers, { database: world.database, batchRows: 4 });
  assert.deepEqual(tables, [{ table: 'verified', rows: 6, values: 16, failures: 5, stale: 0, shredded: 0 }]);
  assert.deepEqual(
    failures.map(({ row, column, why }) => `${row} ${column}: ${why.replace(/^.*: it/, 'it')}`).toSorted(),
    [
      '1 notes: it was changed, or belongs to another row, column, table, tenant or subject',
      '2 email_index: the index term is not that of the value',
      '4 email_index: the index term is of no key and version that are searched for',
      '5 email_index: there is an index term and no value',
      '6 iban: it holds no encrypted value but, it seems, plaintext; rows that were there before encryption are taken in by `claviger fields rotate --adopt`',
    ],
  );
  assert.ok(!JSON.stringify(failures).includes('in-the-clear'));
});
