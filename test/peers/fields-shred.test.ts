/**
 * Shredding on PostgreSQL, whose types take several writings for the same id: the keys that a subject's values are under go
 * by one of them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fields, postgresDatabase, shredSubject, sqlKeyStore, type Fields } from '../../src/envelope/fields/index.ts';
import { openDatabases, type Databases, type TestDatabase } from './fields-support.ts';

const SUBJECTS: readonly {
  readonly type: string;
  readonly ada: string | number | Buffer;
  readonly bob: string | number | Buffer;
  /** As a shredding is asked for. */
  readonly subject: string;
  /** What PostgreSQL takes for the same. */
  readonly others: readonly string[];
}[] = [
  {
    type: 'UUID',
    ada: '0190a1b2-0000-7000-8000-00000000000a',
    bob: '0190a1b2-0000-7000-8000-00000000000b',
    subject: '0190a1b2-0000-7000-8000-00000000000a',
    others: ['0190A1B2-0000-7000-8000-00000000000A', '{0190a1b2-0000-7000-8000-00000000000a}'],
  },
  { type: 'INTEGER', ada: 7, bob: 70, subject: '7', others: ['07', '+7', ' 7'] },
  { type: 'BIGINT', ada: '9007199254740993', bob: '7', subject: '9007199254740993', others: ['09007199254740993'] },
  { type: 'NUMERIC', ada: '7.50', bob: '7', subject: '7.50', others: ['7.5', '07.50'] },
  { type: 'BYTEA', ada: Buffer.of(0xca, 0xfe), bob: Buffer.of(0xca), subject: 'cafe', others: ['CAFE'] },
  { type: 'TEXT', ada: 'Ada', bob: 'ada', subject: 'Ada', others: [] },
  { type: 'VARCHAR(8)', ada: 'ada', bob: 'ada ', subject: 'ada', others: [] },
];

let databases: Databases;
before(async () => {
  databases = await openDatabases();
});
after(() => databases.stop());

for (const { type, ada, bob, subject, others } of SUBJECTS) {
  test(`a subject in a column of ${type} is shredded by the writing that stands there, and by no other`, async (t) => {
    const database = await databases.open(t, 'postgres');
    if (database === null) return;
    t.after(() => database.close());
    await database.rows(`CREATE TABLE letters (id TEXT PRIMARY KEY, owner ${type}, body TEXT, code TEXT)`);
    const letters = lettersOf(database);
    const rows = [ada, bob, ada].map((owner, at) => ({ id: `l-${at}`, owner, body: `body ${at}`, code: `code ${at}` }));
    for (const { id, owner, body, code } of await letters.encryptMany(rows))
      await database.pool!.query('INSERT INTO letters VALUES ($1, $2, $3, $4)', [id, owner, body, code]);

    const shred = (given: string): ReturnType<typeof shredSubject> =>
      shredSubject(letters, { database: postgresDatabase(database.pool!), subject: given, backupRetentionDays: 0 });
    for (const other of others) {
      await assert.rejects(shred(other), { code: 'INVALID_ARGUMENT', message: /nothing was destroyed/ }, other);
      assert.deepEqual(await bodies(database, letters), ['body 0', 'body 1', 'body 2'], other);
    }
    const receipt = await shred(subject);
    assert.deepEqual(
      receipt.tables.map(({ rows: count, rowsNulled }) => [count, rowsNulled]),
      [[2, 2]],
    );
    assert.deepEqual(await bodies(database, letters), [null, 'body 1', null]);
    const { rows: left } = await database.pool!.query('SELECT id FROM letters WHERE code IS NOT NULL');
    assert.deepEqual(left, [{ id: 'l-1' }]);
  });
}

function lettersOf(database: TestDatabase) {
  const { api, key, service } = databases.world;
  return fields(api, {
    key,
    keys: sqlKeyStore(database.keys),
    clock: service.clock,
    table: 'letters',
    row: 'id',
    subject: 'owner',
    columns: { body: 'string', code: { type: 'string', deterministic: true } },
    shredded: 'null',
  });
}

/** As a program reads them: null where the key is destroyed. */
async function bodies(database: TestDatabase, letters: Fields<any>): Promise<readonly unknown[]> {
  const { rows } = await database.pool!.query('SELECT * FROM letters ORDER BY id');
  return (await letters.decryptMany(rows)).map(({ body }) => body);
}
