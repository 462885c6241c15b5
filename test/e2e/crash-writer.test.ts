/** The writer fails for good: nothing is answered any more, and the process ends so that it is started anew. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { ROUTE_NAMES, ROUTES } from '../../src/wire/index.ts';
import { startChildServer } from '../support/child-server.ts';
import { removeFolder, startTestServer, testFolder } from '../support/server.ts';
import { checkLog } from '../support/stored-log.ts';

test('with a dead writer every route answers AUDIT_UNAVAILABLE, whoever asks and whatever', async () => {
  const started = once(process, 'worker') as Promise<[Worker]>;
  const server = await startTestServer();
  const [thread] = await started;
  const { id } = await server.client.createKey({ spec: 'P-256' });
  assert.equal((await server.fetch('GET', '/readyz')).status, 200);
  await thread.terminate();
  for (const name of ROUTE_NAMES) {
    const { method, path } = ROUTES[name];
    const filled = path.replace('{key}', id).replace('{name}', 'x').replace('{id}', 'x');
    const hasBody = method !== 'GET' && method !== 'DELETE';
    const { status, body } = await server.fetch(method, filled, hasBody ? {} : undefined);
    assert.deepEqual([status, body.code], [503, 'AUDIT_UNAVAILABLE'], `${method} ${path}`);
  }
  const signed = await server.fetch('POST', `/v1/keys/${id}:sign`, { message: 'aGVsbG8=' });
  assert.deepEqual([signed.status, signed.body.signature], [503, undefined]);
  const stranger = await server.fetch('GET', '/v1/keys', undefined, { token: null });
  assert.equal(stranger.status, 503, 'a refusal needs its record as well');
  const ready = await server.fetch('GET', '/readyz');
  assert.deepEqual([ready.status, ready.body], [503, 'unavailable']);
  assert.equal((await server.fetch('GET', '/livez')).status, 200);
  await server.stop();
});

test('a store that somebody else locks ends the process with code 1, nothing half done, and the next start is whole', async () => {
  const folder = testFolder();
  try {
    const server = await startChildServer(folder);
    const call = async (method: string, path: string, body?: object) => {
      const response = await fetch(`${server.endpoint}${path}`, {
        method,
        headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, text: await response.text() };
    };
    const made = JSON.parse((await call('POST', '/v1/keys', { spec: 'AES-256-GCM' })).text) as { id: string };
    const db = new DatabaseSync(join(folder, 'claviger.db'));
    db.exec('BEGIN IMMEDIATE');
    const exited = once(server.child, 'exit');
    const waiting = Array.from({ length: 8 }, () => call('POST', '/v1/keys', { spec: 'AES-256-GCM', alias: 'never' }));
    for (const { status, text } of await Promise.all(waiting)) {
      assert.equal(status, 503);
      assert.match(text, /AUDIT_UNAVAILABLE/);
    }
    assert.equal((await call('GET', '/readyz')).status, 503);
    assert.match((await call('GET', `/v1/keys/${made.id}`)).text, /AUDIT_UNAVAILABLE/);
    assert.deepEqual(await exited, [1, null]);
    assert.match(server.stderr(), /the audit log failed; nothing is answered any more/);
    db.exec('ROLLBACK');
    db.close();

    checkLog(folder);
    const again = await startChildServer(folder);
    const response = await fetch(`${again.endpoint}/v1/keys`, { headers: { authorization: `Bearer ${again.token}` } });
    const { keys } = (await response.json()) as { keys: { id: string }[] };
    assert.deepEqual(
      keys.map(({ id }) => id),
      [made.id],
    );
    assert.equal(await again.terminate(), 0);
  } finally {
    removeFolder(folder);
  }
});
