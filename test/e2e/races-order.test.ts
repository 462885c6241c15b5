/** Concurrent changes: each happens once, in one order, and that order is the order of the log. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TRANSITIONS, type KeyState, type TransitionName } from '../../src/model/state.ts';
import { startTestServer, type TestAnswer, type TestServer } from '../support/server.ts';
import { checkLog, readLog } from '../support/stored-log.ts';

const PLAINTEXT = Buffer.from('hello').toString('base64');

let server: TestServer;
before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 1000000 }' });
});
after(() => server.stop());

describe('one key', () => {
  test('under random changes and uses by many has a history that the table of states explains, refusals included', async () => {
    const keys = await Promise.all(
      Array.from({ length: 24 }, async (_, n) => {
        const state = n % 4 === 0 ? 'PreActive' : 'Active';
        return server.client.createKey({ spec: 'AES-256-GCM', state });
      }),
    );
    // Ends of a life are rare, so that there is a life before them.
    const verbs = [
      ...repeat(['enable', 'disable', 'encrypt'], 8),
      ...repeat(['activate', 'scheduleDeletion', 'cancelDeletion'], 2),
      'deactivate',
      'compromise',
    ];
    await Promise.all(
      Array.from({ length: 32 }, async (_, caller) => {
        for (let n = 0; n < 40; n++) {
          const { id } = keys[(caller * 7 + n * 5) % keys.length]!;
          const verb = verbs[Math.floor(Math.random() * verbs.length)]!;
          const { status } = await post(`${id}:${verb}`, verb === 'encrypt' ? { plaintext: PLAINTEXT } : {});
          assert.ok(status === 200 || status === 409, `${verb}: ${status}`);
        }
      }),
    );
    const log = readLog(server.folder);
    let looked = 0;
    for (const { id, state } of keys) {
      const now = { state, going: false };
      for (const { record, index } of log.filter(({ record }) => record['key'] === id)) {
        const expected = replayed(now, record['operation'] as string);
        assert.equal(record['outcome'], expected, `record ${index}: ${record['operation']} of a ${now.state} key`);
        looked += 1;
      }
      const info = await server.client.describeKey({ key: id });
      assert.deepEqual([info.state, info.deletionAt !== null], [now.state, now.going]);
    }
    assert.ok(looked >= 32 * 40);
  });

  test('rotated by many at once has one version for each, one of them active', async () => {
    for (const spec of ['AES-256-GCM', 'P-256'] as const) {
      const { id } = await server.client.createKey({ spec });
      const answers = await Promise.all(Array.from({ length: 20 }, () => post(`${id}:rotate`)));
      const given = answers.map(({ body }) => body.primaryVersion as number).toSorted((a, b) => a - b);
      assert.deepEqual(
        given,
        Array.from({ length: 20 }, (_, n) => n + 2),
        'each caller was given a version of its own',
      );
      const { versions, primaryVersion } = await server.client.describeKey({ key: id });
      assert.deepEqual(
        versions.map(({ version }) => version),
        Array.from({ length: 21 }, (_, n) => n + 1),
      );
      assert.deepEqual(
        versions.filter(({ state }) => state === 'Active').map(({ version }) => version),
        [21],
      );
      assert.equal(primaryVersion, 21);
    }
  });

  test('tagged by many at once has all the tags: no change is lost', async () => {
    const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
    await Promise.all(Array.from({ length: 40 }, (_, n) => post(`${id}:tag`, { tags: { [`t${n}`]: String(n) } })));
    const { tags } = await server.client.describeKey({ key: id });
    assert.deepEqual(tags, Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`t${n}`, String(n)])));
  });

  test('scheduled for deletion by many at once is so once; the others are told', async () => {
    const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
    const answers = await Promise.all(Array.from({ length: 12 }, () => post(`${id}:scheduleDeletion`)));
    assert.deepEqual(tally(answers), { OK: 1, KEY_STATE: 11 });
  });
});

describe('one name', () => {
  test('given to keys by many at once is one key’s, and the others leave no key behind', async () => {
    const before = (await server.client.listKeys({ limit: 1000 })).keys.length;
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => server.fetch('POST', '/v1/keys', { spec: 'AES-256-GCM', alias: 'contested' })),
    );
    assert.deepEqual(tally(answers), { OK: 1, KEY_EXISTS: 29 });
    const winner = answers.find(({ status }) => status === 201)!.body.id as string;
    assert.equal((await server.client.describeKey({ key: 'alias:contested' })).id, winner);
    assert.equal((await server.client.listKeys({ limit: 1000 })).keys.length, before + 1);
  });

  test('as an alias of different keys, asked for by many at once, is one’s', async () => {
    const keys = await Promise.all([1, 2, 3].map(() => server.client.createKey({ spec: 'P-256' })));
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        server.fetch('POST', '/v1/aliases', { name: 'wanted', key: keys[n % 3]!.id }),
      ),
    );
    assert.deepEqual(tally(answers), { OK: 1, KEY_EXISTS: 29 });
    const winner = answers.find(({ status }) => status === 201)!.body.keyId as string;
    assert.equal((await server.client.describeKey({ key: 'alias:wanted' })).id, winner);
  });

  test('deleted by many at once is deleted once', async () => {
    await server.client.createKey({ spec: 'AES-256-GCM', alias: 'unloved' });
    const answers = await Promise.all(Array.from({ length: 12 }, () => server.fetch('DELETE', '/v1/aliases/unloved')));
    assert.deepEqual(tally(answers), { OK: 1, NOT_FOUND: 11 });
  });

  test('of a tenant, asked for by many at once, is one tenant’s', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => server.fetch('POST', '/v1/tenants', { name: 'acme' })),
    );
    const { OK, ...others } = tally(answers);
    assert.equal(OK, 1);
    assert.deepEqual(
      Object.keys(others).filter((code) => code !== 'KEY_EXISTS' && code !== 'CONFLICT'),
      [],
    );
    const { tenants } = await server.client.listTenants({ limit: 1000 });
    assert.equal(tenants.filter(({ name }) => name === 'acme').length, 1);
  });
});

test('a token that is revoked by many at once is revoked at one time', async () => {
  const { id } = await server.client.createToken({ name: 'short', roles: ['approver'] });
  const answers = await Promise.all(Array.from({ length: 12 }, () => server.fetch('DELETE', `/v1/tokens/${id}`)));
  assert.deepEqual(tally(answers), { OK: 12 });
  assert.equal(new Set(answers.map(({ body }) => body.revokedAt as string)).size, 1);
});

test('the log of all this is whole', () => {
  assert.ok(checkLog(server.folder) > 1000);
});

/** What the table says of an operation, and the state after it. */
function replayed(now: { state: KeyState; going: boolean }, operation: string): string {
  if (operation === 'CreateKey') return 'OK';
  if (operation === 'Encrypt') {
    if (now.going) return 'KEY_STATE';
    return now.state === 'Active' ? 'OK' : now.state === 'Suspended' ? 'KEY_DISABLED' : 'KEY_STATE';
  }
  if (operation === 'ScheduleKeyDeletion') {
    if (now.going) return 'KEY_STATE';
    now.going = true;
    return 'OK';
  }
  if (operation === 'CancelKeyDeletion') {
    if (!now.going) return 'KEY_STATE';
    now.going = false;
    if (now.state === 'Active') now.state = 'Suspended';
    return 'OK';
  }
  const transition = operation.replace(/Key$/, '').toLowerCase() as TransitionName;
  if (now.going && (transition === 'enable' || transition === 'disable')) return 'KEY_STATE';
  const next = TRANSITIONS[transition][now.state];
  if (next === undefined) return 'KEY_STATE';
  now.state = next;
  return 'OK';
}

function tally(answers: readonly TestAnswer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const code = status < 300 ? 'OK' : (body.code as string);
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
}

function repeat<T>(items: readonly T[], times: number): T[] {
  return Array.from({ length: times }, () => items).flat();
}

function post(path: string, body: unknown = {}): Promise<TestAnswer> {
  return server.fetch('POST', `/v1/keys/${path}`, body);
}
