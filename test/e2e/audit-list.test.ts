/** The audit log over REST: filters, pages, what a record says, and how strangers are counted. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { AuditRecord } from '../../src/audit/opened.ts';
import type { ListAuditRecordsInput } from '../../src/operations/list-audit-records.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';
import { checkLog, readLog } from '../support/stored-log.ts';
import { query } from '../support/store-files.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 1000000 }' });
});
after(() => server.stop());

describe('the list', () => {
  test('is newest first, and its pages together are the whole log, each record once', async () => {
    for (let n = 0; n < 30; n++) await server.client.generateRandom({ bytes: 1 });
    const until = readLog(server.folder).length;
    for (const limit of [1, 7, 1000]) {
      const found = (await all({ limit })).filter(({ index }) => index < until);
      assert.deepEqual(
        found.map(({ index }) => index),
        Array.from({ length: until }, (_, n) => until - 1 - n),
      );
    }
  });

  test('ends with no cursor, and a page is never longer than was asked', async () => {
    const { records, nextCursor } = await server.client.listAuditRecords({ limit: 3 });
    assert.equal(records.length, 3);
    assert.notEqual(nextCursor, null);
    const total = readLog(server.folder).length;
    const whole = await server.client.listAuditRecords({ limit: 1000 });
    assert.ok(whole.records.length >= total);
    assert.equal(whole.nextCursor, null);
  });

  test('read from a cursor does not shift when records are added meanwhile', async () => {
    const first = await server.client.listAuditRecords({ limit: 5 });
    for (let n = 0; n < 5; n++) await server.client.generateRandom({ bytes: 1 });
    const second = await server.client.listAuditRecords({ limit: 5, cursor: first.nextCursor! });
    assert.equal(second.records[0]!.index, first.records.at(-1)!.index - 1);
  });

  test('holds the record of each call, and of the reading itself', async () => {
    const { headers } = await server.fetch('GET', '/v1/audit/records?limit=1');
    const [record] = await all({ requestId: headers.get('x-request-id')! });
    assert.deepEqual([record!.operation, record!.outcome], ['ListAuditRecords', 'OK']);
  });
});

describe('a filter', () => {
  let key: string;
  let principal: string;
  let since: string;
  before(async () => {
    const made = await server.client.createToken({ name: 'filtered', roles: ['crypto-user'] });
    principal = made.id;
    ({ id: key } = await server.client.createKey({ spec: 'P-256', alias: 'filtered' }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    since = new Date().toISOString();
    await server.fetch('POST', `/v1/keys/${key}:sign`, { message: 'YQ==' }, { token: made.token! });
    await server.fetch('POST', `/v1/keys/${key}:encrypt`, { plaintext: 'YQ==' }, { token: made.token! });
    await server.fetch('POST', `/v1/keys/${key}:disable`, {}, { token: made.token! });
  });

  test('by outcome gives those only', async () => {
    const found = await all({ outcome: 'KEY_USAGE' });
    assert.ok(found.length >= 1 && found.every(({ outcome }) => outcome === 'KEY_USAGE'));
    const good = await all({ outcome: 'OK' });
    assert.ok(good.length > found.length && good.every(({ outcome }) => outcome === 'OK'));
    assert.deepEqual(await all({ outcome: 'NO_SUCH_CODE' }), []);
  });

  test('by principal gives what one token did, refusals too', async () => {
    const found = await all({ principal });
    assert.deepEqual(
      found.map(({ operation, outcome }) => [operation, outcome]),
      [
        ['DisableKey', 'PERMISSION_DENIED'],
        ['Encrypt', 'KEY_USAGE'],
        ['Sign', 'OK'],
      ],
    );
  });

  test('by key takes its id, ARN or alias', async () => {
    const { arn } = await server.client.describeKey({ key });
    const wanted = (await all({ key })).filter(({ operation }) => operation !== 'ListAuditRecords');
    assert.ok(wanted.length >= 4);
    for (const name of [arn, 'alias:filtered', 'alias/filtered']) {
      const found = (await all({ key: name })).filter(({ operation }) => operation !== 'DescribeKey');
      assert.deepEqual(
        found,
        wanted.filter(({ operation }) => operation !== 'DescribeKey'),
      );
    }
    assert.ok(wanted.every((record) => record.key === key));
  });

  test('by operation, by request id, and by time', async () => {
    assert.ok((await all({ operation: 'Sign' })).every(({ operation }) => operation === 'Sign'));
    const [signed] = await all({ operation: 'Sign', principal });
    assert.deepEqual(await all({ requestId: signed!.requestId }), [signed]);
    const later = await all({ since });
    assert.ok(later.length >= 3 && later.every(({ time }) => time >= since));
    const everything = await all({});
    assert.deepEqual(
      everything
        .filter(({ time, operation }) => time >= since && operation !== 'ListAuditRecords')
        .map(({ index }) => index),
      later.filter(({ operation }) => operation !== 'ListAuditRecords').map(({ index }) => index),
    );
    assert.deepEqual(await all({ since: '2999-01-01T00:00:00Z' }), []);
    assert.ok((await all({ since: '1970-01-01T00:00:00+14:00' })).length > 0);
  });

  test('with another asks for both', async () => {
    const found = await all({ principal, outcome: 'OK', key, operation: 'Sign', since });
    assert.deepEqual(
      found.map(({ operation }) => operation),
      ['Sign'],
    );
    assert.deepEqual(await all({ principal, operation: 'GenerateRandom' }), []);
  });

  test('that fits little goes through a long log over pages', async () => {
    const found: AuditRecord[] = [];
    let cursor: string | undefined;
    do {
      const page = await server.client.listAuditRecords({ principal, limit: 1, cursor });
      found.push(...page.records);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    assert.deepEqual(
      found.map(({ operation }) => operation),
      ['DisableKey', 'Encrypt', 'Sign'],
    );
  });
});

describe('a record', () => {
  test('says who, from where, what, with which version and algorithm, under which context', async () => {
    const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
    await server.client.rotateKey({ key: id });
    await server.client.encrypt({ key: id, plaintext: Buffer.from('a'), context: { shop: '1', Ünicode: '✓' } });
    const [record] = await all({ key: id, operation: 'Encrypt' });
    assert.deepEqual(
      [record!.key, record!.keyVersion, record!.provider, record!.algorithm, record!.context, record!.phase],
      [id, 2, 'software', 'SYMMETRIC_DEFAULT', { shop: '1', Ünicode: '✓' }, 'single'],
    );
    assert.match(record!.source!, /^(::ffff:)?127\.0\.0\.1$/);
    assert.match(record!.principal!, /^[0-9a-f-]{36}$/);
    assert.ok(record!.latencyUs! > 0);
  });

  test('has the digest of what was signed, message or digest, and none of what was encrypted or MACed', async () => {
    const message = randomBytes(100);
    const { id: signing } = await server.client.createKey({ spec: 'P-256' });
    const { id: mac } = await server.client.createKey({ spec: 'HMAC-SHA-256' });
    const digest = createHash('sha256').update(message).digest();
    await server.client.sign({ key: signing, message });
    await server.client.sign({ key: signing, digest });
    for (const record of await all({ key: signing, operation: 'Sign' })) {
      assert.equal(record.digest, digest.toString('base64'));
    }
    await server.client.generateMac({ key: mac, message });
    const [made] = await all({ key: mac, operation: 'GenerateMac' });
    assert.equal(made!.digest, undefined);
  });

  test('of a finding has its code, though the answer was 200', async () => {
    const { id } = await server.client.createKey({ spec: 'P-256' });
    const { valid } = await server.client.verify({ key: id, message: Buffer.from('a'), signature: Buffer.from('b') });
    assert.equal(valid, false);
    assert.equal((await all({ key: id, operation: 'Verify' }))[0]!.outcome, 'INVALID_SIGNATURE');
  });

  test('has a leaf hash that is the one in the store', async () => {
    const [record] = (await server.client.listAuditRecords({ limit: 1 })).records;
    const entry = query(server.folder, 'SELECT entry FROM records WHERE idx = ?', record!.index)[0]![
      'entry'
    ] as Uint8Array;
    assert.equal(record!.leafHash, createHash('sha256').update(Buffer.of(0)).update(entry).digest('base64'));
  });
});

describe('strangers', () => {
  test('are recorded one by one up to ten a second, the rest as one record with their count', async () => {
    // Begins with a window of its own.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const before = readLog(server.folder).length;
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => server.fetch('GET', '/v1/keys', undefined, { token: null })),
    );
    assert.ok(answers.every(({ status, body }) => status === 401 && body.code === 'UNAUTHENTICATED'));
    const recorded = answers.filter(({ headers }) => headers.get('x-claviger-audit') !== null).length;
    const unauthenticated = () =>
      readLog(server.folder)
        .slice(before)
        .filter(({ record }) => record['outcome'] === 'UNAUTHENTICATED');
    const counted = () =>
      unauthenticated().reduce((sum, { record }) => sum + ((record['aggregate']?.count as number | undefined) ?? 0), 0);
    while (recorded + counted() < 200) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(recorded + counted(), 200, 'each is in the log, alone or counted');
    const aggregates = unauthenticated().filter(({ record }) => record['aggregate'] !== undefined);
    assert.ok(aggregates.length >= 1 && recorded <= 10 * (aggregates.length + 1));
    const { record, values } = aggregates[0]!;
    assert.match(values['source']!, /127\.0\.0\.1$/);
    assert.ok(record['aggregate'].from <= record['aggregate'].to);
    assert.equal(record['operation'], undefined);
    assert.equal(record['latencyUs'], undefined);
  });

  test('who flood do not keep a caller from an answer and a record', async () => {
    const flood = Array.from({ length: 100 }, () => server.fetch('GET', '/v1/keys', undefined, { token: 'wrong' }));
    const answer = await server.fetch('POST', '/v1/random', { bytes: 1 });
    assert.equal(answer.status, 200);
    assert.ok(answer.headers.get('x-claviger-audit'));
    await Promise.all(flood);
  });

  test('are all in the log when the server stops', async () => {
    const folder = testFolder();
    const own = await startTestServer({ folder });
    await Promise.all(Array.from({ length: 50 }, () => own.fetch('GET', '/v1/keys', undefined, { token: null })));
    await own.stop();
    const counts = readLog(folder)
      .filter(({ record }) => record['outcome'] === 'UNAUTHENTICATED')
      .map(({ record }) => (record['aggregate']?.count as number | undefined) ?? 1);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      50,
    );
    removeFolder(folder);
  });
});

describe('batches', () => {
  test('have one record, whose items are committed to under one root', async () => {
    const { id } = await server.client.createKey({ spec: 'P-256' });
    const digest = randomBytes(32);
    await server.client.signBatch({
      key: id,
      items: [{ digest }, { digest: Buffer.from('short') }, { message: Buffer.from('m') }],
    });
    const records = await all({ key: id, operation: 'SignBatch' });
    assert.equal(records.length, 1);
    assert.deepEqual([records[0]!.items!.count, records[0]!.items!.failed, records[0]!.outcome], [3, 1, 'OK']);
    const items = query(server.folder, 'SELECT items FROM records WHERE idx = ?', records[0]!.index)[0]![
      'items'
    ] as string;
    const opened = (JSON.parse(items) as [string, string][]).map(([, text]) => JSON.parse(text) as object);
    assert.deepEqual(opened, [
      { position: 0, keyVersion: 1, algorithm: 'ECDSA_SHA_256', digest: digest.toString('base64'), outcome: 'OK' },
      { position: 1, algorithm: 'ECDSA_SHA_256', outcome: 'INVALID_ARGUMENT' },
      {
        position: 2,
        keyVersion: 1,
        algorithm: 'ECDSA_SHA_256',
        digest: createHash('sha256').update('m').digest('base64'),
        outcome: 'OK',
      },
    ]);
  });
});

test('the whole log opens, by the specification alone', () => {
  assert.ok(checkLog(server.folder) > 100);
});

async function all(filter: ListAuditRecordsInput): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await server.client.listAuditRecords({ limit: 1000, ...filter, cursor });
    records.push(...page.records);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return records;
}
