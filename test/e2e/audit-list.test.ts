import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { treeHead, leafHash } from '../../src/audit/record.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const secret = 'a plaintext that nobody logs';
let server: TestServer;
let key = '';

before(async () => {
  server = await startTestServer();
  key = (await server.client.createKey({ spec: 'P-256', alias: 'audited' })).id;
});
after(() => server.stop());

test('the newest record comes first, and pages follow each other without a gap', async () => {
  for (let n = 0; n < 12; n += 1) await server.client.sign({ key, message: Buffer.from(`${n}`) });
  const indexes: number[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 4; page += 1) {
    const { records, nextCursor } = await server.client.listAuditRecords({ limit: 3, cursor, operation: 'Sign' });
    indexes.push(...records.map(({ index }) => index));
    cursor = nextCursor!;
  }
  assert.equal(indexes.length, 12);
  assert.deepEqual(
    indexes,
    [...indexes].toSorted((a, b) => b - a),
  );
  assert.equal(new Set(indexes).size, 12);
});

test('filters by outcome, principal, key and time hold together', async () => {
  const made = await server.client.createToken({ name: 'reader', roles: ['crypto-user'] });
  const since = new Date().toISOString();
  await server.fetch('POST', `/v1/keys/${key}:sign`, { message: 'aGk=' }, { token: made.token! });
  await server.fetch('POST', `/v1/keys/${key}:disable`, {}, { token: made.token! });
  const records = async (filter: object): Promise<readonly string[]> =>
    (await server.client.listAuditRecords({ principal: made.id, ...filter })).records.map(
      ({ operation, outcome }) => `${operation} ${outcome}`,
    );
  assert.deepEqual(await records({}), ['DisableKey PERMISSION_DENIED', 'Sign OK']);
  assert.deepEqual(await records({ outcome: 'OK' }), ['Sign OK']);
  assert.deepEqual(await records({ key: 'alias:audited', since }), ['DisableKey PERMISSION_DENIED', 'Sign OK']);
  assert.deepEqual(await records({ since: new Date(Date.now() + 60_000).toISOString() }), []);
  assert.deepEqual(await records({ key: '019a0000-0000-7000-8000-000000000000' }), []);
});

test('a record says who, what, with which policy and how it ended, and nothing of what was encrypted', async () => {
  const aes = await server.client.createKey({ spec: 'AES-256-GCM' });
  const plaintext = Buffer.from(secret);
  const { ciphertext } = await server.client.encrypt({ key: aes.id, plaintext, context: { shop: '1' } });
  await server.client.decrypt({ key: aes.id, ciphertext, context: { shop: '1' } });
  const { records } = await server.client.listAuditRecords({ key: aes.id, operation: 'Encrypt' });
  const [record] = records;
  assert.equal(records.length, 1);
  assert.deepEqual(record!.context, { shop: '1' });
  assert.deepEqual(record!.policies, ['crypto-user/use']);
  assert.equal(record!.algorithm, 'SYMMETRIC_DEFAULT');
  assert.equal(record!.source, '127.0.0.1');
  assert.equal(record!.digest, undefined);
  const all = JSON.stringify(await server.client.listAuditRecords({ limit: 1000 }));
  for (const text of [secret, plaintext.toString('base64'), hash('sha256', plaintext, 'base64')]) {
    assert.ok(!all.includes(text));
  }
});

test('a signature that does not verify is an answer of 200, and INVALID_SIGNATURE in the log', async () => {
  const answer = await server.fetch('POST', `/v1/keys/${key}:verify`, { message: 'aGk=', signature: 'AAAA' });
  assert.deepEqual([answer.status, answer.body.valid, answer.body.keyVersion], [200, false, null]);
  const { records } = await server.client.listAuditRecords({ outcome: 'INVALID_SIGNATURE', limit: 1 });
  assert.equal(records[0]!.requestId, answer.headers.get('x-request-id'));
});

test('a batch is one record, whose root is that of its salted items', async () => {
  const items = [{ message: Buffer.from('a') }, { digest: Buffer.from('short') }, { message: Buffer.from('b') }];
  await server.client.signBatch({ key, items });
  const { records } = await server.client.listAuditRecords({ operation: 'SignBatch', limit: 1 });
  const [record] = records;
  assert.deepEqual([record!.items!.count, record!.items!.failed], [3, 1]);

  const db = new DatabaseSync(join(server.folder, 'claviger.db'), { readOnly: true });
  const { items: stored } = db.prepare('SELECT items FROM records WHERE idx = ?').get(record!.index) as {
    items: string;
  };
  db.close();
  const opened = JSON.parse(stored) as [string, string][];
  const leaves = opened.map(([salt, text]) =>
    leafHash(Buffer.concat([Buffer.from(salt, 'base64'), Buffer.from(text)])),
  );
  assert.equal(treeHead(leaves).toString('base64'), record!.items!.root);
  assert.deepEqual(
    opened.map(([, text]) => (JSON.parse(text) as { outcome: string }).outcome),
    ['OK', 'INVALID_ARGUMENT', 'OK'],
  );
});

test('strangers who knock a thousand times leave a handful of records, with the count of the rest', async () => {
  const before = (await server.client.listAuditRecords({ limit: 1 })).records[0]!.index;
  const knocks = 1000;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let n = 0; n < knocks / 20; n += 1) {
        const { status } = await server.fetch('POST', `/v1/keys/${key}:sign`, { message: 'aGk=' }, { token: 'clv_no' });
        assert.equal(status, 401);
      }
    }),
  );
  // The window of a second closes, and what was only counted is recorded.
  await new Promise((done) => setTimeout(done, 1300));
  const { records } = await server.client.listAuditRecords({ outcome: 'UNAUTHENTICATED', limit: 1000 });
  const fresh = records.filter(({ index }) => index > before);
  assert.ok(fresh.length < knocks / 2, `${fresh.length} records`);
  const counted = fresh.reduce((sum, { aggregate }) => sum + (aggregate?.count ?? 1), 0);
  assert.equal(counted, knocks);
});
