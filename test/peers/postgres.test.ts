import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import { startPostgres } from '../support/postgres.ts';

test('a test has a PostgreSQL of its own, with fresh databases, and none of it is left', async (t) => {
  const postgres = await startPostgres(t);
  if (postgres === null) return;
  try {
    for (const _ of [1, 2]) {
      const client = new Client(await postgres.database());
      await client.connect();
      await client.query('create table t (id text primary key)');
      const { rows } = await client.query("select current_setting('listen_addresses') as tcp, current_user as who");
      assert.deepEqual(rows, [{ tcp: '', who: 'postgres' }]);
      await client.end();
    }
  } finally {
    await postgres.stop();
  }
});
