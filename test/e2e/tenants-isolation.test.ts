/** What is another tenant's is not there: on every route it is answered, and recorded, as what does not exist. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { ClavigerClient } from '../../src/client/index.ts';
import { ROUTE_NAMES, ROUTES, type RouteName } from '../../src/wire/index.ts';
import { call, makeWorld, type World } from '../support/calls.ts';
import { startTestServer, type TestAnswer, type TestServer } from '../support/server.ts';
import { readLog } from '../support/stored-log.ts';

let server: TestServer;
/** What the tenant `alpha` has, and somebody of `beta` who may do everything there. */
let theirs: World;
let mine: World;
let alpha: ClavigerClient;
let beta: ClavigerClient;
let token: string;
let alphaId: string;
let betaId: string;
let region: string;
let alphaAccount: string;

before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 1000000 }' });
  ({ region } = server);
  const made = await server.client.createTenant({ name: 'alpha' });
  alphaId = made.id;
  alphaAccount = made.accountId;
  alpha = new ClavigerClient({ endpoint: server.endpoint, token: made.token });
  const other = await server.client.createTenant({ name: 'beta' });
  betaId = other.id;
  token = other.token;
  beta = new ClavigerClient({ endpoint: server.endpoint, token });
  theirs = await makeWorld(alpha, 'ledger');
  mine = await makeWorld(beta, 'other-ledger');
});
after(() => server.stop());

const ON_KEY = ROUTE_NAMES.filter((name) => ROUTES[name].path.includes('{key}'));

describe('a key of another tenant', () => {
  for (const route of ON_KEY) {
    test(`is not there for ${route}: by id, ARN, alias and alias ARN as if it never was`, async () => {
      const id = theirs.aes;
      const pairs = [
        [id, randomUUID()],
        [keyArn(id), keyArn(randomUUID())],
        ['alias/ledger', 'alias/nobody'],
        [aliasArn('ledger'), aliasArn('nobody')],
      ] as const;
      for (const [existing, unknown] of pairs) {
        const [known, never] = [await ask(route, existing), await ask(route, unknown)];
        assert.deepEqual([known.status, known.body.code], [404, 'KEY_NOT_FOUND']);
        assert.deepEqual(comparable(known, existing), comparable(never, unknown));
      }
    });
  }

  test('is no destination of reEncrypt', async () => {
    const askFor = (destinationKey: string): Promise<TestAnswer> =>
      call(server, 'reEncrypt', mine, token, { body: ({ ciphertext }) => ({ ciphertext, destinationKey }) });
    await alike(askFor, theirs.aes);
  });

  test('takes no alias of ours, neither a new one nor one that moves', async () => {
    await alike(
      (key) => call(server, 'createAlias', mine, token, { body: () => ({ name: 'reach', key }) }),
      theirs.aes,
    );
    await alike((key) => call(server, 'updateAlias', mine, token, { body: () => ({ key }) }), theirs.aes);
  });

  test('is no filter of the aliases, and explains nothing', async () => {
    await alike((key) => server.fetch('GET', `/v1/aliases?key=${key}`, undefined, { token }), theirs.aes);
    await alike((key) => server.fetch('POST', '/v1/policy/explain', { action: 'Encrypt', key }, { token }), theirs.aes);
  });

  test('is not in the log that we may read, not by its id either', async () => {
    const { records } = await beta.listAuditRecords({ key: theirs.aes });
    const refused = records.filter(({ key }) => key === theirs.aes);
    assert.deepEqual(refused, []);
    const all = (await beta.listAuditRecords({ limit: 1000 })).records;
    assert.deepEqual([...new Set(all.map(({ tenant }) => tenant))], [betaId]);
  });
});

describe('an alias of another tenant', () => {
  test('is not there, and the same name is free', async () => {
    for (const [method, body] of [
      ['PATCH', { key: mine.aes }],
      ['DELETE', undefined],
    ] as const) {
      const known = await server.fetch(method, '/v1/aliases/ledger', body, { token });
      const never = await server.fetch(method, '/v1/aliases/nobody', body, { token });
      assert.deepEqual([known.status, known.body.code], [404, 'NOT_FOUND']);
      assert.deepEqual(comparable(known, 'ledger'), comparable(never, 'nobody'));
    }
    const { id } = await beta.createKey({ spec: 'AES-256-GCM', alias: 'ledger' });
    assert.equal((await beta.describeKey({ key: 'alias:ledger' })).id, id);
    assert.equal((await alpha.describeKey({ key: 'alias:ledger' })).id, theirs.aes);
    await beta.deleteAlias({ name: 'ledger' });
    assert.equal((await alpha.describeKey({ key: 'alias:ledger' })).id, theirs.aes);
  });
});

describe('a token of another tenant', () => {
  test('cannot be revoked, and is not there', async () => {
    const known = await server.fetch('DELETE', `/v1/tokens/${theirs.token}`, undefined, { token });
    const unknown = randomUUID();
    const never = await server.fetch('DELETE', `/v1/tokens/${unknown}`, undefined, { token });
    assert.deepEqual([known.status, known.body.code], [404, 'NOT_FOUND']);
    assert.deepEqual(comparable(known, theirs.token), comparable(never, unknown));
    const { tokens } = await alpha.listTokens();
    assert.equal(tokens.find(({ id }) => id === theirs.token)!.revokedAt, null);
  });

  test('is nobody about whom a policy could be explained', async () => {
    await alike(
      (principal) => server.fetch('POST', '/v1/policy/explain', { action: 'ListKeys', principal }, { token }),
      theirs.token,
    );
  });
});

