/** Nothing that was decided before a change is answered after it, over HTTP and under load. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  assertAllRecorded,
  assertLogInOrder,
  assertNothingLate,
  runRace,
  tallyOf,
  type Raced,
} from '../support/race.ts';
import { startTestServer, type TestAnswer, type TestServer } from '../support/server.ts';
import { checkLog, readLog, type StoredEntry } from '../support/stored-log.ts';

const PLAINTEXT = Buffer.from('hello').toString('base64');

let server: TestServer;
before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 1000000 }' });
});
after(() => server.stop());

test('a key that is disabled encrypts and decrypts nothing until it is enabled', async () => {
  const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
  const { ciphertext } = (await post(`${id}:encrypt`, { plaintext: PLAINTEXT })).body as { ciphertext: string };
  const raced = await runRace({
    use: (n) => (n % 2 === 0 ? post(`${id}:encrypt`, { plaintext: PLAINTEXT }) : post(`${id}:decrypt`, { ciphertext })),
    takeAway: () => post(`${id}:disable`),
    giveBack: () => post(`${id}:enable`),
  });
  check(raced, isUseOf(id), 'KEY_DISABLED');
});

for (const spec of ['P-256', 'RSA-2048'] as const) {
  test(`a key of spec ${spec} that is disabled signs nothing until it is enabled`, async () => {
    const { id } = await server.client.createKey({ spec });
    const raced = await runRace({
      use: (n) =>
        n % 3 === 0
          ? post(`${id}:signBatch`, { items: [{ message: PLAINTEXT }, { message: PLAINTEXT }] })
          : post(`${id}:sign`, { message: PLAINTEXT }),
      takeAway: () => post(`${id}:disable`),
      giveBack: () => post(`${id}:enable`),
    });
    check(raced, isUseOf(id), 'KEY_DISABLED');
  });
}

test('a key with a deletion date is not used until the date was taken back and it was enabled', async () => {
  const { id } = await server.client.createKey({ spec: 'HMAC-SHA-256' });
  const raced = await runRace({
    use: () => post(`${id}:generateMac`, { message: PLAINTEXT }),
    takeAway: () => post(`${id}:scheduleDeletion`, {}),
    giveBack: async () => {
      await post(`${id}:cancelDeletion`);
      return post(`${id}:enable`);
    },
    rounds: 8,
  });
  assertNothingLate(raced);
  assertLogInOrder(readLog(server.folder), raced, isUseOf(id));
});

test('a token that was revoked does nothing more', async () => {
  const { id: key } = await server.client.createKey({ spec: 'AES-256-GCM' });
  for (let round = 0; round < 6; round++) {
    const made = await server.client.createToken({ name: 'doomed', roles: ['crypto-user'] });
    const raced = await runRace({
      use: () => post(`${key}:encrypt`, { plaintext: PLAINTEXT }, made.token),
      takeAway: () => server.fetch('DELETE', `/v1/tokens/${made.id}`),
      giveBack: () => server.fetch('GET', '/livez'),
      rounds: 1,
    });
    const [{ answeredAt, index: revokedIndex }] = raced.takenAway as [Raced['takenAway'][number]];
    const late = raced.uses.filter((use) => use.askedAt > answeredAt && use.status === 200);
    assert.deepEqual(late, [], 'answered after the revocation was');
    const log = readLog(server.folder);
    const after = log.filter(({ index, values }) => index > revokedIndex && values['principal'] === made.id);
    assert.deepEqual(after, [], 'recorded in the name of a revoked token');
    const { OK = 0, UNAUTHENTICATED = 0 } = tallyOf(raced.uses);
    assert.ok(OK > 0 && UNAUTHENTICATED > 0);
  }
});

test('a policy that forbids a use holds from its answer on, until it is taken away', async () => {
  const { id } = await server.client.createKey({ spec: 'P-256' });
  const policy = (text: string | null): Promise<TestAnswer> =>
    server.fetch('PUT', `/v1/keys/${id}/policy`, { policy: text });
  const raced = await runRace({
    use: () => post(`${id}:sign`, { message: PLAINTEXT }),
    takeAway: () => policy('forbid (principal, action == Claviger::Action::"Sign", resource);'),
    giveBack: () => policy(null),
  });
  check(raced, isUseOf(id), 'PERMISSION_DENIED');
});

test('an alias that was deleted names nothing until it is made again', async () => {
  const { id } = await server.client.createKey({ spec: 'AES-256-GCM', alias: 'racing' });
  const raced = await runRace({
    use: () => post('alias:racing:encrypt', { plaintext: PLAINTEXT }),
    takeAway: () => server.fetch('DELETE', '/v1/aliases/racing'),
    giveBack: () => server.fetch('POST', '/v1/aliases', { name: 'racing', key: id }),
  });
  check(raced, isUseOf(id), 'KEY_NOT_FOUND');
});

test('an alias that was given to another key names the old one no more', async () => {
  const { id: first } = await server.client.createKey({ spec: 'P-256', alias: 'swinging' });
  const { id: second } = await server.client.createKey({ spec: 'P-256' });
  const names = (key: string) => () => server.fetch('PATCH', '/v1/aliases/swinging', { key });
  const made = new Map<string, { askedAt: number; answeredAt: number }[]>([
    [first, []],
    [second, []],
  ]);
  const raced = await runRace({
    use: async () => {
      const askedAt = performance.now();
      const answer = await post('alias:swinging:sign', { message: PLAINTEXT });
      made.get((answer.body as { keyId: string }).keyId)!.push({ askedAt, answeredAt: performance.now() });
      return answer;
    },
    takeAway: names(second),
    giveBack: names(first),
  });
  for (const [round, { answeredAt }] of raced.takenAway.entries()) {
    const back = raced.givenBack[round]!.askedAt;
    const late = made.get(first)!.filter((use) => use.askedAt > answeredAt && use.answeredAt < back);
    assert.deepEqual(late, [], 'signed with the key that the alias named before');
  }
  const log = readLog(server.folder);
  assertLogInOrder(log, raced, isUseOf(first));
  assertAllRecorded(log, raced.uses);
});

test('a rotation that was answered holds for every encryption asked after it', async () => {
  const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
  const versions: { askedAt: number; version: number }[] = [];
  const rotations: { answeredAt: number; version: number }[] = [];
  const rotate = async (): Promise<TestAnswer> => {
    const answer = await post(`${id}:rotate`);
    rotations.push({ answeredAt: performance.now(), version: answer.body.primaryVersion as number });
    return answer;
  };
  await runRace({
    use: async () => {
      const askedAt = performance.now();
      const answer = await post(`${id}:encrypt`, { plaintext: PLAINTEXT });
      versions.push({ askedAt, version: answer.body.keyVersion as number });
      return answer;
    },
    takeAway: rotate,
    giveBack: rotate,
  });
  for (const { askedAt, version } of versions) {
    const newest = Math.max(1, ...rotations.filter((done) => done.answeredAt < askedAt).map((done) => done.version));
    assert.ok(version >= newest, `version ${version} after version ${newest} was answered`);
  }
  // In the log no version goes back, because every use stands after the rotation that it knew.
  const used = readLog(server.folder)
    .filter(({ record }) => record['key'] === id && record['operation'] === 'Encrypt' && record['outcome'] === 'OK')
    .map(({ record }) => record['keyVersion'] as number);
  assert.deepEqual(
    used,
    used.toSorted((a, b) => a - b),
  );
});

test('the log of all this is whole', () => {
  assert.ok(checkLog(server.folder) > 1000);
});

function check(raced: Raced, isUse: (entry: StoredEntry) => boolean, refusal: string): void {
  assertNothingLate(raced);
  const log = readLog(server.folder);
  assertLogInOrder(log, raced, isUse);
  assertAllRecorded(log, raced.uses);
  const { OK = 0, [refusal]: refused = 0, ...others } = tallyOf(raced.uses);
  assert.ok(OK > 0 && refused > 0, 'there were both');
  assert.deepEqual(others, {}, 'nothing was refused for any other reason');
}

function isUseOf(id: string): (entry: StoredEntry) => boolean {
  const uses = new Set(['Encrypt', 'Decrypt', 'Sign', 'SignBatch', 'GenerateMac']);
  return ({ record }) => record['key'] === id && uses.has(record['operation'] as string);
}

function post(path: string, body: unknown = {}, token?: string): Promise<TestAnswer> {
  return server.fetch('POST', `/v1/keys/${path}`, body, token === undefined ? {} : { token });
}
