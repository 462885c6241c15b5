import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

test('what encrypt gave, decrypt opens, with the same context only', async () => {
  const key = await server.client.createKey({ spec: 'AES-256-GCM', alias: 'orders' });
  const plaintext = new TextEncoder().encode('hello');
  const { ciphertext } = await server.client.encrypt({ key: 'alias:orders', plaintext, context: { shop: '1' } });
  const opened = await server.client.decrypt({ key: key.id, ciphertext, context: { shop: '1' } });
  assert.deepEqual(opened.plaintext, plaintext);
  await assert.rejects(server.client.decrypt({ key: key.id, ciphertext, context: { shop: '2' } }), {
    code: 'INVALID_CIPHERTEXT',
  });
});

test('every answer names its request and its place in the log, where the record stands', async () => {
  const answer = await server.fetch('POST', '/v1/random', { bytes: 16 });
  assert.equal(answer.status, 200);
  const requestId = answer.headers.get('x-request-id');
  const { records } = await server.client.listAuditRecords({ requestId: requestId! });
  assert.equal(records.length, 1);
  assert.equal(records[0]!.operation, 'GenerateRandom');
  assert.equal(records[0]!.outcome, 'OK');
  assert.match(answer.headers.get('x-claviger-audit')!, new RegExp(`^[0-9a-f-]{36}/${records[0]!.index}$`));
});
