/** `claviger audit export` of a log with more of everything than one request gives. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { runCli } from '../support/cli.ts';
import { makeFirstReleaseStore } from '../support/first-release.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';
import { query } from '../support/store-files.ts';

const RECORDS = 2600;

const folder = testFolder();
let server: TestServer;
before(async () => {
  await makeFirstReleaseStore(folder, RECORDS);
  server = await startTestServer({ folder });
  // A checkpoint comes four times a second: these stand for ten minutes of it.
  const db = new DatabaseSync(join(folder, 'claviger.db'), { timeout: 5000 });
  const add = db.prepare('INSERT INTO checkpoints (size, note) VALUES (?, ?)');
  db.exec('BEGIN IMMEDIATE');
  for (let size = 1; size < RECORDS; size++) add.run(size, `note ${size}`);
  db.exec('COMMIT');
  db.close();
});
after(async () => {
  await server.stop();
  removeFolder(folder);
});

test('an export has every checkpoint up to its own, once and in order, and leaves nothing half written', async () => {
  const target = join(folder, 'export');
  const env = { CLAVIGER_ENDPOINT: server.endpoint, CLAVIGER_TOKEN: server.token };
  for (const time of ['first', 'second']) {
    const { code, stdout, stderr } = await runCli(['audit', 'export', target, '--json'], { env });
    assert.equal(code, 0, `${time}: ${stderr}`);
    const { size } = JSON.parse(stdout) as { size: number };
    assert.ok(size >= RECORDS);
    const lines = readFileSync(join(target, 'checkpoints'), 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as unknown),
      query(folder, 'SELECT size, note FROM checkpoints WHERE size <= ? ORDER BY size', size).map((row) => ({
        ...row,
      })),
    );
    const names = readdirSync(target, { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      names.filter((name) => name.endsWith('.new')),
      [],
    );
  }
});
