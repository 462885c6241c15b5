/** A store of the first release, opened by this one. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Claviger } from '../../src/index.ts';
import { FIRST_LOG_ID, makeFirstReleaseStore } from '../support/first-release.ts';
import { removeFolder, startTestServer, testFolder } from '../support/server.ts';
import { servedText, verifyServed } from '../support/served-log.ts';
import { query } from '../support/store-files.ts';

/** Two full tiles and one that is not: hashes of two levels are missing. */
const RECORDS = 700;
const PRINCIPAL = { name: 'shop', roles: ['key-administrator', 'crypto-user'] } as const;

let folder: string;
beforeEach(async () => {
  folder = testFolder();
  await makeFirstReleaseStore(folder, RECORDS);
});
afterEach(() => removeFolder(folder));

test('its log goes on: old records and new ones are under one tree, which verifies', async () => {
  const server = await startTestServer({ folder });
  try {
    const first = await server.client.getAuditReceipt({ requestId: 'first-release-0' });
    assert.deepEqual([first.index, first.logId], [0, FIRST_LOG_ID]);
    const [newest] = (await server.client.listAuditRecords({ limit: 1 })).records;
    assert.ok(newest!.index >= RECORDS);
    // It waits for a checkpoint that covers it.
    await server.client.getAuditReceipt({ requestId: newest!.requestId });
    assert.ok((await verifyServed(server, [first.checkpoint])) > newest!.index);
  } finally {
    await server.stop();
  }
});

test('its log is signed in the name of the id that it has', async () => {
  const server = await startTestServer({ folder });
  try {
    assert.ok((await servedText(server, 'key'))!.startsWith(`claviger/${FIRST_LOG_ID}+`));
  } finally {
    await server.stop();
  }
});

test('with another root key it is refused, and nothing is sealed with that one: with its own it opens afterwards', async () => {
  const file = join(folder, 'root.key');
  const own = readFileSync(file);
  writeFileSync(file, JSON.stringify({ format: 'claviger-root-key-v1', key: Buffer.alloc(32, 7).toString('base64') }));
  await assert.rejects(Claviger.open({ folder, principal: PRINCIPAL }), { code: 'SEALED' });
  assert.deepEqual(
    query(folder, 'SELECT name FROM settings ORDER BY name').map(({ name }) => name as string),
    ['log-id', 'root-check'],
  );
  writeFileSync(file, own);
  await using claviger = await Claviger.open({ folder, principal: PRINCIPAL });
  await claviger.createKey({ spec: 'P-256' });
});
