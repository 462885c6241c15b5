/** `Idempotency-Key`: a repeat changes nothing and gives the first answer. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { readLog } from '../support/stored-log.ts';
import { removeFolder, startTestServer, testFolder, type TestAnswer, type TestServer } from '../support/server.ts';
import { assertNowhere, query } from '../support/store-files.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 1000000 }' });
});
after(() => server.stop());

test('a repeat gives the first answer to the letter, changes nothing, and has a record of its own', async () => {
  const key = randomUUID();
  const first = await send(key, 'POST', '/v1/keys', { spec: 'AES-256-GCM', alias: 'once' });
  const second = await send(key, 'POST', '/v1/keys', { spec: 'AES-256-GCM', alias: 'once' });
  assert.deepEqual([first.status, second.status], [201, 201]);
  assert.deepEqual(second.body, first.body);
  assert.notEqual(second.headers.get('x-request-id'), first.headers.get('x-request-id'));
  const records = readLog(server.folder).filter(({ record }) =>
    [first, second].some(({ headers }) => headers.get('x-request-id') === record['requestId']),
  );
  assert.deepEqual(
    records.map(({ record }) => [record['operation'], record['outcome']]),
    [
      ['CreateKey', 'OK'],
      ['CreateKey', 'OK'],
    ],
  );
});

test('the same for a change of a key, an alias and its deletion', async () => {
  const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
  for (const [method, path, body] of [
    ['POST', `/v1/keys/${id}:rotate`, {}],
    ['PATCH', `/v1/keys/${id}`, { description: 'new' }],
    ['POST', '/v1/aliases', { name: 'again', key: id }],
    ['DELETE', '/v1/aliases/again', undefined],
    ['POST', `/v1/keys/${id}:scheduleDeletion`, { pendingWindowDays: 7 }],
  ] as const) {
    const key = randomUUID();
    const first = await send(key, method, path, body);
    const second = await send(key, method, path, body);
    assert.ok(first.status < 300, `${method} ${path}`);
    assert.deepEqual([second.status, second.body], [first.status, first.body]);
  }
  assert.equal((await server.client.describeKey({ key: id })).primaryVersion, 2, 'rotated once');
});

test('many repeats at once make one key: each has the same answer, or is told that the first is under way', async () => {
  const key = randomUUID();
  const before = (await server.client.listKeys({ limit: 1000 })).keys.length;
  const answers = await Promise.all(
    Array.from({ length: 25 }, () => send(key, 'POST', '/v1/keys', { spec: 'RSA-2048' })),
  );
  const made = answers.filter(({ status }) => status === 201);
  assert.ok(made.length >= 1);
  assert.equal(new Set(made.map(({ body }) => body.id as string)).size, 1);
  for (const { status, body } of answers.filter(({ status }) => status !== 201)) {
    assert.deepEqual([status, body.code], [409, 'CONFLICT']);
    assert.match(body.detail, /still under way/);
  }
  assert.equal((await server.client.listKeys({ limit: 1000 })).keys.length, before + 1);
  const later = await send(key, 'POST', '/v1/keys', { spec: 'RSA-2048' });
  assert.deepEqual(later.body, made[0]!.body);
});

test('repeats with keys of their own, all at once, each make a key', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => send(randomUUID(), 'POST', '/v1/keys', { spec: 'AES-256-GCM' })),
  );
  assert.equal(new Set(answers.map(({ body }) => body.id as string)).size, 20);
});

test('another body, or another path, is another request: a body is refused, a path is a scope of its own', async () => {
  const key = randomUUID();
  await send(key, 'POST', '/v1/keys', { spec: 'AES-256-GCM' });
  const other = await send(key, 'POST', '/v1/keys', { spec: 'P-256' });
  assert.deepEqual([other.status, other.body.code], [409, 'CONFLICT']);
  assert.match(other.body.detail, /used for another request; use a new one/);
  const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
  assert.equal((await send(key, 'POST', `/v1/keys/${id}:disable`, {})).status, 200);
});

test('the scope is the principal’s: somebody else’s key of the same text is not met', async () => {
  const key = randomUUID();
  const { token } = await server.client.createToken({ name: 'other', roles: ['key-administrator'] });
  const mine = await send(key, 'POST', '/v1/keys', { spec: 'AES-256-GCM' });
  const theirs = await send(key, 'POST', '/v1/keys', { spec: 'AES-256-GCM' }, token);
  assert.equal(theirs.status, 201);
  assert.notEqual(theirs.body.id, mine.body.id);
});

test('a refused change is not kept: it may succeed later under the same key', async () => {
  const key = randomUUID();
  const { id } = await server.client.createKey({ spec: 'AES-256-GCM', state: 'PreActive' });
  assert.equal((await send(key, 'POST', `/v1/keys/${id}:rotate`, {})).status, 409);
  await server.client.activateKey({ key: id });
  assert.equal((await send(key, 'POST', `/v1/keys/${id}:rotate`, {})).body.primaryVersion, 2);
});

test('an answer with a secret is not kept: a repeat is told the id, and the secret stands nowhere', async () => {
  for (const [path, body] of [
    ['/v1/tokens', { name: 'secret', roles: ['auditor'] }],
    ['/v1/tokens', { name: 'secret', roles: ['auditor'], kind: 'aws' }],
    ['/v1/tenants', { name: 'idempotent' }],
  ] as const) {
    const key = randomUUID();
    const first = await send(key, 'POST', path, body);
    assert.equal(first.status, 201);
    const second = await send(key, 'POST', path, body);
    assert.deepEqual([second.status, second.body.code], [409, 'CONFLICT']);
    assert.match(second.body.detail, new RegExp(`created \`${first.body.id}\`; its secret was shown once`));
    const secret = (first.body.token ?? first.body.secretAccessKey) as string;
    assertNowhere(server.folder, { [path]: Buffer.from(secret) });
  }
});

test('kept answers hold no ciphertext, plaintext or token: only changes are kept', async () => {
  const key = randomUUID();
  const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
  const before = kept();
  const body = { plaintext: 'aGVsbG8=' };
  const first = await send(key, 'POST', `/v1/keys/${id}:encrypt`, body);
  const second = await send(key, 'POST', `/v1/keys/${id}:encrypt`, body);
  assert.notEqual(first.body.ciphertext, second.body.ciphertext, 'a use is no change: it is done again');
  assert.equal(kept(), before);
});

for (const [what, key] of [
  ['an empty one', ''],
  ['one of 256 characters', 'k'.repeat(256)],
  ['one with a space', 'a b'],
] as const) {
  test(`an \`Idempotency-Key\` that is ${what} is refused, and nothing is made`, async () => {
    const before = (await server.client.listKeys({ limit: 1000 })).keys.length;
    const answer = await send(key, 'POST', '/v1/keys', { spec: 'AES-256-GCM' });
    assert.deepEqual([answer.status, answer.body.code], [400, 'INVALID_ARGUMENT']);
    assert.match(answer.body.detail, /1 to 255 printable characters/);
    assert.equal((await server.client.listKeys({ limit: 1000 })).keys.length, before);
  });
}

test('a repeat after a restart still gives the first answer', async () => {
  const folder = testFolder();
  const headers = { 'idempotency-key': randomUUID() };
  try {
    const answers: TestAnswer[] = [];
    for (let start = 0; start < 2; start++) {
      const restarted = await startTestServer({ folder });
      answers.push(await restarted.fetch('POST', '/v1/keys', { spec: 'AES-256-GCM' }, { headers }));
      await restarted.stop();
    }
    assert.deepEqual(answers[1]!.body, answers[0]!.body);
  } finally {
    removeFolder(folder);
  }
});

function send(key: string, method: string, path: string, body?: unknown, token?: string): Promise<TestAnswer> {
  return server.fetch(method, path, body, {
    headers: { 'idempotency-key': key },
    ...(token === undefined ? {} : { token }),
  });
}

function kept(): number {
  return query(server.folder, 'SELECT count(*) AS count FROM idempotency')[0]!['count'] as number;
}
