/** `kill -9` during the first start: whatever it had come to, the next start goes on from there. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ClavigerClient } from '../../src/client/index.ts';
import { startChildServer } from '../support/child-server.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { checkLog } from '../support/stored-log.ts';

const ROOT = join(import.meta.dirname, '../..');
const TRIES = 14;

test('a first start that is killed at any moment leaves nothing that the next cannot start from', async (t) => {
  const reached = new Set<string>();
  for (let n = 0; n < TRIES; n++) {
    const folder = testFolder();
    try {
      await killedStart(folder, n);
      reached.add(readdirSync(folder).toSorted().join(' '));
      const server = await startChildServer(folder);
      const client = new ClavigerClient(server);
      const { id } = await client.createKey({ spec: 'AES-256-GCM' });
      const { ciphertext } = await client.encrypt({ key: id, plaintext: Buffer.from('hello') });
      assert.deepEqual(Buffer.from((await client.decrypt({ key: id, ciphertext })).plaintext), Buffer.from('hello'));
      assert.equal((await client.listTenants()).tenants.length, 1);
      assert.equal(await server.terminate(), 0);
      checkLog(folder);
    } finally {
      removeFolder(folder);
    }
  }
  t.diagnostic([...reached].join(' | '));
  assert.ok(reached.size > 1, 'the kills came at different moments');
});

/** Starts a server and kills it once the folder holds its `n`th file, or soon after. */
async function killedStart(folder: string, n: number): Promise<void> {
  const config = join(folder, 'claviger.yaml');
  writeFileSync(config, `listen: { port: 0 }\nstore: { folder: ${JSON.stringify(folder)} }\n`);
  const child = spawn(process.execPath, [join(ROOT, 'bin/claviger.js'), 'dev', '--json', '--config', config], {
    env: { PATH: process.env['PATH'] },
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  const wanted = 2 + (n % 7);
  while (readdirSync(folder).length < wanted && child.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 15));
  child.kill('SIGKILL');
  await exited;
}
