import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ClavigerClient } from '../../src/client/index.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const bytes = Buffer.from('hello');
let server: TestServer;
let aes = '';
let signing = '';

before(async () => {
  server = await startTestServer();
  aes = (await server.client.createKey({ spec: 'AES-256-GCM', alias: 'orders' })).id;
  signing = (await server.client.createKey({ spec: 'P-256', alias: 'letters' })).id;
});
after(() => server.stop());

const withToken = (token: string): ClavigerClient => new ClavigerClient({ endpoint: server.endpoint, token });

type Call = (client: ClavigerClient) => Promise<unknown>;

/** A call of each group of rights; whether it then succeeds is another matter than whether it is permitted. */
const CALLS: Readonly<Record<string, Call>> = {
  use: (client) => client.encrypt({ key: aes, plaintext: bytes }),
  sign: (client) => client.sign({ key: signing, message: bytes }),
  random: (client) => client.generateRandom({ bytes: 8 }),
  batch: (client) => client.signBatch({ key: signing, items: [{ message: bytes }] }),
  create: (client) => client.createKey({ spec: 'AES-256-GCM' }),
  manage: (client) => client.updateKey({ key: aes, description: 'new' }),
  alias: (client) => client.createAlias({ name: `a-${Math.random().toString(36).slice(2)}`, key: aes }),
  describe: (client) => client.describeKey({ key: aes }),
  list: (client) => client.listKeys({}),
  publicKey: (client) => client.getPublicKey({ key: signing }),
  readPolicy: (client) => client.getKeyPolicy({ key: aes }),
  setPolicy: (client) => client.setKeyPolicy({ key: aes, policy: null }),
  tokens: (client) => client.listTokens({}),
  makeToken: (client) => client.createToken({ name: 'n', roles: ['approver'] }),
  audit: (client) => client.listAuditRecords({ limit: 1 }),
  explain: (client) => client.explainPolicy({ action: 'Encrypt', key: aes }),
  tenants: (client) => client.listTenants({}),
};