describe('a ciphertext of another tenant', () => {
  test('is no different from noise, over REST too', async () => {
    const noise = Buffer.alloc(Buffer.from(theirs.ciphertext, 'base64').length, 0x5a).toString('base64');
    for (const route of ['decrypt', 'reEncrypt'] as const) {
      const [known, never] = await Promise.all(
        [theirs.ciphertext, noise].map((ciphertext) =>
          call(server, route, mine, token, {
            body: ({ aes }) => (route === 'decrypt' ? { ciphertext } : { ciphertext, destinationKey: aes }),
          }),
        ),
      );
      assert.deepEqual([known!.status, known!.body.code], [400, 'INVALID_CIPHERTEXT']);
      assert.deepEqual(comparable(known!, ''), comparable(never!, ''));
    }
    const { body } = await call(server, 'decryptBatch', mine, token, {
      body: () => ({ items: [{ ciphertext: theirs.ciphertext }, { ciphertext: noise }] }),
    });
    assert.deepEqual(body.results[0], body.results[1]);
  });

  test('whose header was made to name our tenant does not open', async () => {
    const blob = Buffer.from(theirs.ciphertext, 'base64');
    Buffer.from(betaId.replaceAll('-', ''), 'hex').copy(blob, 3);
    const asOurs = await call(server, 'decrypt', mine, token, {
      body: () => ({ ciphertext: blob.toString('base64') }),
    });
    assert.deepEqual([asOurs.status, asOurs.body.code], [400, 'INVALID_CIPHERTEXT']);
    Buffer.from(mine.aes.replaceAll('-', ''), 'hex').copy(blob, 19);
    const asOurKey = await call(server, 'decrypt', mine, token, {
      body: () => ({ ciphertext: blob.toString('base64') }),
    });
    assert.deepEqual([asOurKey.status, asOurKey.body.detail], [asOurs.status, asOurs.body.detail]);
  });
});

describe('lists', () => {
  test('hold what is ours and nothing else', async () => {
    const [keys, aliases, tokens, others] = await Promise.all([
      beta.listKeys({ limit: 1000 }),
      beta.listAliases({ limit: 1000 }),
      beta.listTokens({ limit: 1000 }),
      alpha.listKeys({ limit: 1000 }),
    ]);
    const ids = new Set(keys.keys.map(({ id }) => id));
    assert.ok(ids.has(mine.aes) && !ids.has(theirs.aes));
    assert.deepEqual(
      others.keys.filter(({ id }) => ids.has(id)),
      [],
    );
    assert.deepEqual(
      aliases.aliases.map(({ name }) => name),
      ['other-ledger'],
    );
    assert.deepEqual([...new Set(tokens.tokens.map(({ tenantId }) => tenantId))], [betaId]);
  });

  test('do not go on with a cursor of another tenant into what is theirs', async () => {
    const { nextCursor } = await alpha.listKeys({ limit: 1 });
    const { keys } = await beta.listKeys({ cursor: nextCursor!, limit: 1000 });
    assert.ok(keys.every(({ arn }) => !arn.includes(alphaAccount)));
  });

  test('of published keys are each tenant’s own', async () => {
    await alpha.updateKey({ key: theirs.p256, published: true });
    const of = async (tenant: string): Promise<unknown[]> =>
      (await server.fetch('GET', `/v1/tenants/${tenant}/jwks.json`, undefined, { token: null })).body.keys;
    assert.deepEqual(
      await Promise.all(['alpha', alphaId, 'beta', betaId].map(of)).then((all) => all.map((keys) => keys.length)),
      [1, 1, 0, 0],
    );
  });
});

test('after all of this everything of the other tenant is as it was', async () => {
  const info = await alpha.describeKey({ key: theirs.aes });
  assert.deepEqual(
    [info.state, info.primaryVersion, info.tags, info.aliases, info.deletionAt, info.hasPolicy],
    ['Active', 1, {}, ['ledger'], null, false],
  );
  const { plaintext } = await alpha.decrypt({ key: theirs.aes, ciphertext: Buffer.from(theirs.ciphertext, 'base64') });
  assert.deepEqual(Buffer.from(plaintext), Buffer.from('hello'));
});

function ask(route: RouteName, key: string): Promise<TestAnswer> {
  return call(server, route, mine, token, { names: () => key });
}

/** Fails where an id of another tenant is answered in another way than one that never was. */
async function alike(askFor: (id: string) => Promise<TestAnswer>, existing: string): Promise<void> {
  const unknown = randomUUID();
  const [known, never] = [await askFor(existing), await askFor(unknown)];
  assert.equal(known.status, 404);
  assert.deepEqual(comparable(known, existing), comparable(never, unknown));
}

/** An answer and its record without what names the request, and with the name that was asked for put out of sight. */
function comparable({ status, headers, body }: TestAnswer, name: string): unknown {
  const hide = (text: string): string => (name === '' ? text : text.replaceAll(name, 'NAME'));
  const { requestId, ...problem } = body as { requestId: string };
  const { record, values } = readLog(server.folder).find((entry) => entry.record['requestId'] === requestId)!;
  const own = ['index', 'time', 'requestId', 'latencyUs', 'principal', 'source', 'resource', 'context'];
  const kept = Object.fromEntries(Object.entries(record).filter(([field]) => !own.includes(field)));
  const names = [...headers.keys()].filter((header) => header !== 'date' && header !== 'content-length').toSorted();
  return JSON.parse(hide(JSON.stringify({ status, problem, names, kept, values }))) as unknown;
}

function keyArn(id: string): string {
  return `arn:aws:kms:${region}:${alphaAccount}:key/${id}`;
}

function aliasArn(name: string): string {
  return `arn:aws:kms:${region}:${alphaAccount}:alias/${name}`;
}
