import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startTestServer, type TestServer } from '../support/server.ts';
import { runCli } from '../support/cli.ts';

const ADDRESS_OF_A_PERSON = 'jane.doe@example.com';
const FUTURE = '2999-01-01T00:00:00Z';

let server: TestServer;
before(async () => {
  server = await startTestServer({ config: 'audit: { retentionDays: 0 }' });
});
after(() => server.stop());

describe('a redaction', () => {
  test('forgets what old records commit to, leaves their leaves, and has a record that says which', async () => {
    const key = (await server.client.createKey({ spec: 'AES-256-GCM' })).id;
    const context = { who: ADDRESS_OF_A_PERSON };
    const encrypted = await server.fetch('POST', `/v1/keys/${key}:encrypt`, { plaintext: 'aGVsbG8=', context });
    const requestId = encrypted.headers.get('x-request-id')!;
    const before = await server.client.getAuditReceipt({ requestId });
    assert.ok(before.openings['context']![1].includes(ADDRESS_OF_A_PERSON));

    const at = new Date(Date.now() + 1).toISOString();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const { from, to, done } = await server.client.redactAuditRecords({ before: at });
    assert.deepEqual([from, done], [0, true]);
    assert.ok(to > before.index);

    const after = await server.client.getAuditReceipt({ requestId });
    assert.deepEqual(after.openings, {});
    assert.equal(after.entry, before.entry);
    assert.equal(after.leafHash, createHash('sha256').update(Buffer.of(0)).update(before.entry).digest('base64'));

    const { records } = await server.client.listAuditRecords({ operation: 'RedactAuditRecords', outcome: 'OK' });
    const own = await server.client.getAuditReceipt({ requestId: records[0]!.requestId });
    assert.deepEqual((JSON.parse(own.entry) as { redaction: unknown }).redaction, { from, to });
    assert.notDeepEqual(own.openings, {}, 'the record of the redaction itself is younger');
  });

  test('leaves nothing of it in the files of the store', () => {
    for (const name of readdirSync(server.folder).filter((file) => file.startsWith('claviger.db'))) {
      const content = readFileSync(join(server.folder, name));
      assert.ok(!content.includes(ADDRESS_OF_A_PERSON), name);
    }
  });

  test('shows in lists: a redacted record has no principal, and says so', async () => {
    const { records } = await server.client.listAuditRecords({ operation: 'Encrypt' });
    const [redacted] = records;
    assert.equal(redacted!.redacted, true);
    assert.equal(redacted!.principal, undefined);
    assert.equal(redacted!.context, undefined);
  });

  test('at the same time as another does not redact what that one does', async () => {
    await server.client.generateRandom({ bytes: 1 });
    const before = new Date(Date.now() + 1).toISOString();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const made = await Promise.all(Array.from({ length: 4 }, () => server.client.redactAuditRecords({ before })));
    const ranges = made.filter(({ from, to }) => to > from).toSorted((a, b) => a.from - b.from);
    assert.ok(ranges.length > 0);
    for (const [n, { from }] of ranges.entries())
      if (n > 0) assert.ok(from >= ranges[n - 1]!.to, JSON.stringify(ranges));
  });

  test('of what is redacted already changes nothing, and has no range in its record', async () => {
    const first = await server.client.redactAuditRecords({ before: '2020-01-01T00:00:00Z' });
    assert.deepEqual([first.to - first.from, first.done], [0, true]);
  });

  test('is refused for what is no time, and for what is not old enough yet', async () => {
    for (const before of ['yesterday', FUTURE]) {
      await assert.rejects(server.client.redactAuditRecords({ before }), { code: 'INVALID_ARGUMENT' });
    }
  });

  test('is refused within the retention, in words that name its setting', async () => {
    const usual = await startTestServer();
    try {
      await assert.rejects(usual.client.redactAuditRecords({ before: new Date().toISOString() }), {
        code: 'INVALID_ARGUMENT',
        message: /kept for 365 days \(`audit.retentionDays`\)/,
      });
      const old = await usual.client.redactAuditRecords({
        before: new Date(Date.now() - 366 * 86_400_000).toISOString(),
      });
      assert.deepEqual(old, { from: 0, to: 0, done: true });
    } finally {
      await usual.stop();
    }
  });

  test('is made from the command line, which goes on until nothing is left', async () => {
    const { code, stdout } = await runCli(['audit', 'redact', '--before', new Date().toISOString()], {
      env: { CLAVIGER_ENDPOINT: server.endpoint, CLAVIGER_TOKEN: server.token },
    });
    assert.equal(code, 0);
    assert.match(stdout, /\d+ records have forgotten what they commit to/);
  });
});
