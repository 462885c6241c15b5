import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestServer, type TestAnswer, type TestServer } from '../support/server.ts';

/** More than what gets a record each within a second. */
const MANY = 40;

let server: TestServer;
let key: string;
before(async () => {
  server = await startTestServer();
  key = (await server.client.createKey({ spec: 'P-256' })).id;
});
after(() => server.stop());

describe('of many strangers', () => {
  const KINDS: readonly (readonly [kind: string, token: () => string | null])[] = [
    ['no token', () => null],
    ['what is no token', () => 'nonsense'],
    ['a token with another secret', () => `${server.token.slice(0, -4)}AAAA`],
  ];
  for (const [kind, token] of KINDS) {
    test(`each is refused in the same words, recorded or only counted: ${kind}`, async () => {
      const answers = await Promise.all(Array.from({ length: MANY }, () => sign(token())));
      const words = new Set(
        answers.map(({ status, body }) => JSON.stringify([status, body.code, body.detail, body.title])),
      );
      assert.equal(words.size, 1);
      for (const { status, headers, body } of answers) {
        assert.equal(status, 401);
        assert.equal(body.requestId, headers.get('x-request-id'));
        assert.equal(headers.get('www-authenticate'), 'Bearer realm="claviger"');
      }
    });
  }

  test('none is missing in the log: what has no record of its own is counted', async () => {
    await overWindow();
    const first = await newest();
    await Promise.all(Array.from({ length: MANY }, () => sign('nonsense')));
    await overWindow();
    const { records } = await server.client.listAuditRecords({ outcome: 'UNAUTHENTICATED', limit: 1000 });
    const since = records.filter(({ index }) => index > first);
    const told = since.reduce((sum, { aggregate }) => sum + (aggregate?.count ?? 1), 0);
    assert.equal(told, MANY);
    assert.ok(since.length < MANY, 'and not each has one');
  });

  test('good callers from the same address are answered as ever, and their mistakes told', async () => {
    await Promise.all(Array.from({ length: MANY }, () => sign(null)));
    const answers = await Promise.all([sign(server.token), sign(server.token, { message: 5 }), sign(null)]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 400, 401],
    );
  });

  test('the metrics count all of them', async () => {
    const before = await refusedInMetrics();
    await Promise.all(Array.from({ length: MANY }, () => sign('nonsense')));
    assert.equal((await refusedInMetrics()) - before, MANY);
  });
});

function sign(token: string | null, body: object = { message: 'aGVsbG8=' }): Promise<TestAnswer> {
  return server.fetch('POST', `/v1/keys/${key}:sign`, body, { token });
}

async function newest(): Promise<number> {
  return (await server.client.listAuditRecords({ limit: 1 })).records[0]!.index;
}

/** Waits until what was only counted has its record. */
function overWindow(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1300));
}

async function refusedInMetrics(): Promise<number> {
  const lines = (await server.client.getMetrics()).split('\n');
  const counts = lines.filter((line) => line.startsWith('claviger_requests_total') && line.includes('UNAUTHENTICATED'));
  return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
