import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Claviger } from '../../src/server/claviger.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

async function scrape(token?: string): Promise<string> {
  const { status, headers, body } = await server.fetch(
    'GET',
    '/metrics',
    undefined,
    token === undefined ? {} : { token },
  );
  assert.equal(status, 200, String(body));
  assert.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return body as string;
}

/** The sum of the samples of a metric whose labels are these. */
function value(text: string, name: string, labels: Record<string, string> = {}): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => Object.entries(labels).every(([label, wanted]) => line.includes(`${label}="${wanted}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

const tokenOf = async (roles: readonly string[], more: object = {}): Promise<string> => {
  const made = await server.client.createToken({ name: roles.join('+'), roles: roles as never, ...more });
  return made.token!;
};

suite('GET /metrics', () => {
  for (const role of ['auditor', 'security-officer']) {
    test(`is for a token with the role ${role}`, async () => {
      assert.match(await scrape(await tokenOf([role])), /^# TYPE claviger_requests_total counter$/m);
    });
  }

  for (const role of ['key-administrator', 'crypto-user', 'approver']) {
    test(`is refused to a token with the role ${role}, with a record`, async () => {
      const token = await tokenOf([role]);
      const { status, headers, body } = await server.fetch('GET', '/metrics', undefined, { token });
      assert.equal(status, 403);
      assert.equal(body.code, 'PERMISSION_DENIED');
      assert.ok(headers.get('x-claviger-audit'));
      const { records } = await server.client.listAuditRecords({ requestId: body.requestId });
      assert.deepEqual(
        records.map(({ operation, outcome }) => [operation, outcome]),
        [['GetMetrics', 'PERMISSION_DENIED']],
      );
    });
  }

  test('is refused without a token, and with a wrong one, in the same words as everything else', async () => {
    for (const token of [null, 'clv_wrong']) {
      const { status, body } = await server.fetch('GET', '/metrics', undefined, { token });
      assert.equal(status, 401);
      assert.equal(body.code, 'UNAUTHENTICATED');
      assert.ok(!JSON.stringify(body).includes('claviger_'), 'nothing of the metrics is shown');
    }
  });

  test('takes no query and no other method', async () => {
    assert.equal((await server.fetch('GET', '/metrics?match[]=x')).body.code, 'INVALID_ARGUMENT');
    assert.equal((await server.fetch('POST', '/metrics', {})).status, 404);
  });

  test('has a record in the log, as everything has', async () => {
    const { headers } = await server.fetch('GET', '/metrics');
    const { records } = await server.client.listAuditRecords({ requestId: headers.get('x-request-id')! });
    assert.deepEqual(
      records.map(({ operation, outcome }) => [operation, outcome]),
      [['GetMetrics', 'OK']],
    );
  });
});

suite('what was done', () => {
  test('is counted by operation, tenant, provider and code, over REST and the AWS endpoint alike', async () => {
    const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
    const before = await scrape();
    for (let n = 0; n < 3; n++) await server.client.encrypt({ key: id, plaintext: new Uint8Array(1) });
    await assert.rejects(server.client.encrypt({ key: id, plaintext: new Uint8Array(5000) }));
    await assert.rejects(server.client.encrypt({ key: 'alias:nope', plaintext: new Uint8Array(1) }));
    await fetch(server.endpoint, { method: 'POST', headers: { 'x-amz-target': 'TrentService.Encrypt' }, body: '{}' });
    const now = await scrape();
    const grown = (labels: Record<string, string>): number =>
      value(now, 'claviger_requests_total', { operation: 'Encrypt', ...labels }) -
      value(before, 'claviger_requests_total', { operation: 'Encrypt', ...labels });
    assert.equal(grown({ code: 'OK', tenant: 'default', provider: 'software' }), 3);
    assert.equal(grown({ code: 'INVALID_ARGUMENT', tenant: 'default' }), 1);
    assert.equal(grown({ code: 'KEY_NOT_FOUND', tenant: 'default', provider: '_none' }), 1);
    assert.equal(grown({ code: 'UNAUTHENTICATED', tenant: '_none', provider: '_none' }), 1);
    assert.equal(grown({}), 6);
    assert.equal(
      value(now, 'claviger_request_duration_seconds_count', { operation: 'Encrypt' }),
      value(now, 'claviger_requests_total', { operation: 'Encrypt' }),
      'each request has a duration',
    );
  });

  test('is counted by the code of the record where the answer is a finding', async () => {
    const { id } = await server.client.createKey({ spec: 'P-256' });
    const { valid } = await server.client.verify({ key: id, message: Buffer.from('m'), signature: Buffer.from('s') });
    assert.equal(valid, false);
    const labels = { operation: 'Verify', code: 'INVALID_SIGNATURE' };
    assert.equal(value(await scrape(), 'claviger_requests_total', labels), 1);
  });

  test('in a batch is counted by its items, too', async () => {
    const { id } = await server.client.createKey({ spec: 'P-256' });
    const items = [{ message: Buffer.from('a') }, { message: Buffer.from('b') }, { message: Buffer.alloc(5000) }];
    await server.client.signBatch({ key: id, items });
    const text = await scrape();
    assert.equal(value(text, 'claviger_batch_items_total', { result: 'ok' }), 2);
    assert.equal(value(text, 'claviger_batch_items_total', { result: 'failed' }), 1);
    assert.equal(value(text, 'claviger_requests_total', { operation: 'SignBatch' }), 1);
  });

  test('leaves nothing in flight but the scrape itself', async () => {
    assert.equal(value(await scrape(), 'claviger_requests_in_flight'), 1);
  });

  test('is in the log: its size, groups and commits are the log’s own', async () => {
    const text = await scrape();
    const { records } = await server.client.listAuditRecords({ limit: 1 });
    const size = value(text, 'claviger_audit_records_total');
    // The scrape's own record came after it was read, and the list's after that.
    assert.ok(records[0]!.index - size >= 0 && records[0]!.index - size <= 1, `${records[0]!.index} after ${size}`);
    assert.equal(value(text, 'claviger_audit_available'), 1);
    assert.ok(value(text, 'claviger_audit_group_jobs_sum') >= size);
    assert.ok(value(text, 'claviger_audit_commit_duration_seconds_sum') > 0);
    assert.ok(value(text, 'claviger_audit_checkpoint_lag_seconds') < 5);
    assert.ok(value(text, 'claviger_audit_checkpoint_records') <= size);
  });
});

suite('tenants', () => {
  test('see their own requests; the system scope sees everybody’s', async () => {
    const other = await server.client.createTenant({ name: 'other-shop', roles: ['security-officer'] });
    const officer = other.token;
    const seen = await scrape(officer);
    const tenants = new Set([...seen.matchAll(/tenant="([^"]*)"/g)].map(([, name]) => name));
    assert.deepEqual([...tenants], [], 'it has asked for nothing yet');
    const again = await scrape(officer);
    assert.deepEqual([...new Set([...again.matchAll(/tenant="([^"]*)"/g)].map(([, name]) => name))], ['other-shop']);
    const all = await scrape();
    for (const name of ['default', 'other-shop']) assert.ok(all.includes(`tenant="${name}"`), name);
  });

  test('an auditor without the system scope does not see strangers', async () => {
    await server.fetch('GET', '/v1/keys', undefined, { token: null });
    assert.ok(!(await scrape(await tokenOf(['auditor']))).includes('tenant="_none"'));
    assert.ok((await scrape(await tokenOf(['auditor'], { systemScope: true }))).includes('tenant="_none"'));
  });
});

test('the library has the same metrics, for whoever embeds it', async (t) => {
  const folder = testFolder();
  t.after(() => removeFolder(folder));
  await using claviger = await Claviger.open({
    folder,
    principal: { name: 'app', roles: ['key-administrator', 'crypto-user'] },
  });
  await claviger.createKey({ spec: 'AES-256-GCM' });
  await assert.rejects(claviger.getMetrics(), { code: 'PERMISSION_DENIED' });
  const text = await claviger.as({ name: 'prometheus', roles: ['auditor'] }).getMetrics();
  assert.equal(value(text, 'claviger_requests_total', { operation: 'CreateKey', tenant: 'default', code: 'OK' }), 1);
});