/** Role → what it may do, and nothing else. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  'security-officer': ['describe', 'list', 'publicKey', 'readPolicy', 'setPolicy', 'tokens', 'makeToken', 'explain'],
  'key-administrator': ['create', 'manage', 'alias', 'describe', 'list', 'publicKey', 'readPolicy'],
  'crypto-user': ['use', 'sign', 'random', 'batch', 'describe', 'list', 'publicKey'],
  auditor: ['describe', 'list', 'publicKey', 'readPolicy', 'tokens', 'audit', 'explain'],
  approver: ['describe', 'list', 'publicKey', 'readPolicy'],
};

describe('a role gives its own rights and no other', () => {
  for (const [role, may] of Object.entries(MAY)) {
    test(role, async () => {
      const client = await server.clientWith(role);
      for (const [name, call] of Object.entries(CALLS)) {
        const permitted = await call(client).then(
          () => true,
          ({ code }: { code: string }) => (code === 'PERMISSION_DENIED' ? false : assert.fail(`${name}: ${code}`)),
        );
        assert.equal(permitted, may.includes(name), `${role}: ${name}`);
      }
    });
  }
});

describe('who may give roles away', () => {
  test('an officer gives any role, but no system scope that it does not have', async () => {
    const officer = await server.clientWith('security-officer');
    const made = await officer.createToken({ name: 'user', roles: ['crypto-user'] });
    await withToken(made.token!).encrypt({ key: aes, plaintext: bytes });
    await assert.rejects(officer.createToken({ name: 'more', roles: ['auditor'], systemScope: true }), {
      code: 'PERMISSION_DENIED',
    });
    await assert.rejects(officer.createTenant({ name: 'mine' }), { code: 'PERMISSION_DENIED' });
  });

  test('a token without a role, in the past or without a name is refused', async () => {
    const refused = { code: 'INVALID_ARGUMENT' };
    await assert.rejects(server.client.createToken({ name: 'n', roles: [] }), refused);
    await assert.rejects(server.client.createToken({ name: ' ', roles: ['auditor'] }), refused);
    await assert.rejects(
      server.client.createToken({ name: 'n', roles: ['auditor'], expiresAt: '2020-01-01T00:00:00Z' }),
      refused,
    );
  });

  test('a revoked token is refused from the next request on, and stands in the list as revoked', async () => {
    const made = await server.client.createToken({ name: 'short', roles: ['crypto-user'] });
    const client = withToken(made.token!);
    await client.generateRandom({ bytes: 8 });
    await server.client.revokeToken({ id: made.id });
    await assert.rejects(client.generateRandom({ bytes: 8 }), { code: 'UNAUTHENTICATED' });
    const { tokens } = await server.client.listTokens({ limit: 1000 });
    assert.notEqual(tokens.find(({ id }) => id === made.id)!.revokedAt, null);
    assert.ok(!JSON.stringify(tokens).includes(made.token!.slice(-20)));
  });
});

describe('a key policy narrows what roles permit', () => {
  const narrow = (policy: string | null): Promise<unknown> => server.client.setKeyPolicy({ key: aes, policy });
  after(() => narrow(null));

  test('by the encryption context, for one call and for a batch alike', async () => {
    await narrow(
      `@id("only-rome") forbid (principal, action in [Claviger::Action::"Encrypt", Claviger::Action::"Decrypt"], resource)
       unless { context.encryptionContext.hasTag("to") && context.encryptionContext.getTag("to") == "rome" };`,
    );
    const client = await server.clientWith('crypto-user');
    await client.encrypt({ key: aes, plaintext: bytes, context: { to: 'rome' } });
    await assert.rejects(client.encrypt({ key: aes, plaintext: bytes }), { code: 'PERMISSION_DENIED' });
    const { results } = await client.encryptBatch({
      key: aes,
      items: [
        { plaintext: bytes, context: { to: 'rome' } },
        { plaintext: bytes, context: { to: 'gaul' } },
      ],
    });
    assert.deepEqual(
      results.map((result) => ('error' in result ? result.error.code : 'OK')),
      ['OK', 'PERMISSION_DENIED'],
    );
    const auditor = await server.clientWith('auditor');
    const { records } = await auditor.listAuditRecords({ outcome: 'PERMISSION_DENIED', key: aes, limit: 1 });
    assert.deepEqual(records[0]!.policies, ['key-policy/only-rome']);
  });

  test('at once, and is taken away at once', async () => {
    const client = await server.clientWith('crypto-user');
    await narrow('forbid (principal, action == Claviger::Action::"Encrypt", resource);');
    await assert.rejects(client.encrypt({ key: aes, plaintext: bytes }), { code: 'PERMISSION_DENIED' });
    await narrow(null);
    await client.encrypt({ key: aes, plaintext: bytes });
  });

  test('and never permits: a policy that would is refused', async () => {
    await assert.rejects(narrow('permit (principal, action, resource);'), { reason: 'MalformedPolicyDocument' });
    await assert.rejects(narrow('nonsense'), { reason: 'MalformedPolicyDocument' });
  });
});

describe('a tenant reaches nothing of another', () => {
  let other: ClavigerClient;
  before(async () => {
    const { token } = await server.client.createTenant({ name: 'other' });
    other = withToken(token);
  });

  const onKey: Readonly<Record<string, (client: ClavigerClient, key: string) => Promise<unknown>>> = {
    describe: (client, key) => client.describeKey({ key }),
    encrypt: (client, key) => client.encrypt({ key, plaintext: bytes }),
    sign: (client, key) => client.sign({ key, message: bytes }),
    publicKey: (client, key) => client.getPublicKey({ key }),
    disable: (client, key) => client.disableKey({ key }),
    rotate: (client, key) => client.rotateKey({ key }),
    scheduleDeletion: (client, key) => client.scheduleKeyDeletion({ key }),
    alias: (client, key) => client.createAlias({ name: 'stolen', key }),
    tag: (client, key) => client.tagKey({ key, tags: { a: 'b' } }),
    policy: (client, key) => client.setKeyPolicy({ key, policy: null }),
    batch: (client, key) => client.signBatch({ key, items: [{ message: bytes }] }),
    import: (client, key) =>
      client.getParametersForImport({ key, algorithm: 'RSAES_OAEP_SHA_256', wrappingKeyBits: 2048 }),
    explain: (client, key) => client.explainPolicy({ action: 'Encrypt', key }),
  };

  test('its keys are as unknown as those that never were, by id, ARN and alias', async () => {
    const { arn } = await server.client.describeKey({ key: signing });
    const never = '019a0000-0000-7000-8000-000000000000';
    for (const [name, call] of Object.entries(onKey)) {
      const told = async (key: string): Promise<string> => {
        const error = await call(other, key).then(
          () => assert.fail(`${name} of ${key} was answered`),
          (thrown: { code: string; message: string }) => thrown,
        );
        return `${error.code}: ${error.message.replace(key, 'KEY')}`;
      };
      const unknown = await told(never);
      assert.match(unknown, /^KEY_NOT_FOUND/);
      for (const key of [signing, arn, 'alias:letters']) assert.equal(await told(key), unknown, name);
    }
  });

  test('its ciphertexts are noise', async () => {
    const { ciphertext } = await server.client.encrypt({ key: aes, plaintext: bytes });
    const own = await other.createKey({ spec: 'AES-256-GCM' });
    const noise = Buffer.concat([ciphertext.subarray(0, 3), Buffer.alloc(ciphertext.length - 3, 7)]);
    const told = async (blob: Uint8Array): Promise<unknown> =>
      other.decrypt({ key: own.id, ciphertext: blob }).then(
        () => assert.fail('it was opened'),
        ({ code, message }: { code: string; message: string }) => ({ code, message }),
      );
    assert.deepEqual(await told(ciphertext), await told(noise));
  });

  test('its lists, tokens and records do not show', async () => {
    assert.equal(
      (await other.listKeys({})).keys.some(({ id }) => id === aes || id === signing),
      false,
    );
    assert.deepEqual((await other.listAliases({})).aliases, []);
    const { tokens } = await server.client.listTokens({ limit: 1 });
    await assert.rejects(other.revokeToken({ id: tokens[0]!.id }), { code: 'NOT_FOUND' });
    const { records } = await other.listAuditRecords({ limit: 1000 });
    const { tenantId } = (await other.listTokens({})).tokens[0]!;
    assert.ok(records.length > 0);
    assert.ok(records.every(({ tenant }) => tenant === tenantId));
  });

  test('a name in use is free in another tenant', async () => {
    const { id } = await other.createKey({ spec: 'P-256', alias: 'letters' });
    assert.equal((await other.describeKey({ key: 'alias:letters' })).id, id);
    assert.equal((await server.client.describeKey({ key: 'alias:letters' })).id, signing);
  });

  test('the system scope makes tokens of another tenant, and revokes them', async () => {
    const made = await server.client.createToken({ name: 'n', roles: ['auditor'], tenant: 'other' });
    await withToken(made.token!).listKeys({});
    await server.client.revokeToken({ id: made.id });
    await assert.rejects(withToken(made.token!).listKeys({}), { code: 'UNAUTHENTICATED' });
    await assert.rejects(server.client.createTenant({ name: 'other' }), { code: 'KEY_EXISTS' });
  });
});
