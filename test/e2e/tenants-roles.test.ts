/** Who may do what: every role at every route, what roles may give away, what the system scope reaches. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ClavigerClient } from '../../src/client/index.ts';
import { ROLES, type Role } from '../../src/model/principal.ts';
import { silentLog } from '../../src/ports/log.ts';
import { parseConfig } from '../../src/server/config.ts';
import { runServe } from '../../src/server/run.ts';
import { ROUTE_NAMES, type RouteName } from '../../src/wire/index.ts';
import { call, makeWorld, type World } from '../support/calls.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';
import { readLog } from '../support/stored-log.ts';

const USE: readonly RouteName[] = [
  'encrypt',
  'decrypt',
  'reEncrypt',
  'generateDataKey',
  'generateDataKeyPair',
  'sign',
  'verify',
  'generateMac',
  'verifyMac',
  'deriveSharedSecret',
  'encapsulate',
  'decapsulate',
  'encryptBatch',
  'decryptBatch',
  'signBatch',
  'verifyBatch',
  'rewrap',
  'generateRandom',
];
const MANAGE: readonly RouteName[] = [
  'createKey',
  'updateKey',
  'rotateKey',
  'setKeyRotation',
  'activateKey',
  'enableKey',
  'disableKey',
  'deactivateKey',
  'compromiseKey',
  'scheduleKeyDeletion',
  'cancelKeyDeletion',
  'addKeyBacking',
  'removeKeyBacking',
  'repairKeyBackings',
  'tagKey',
  'untagKey',
  'getParametersForImport',
  'importKeyMaterial',
  'deleteImportedKeyMaterial',
  'createAlias',
  'updateAlias',
  'deleteAlias',
];
const READ: readonly RouteName[] = ['listKeys', 'describeKey', 'getPublicKey', 'listAliases', 'getKeyPolicy'];
const LOOK_INTO: readonly RouteName[] = ['listTokens', 'listAlerts', 'explainPolicy', 'getHealth', 'getMetrics'];
const TREE: readonly RouteName[] = [
  'getAuditLogKey',
  'getAuditCheckpoint',
  'listAuditCheckpoints',
  'getAuditTile',
  'proveAuditInclusion',
  'proveAuditConsistency',
];
const AUDIT: readonly RouteName[] = ['listAuditRecords', 'getAuditReceipt', ...TREE];
const GOVERN: readonly RouteName[] = ['setKeyPolicy', 'createToken', 'revokeToken'];
/** For the system scope only. */
const SYSTEM: readonly RouteName[] = [
  'testAlerts',
  'clearProvider',
  'createTenant',
  'listTenants',
  'getAuditEntries',
  'getAuditOpenings',
  'redactAuditRecords',
];

const MAY: Readonly<Record<Role, readonly RouteName[]>> = {
  'security-officer': [...READ, ...LOOK_INTO, ...GOVERN],
  'key-administrator': [...READ, ...MANAGE],
  'crypto-user': [...READ.filter((name) => name !== 'getKeyPolicy'), ...USE],
  auditor: [...READ, ...LOOK_INTO, ...AUDIT],
  approver: READ,
};

/** What a key refuses to whoever may ask. */
const OF_THE_KEY = new Set(['KEY_STATE', 'KEY_DISABLED', 'KEY_EXISTS', 'NOT_FOUND', 'UNSUPPORTED']);

let server: TestServer;
let world: World;
before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 1000000 }' });
  world = await makeWorld(server.client, 'of-default');
});
after(() => server.stop());

test('the matrix below speaks of every route', () => {
  const spoken = new Set([...USE, ...MANAGE, ...READ, ...LOOK_INTO, ...GOVERN, ...SYSTEM, ...AUDIT]);
  assert.deepEqual([...spoken].toSorted(), [...ROUTE_NAMES].toSorted());
});

for (const role of ROLES) {
  describe(`a ${role}`, () => {
    let token: string;
    let own: World;
    before(async () => {
      ({ token } = (await server.client.createToken({ name: role, roles: [role] })) as { token: string });
      // A world of its own: what one role does must not change what another finds.
      own = await makeWorld(server.client, `of-${role}`);
    });

    for (const route of ROUTE_NAMES) {
      const may = MAY[role].includes(route);
      test(`${may ? 'may' : 'may not'} ${route}`, async () => {
        const { status, body, headers } = await call(server, route, own, token);
        if (may) {
          assert.notEqual(status, 401);
          assert.notEqual(status, 403, body.detail as string);
          assert.ok(status < 300 || OF_THE_KEY.has(body.code as string), JSON.stringify(body));
          return;
        }
        assert.deepEqual([status, body.code], [403, 'PERMISSION_DENIED']);
        assert.match(body.detail, new RegExp(`^\`${role}\` may not \\w+ here; `));
        const index = Number(headers.get('x-claviger-audit')!.split('/')[1]);
        assert.equal(readLog(server.folder)[index]!.record['outcome'], 'PERMISSION_DENIED');
      });
    }
  });
}

describe('the record of a decision', () => {
  test('names the policies that permitted', async () => {
    const crypto = await server.clientWith('crypto-user');
    await crypto.encrypt({ key: world.aes, plaintext: Buffer.from('a') });
    assert.deepEqual(lastOf('Encrypt')['policies'], ['crypto-user/use']);
    const manager = await server.clientWith('key-administrator');
    await manager.tagKey({ key: world.aes, tags: { b: '1' } });
    assert.deepEqual(lastOf('TagKey')['policies'], ['key-administrator/manage']);
  });

  test('names the policy that forbade, and none where nothing permitted', async () => {
    const crypto = await server.clientWith('crypto-user');
    await server.client.setKeyPolicy({ key: world.p256, policy: 'forbid (principal, action, resource);' });
    await assert.rejects(crypto.sign({ key: world.p256, message: Buffer.from('a') }), { code: 'PERMISSION_DENIED' });
    assert.equal((lastOf('Sign')['policies'] as string[]).length, 1);
    await server.client.setKeyPolicy({ key: world.p256, policy: null });
    const auditor = await server.clientWith('auditor');
    await assert.rejects(auditor.sign({ key: world.p256, message: Buffer.from('a') }), { code: 'PERMISSION_DENIED' });
    assert.equal(lastOf('Sign')['policies'], undefined);
  });

  function lastOf(operation: string): Record<string, unknown> {
    return readLog(server.folder).findLast(({ record }) => record['operation'] === operation)!.record;
  }
});

describe('what may be given away', () => {
  test('an officer gives any role, and does not get it by that', async () => {
    const officer = await server.clientWith('security-officer');
    for (const role of ROLES) {
      const { roles } = await officer.createToken({ name: 'given', roles: [role] });
      assert.deepEqual(roles, [role]);
    }
    await assert.rejects(officer.generateRandom({ bytes: 1 }), { code: 'PERMISSION_DENIED' });
  });

  test('nobody without the system scope gives it, names another tenant, or sees which there are', async () => {
    const officer = await server.clientWith('security-officer');
    await assert.rejects(officer.createToken({ name: 'n', roles: ['auditor'], systemScope: true }), {
      code: 'PERMISSION_DENIED',
      message: /only a principal of system scope/,
    });
    const { id } = await server.client.createTenant({ name: 'somebody-else' });
    const refusals = await Promise.all(
      [id, 'somebody-else', 'nobody', '00000000-0000-0000-0000-000000000000'].map((tenant) =>
        officer.createToken({ name: 'n', roles: ['auditor'], tenant }).then(
          () => assert.fail('made'),
          (error: Error) => error.message,
        ),
      ),
    );
    assert.equal(new Set(refusals).size, 1, 'one answer for those that are and those that are not');
    await assert.rejects(officer.createTenant({ name: 'mine' }), { code: 'PERMISSION_DENIED' });
    await assert.rejects(officer.listTenants(), { code: 'PERMISSION_DENIED' });
  });

  test('who names the own tenant needs no more than who names none', async () => {
    const officer = await server.clientWith('security-officer');
    const { tenantId } = await officer.createToken({ name: 'n', roles: ['auditor'], tenant: 'default' });
    assert.equal((await officer.createToken({ name: 'n', roles: ['auditor'], tenant: tenantId })).tenantId, tenantId);
  });

  test('a policy of the operator may let others make tokens, but their roles still give nothing away', async () => {
    const folder = testFolder();
    const policies = join(folder, 'policies');
    mkdirSync(policies);
    writeFileSync(
      join(policies, 'more.cedar'),
      `permit (principal in Claviger::Role::"key-administrator", action == Claviger::Action::"CreateToken", resource);`,
    );
    const other = await startTestServer({ folder, config: 'policies: ./policies' });
    try {
      const manager = await other.clientWith('key-administrator');
      for (const role of ROLES) {
        await assert.rejects(manager.createToken({ name: 'n', roles: [role] }), {
          code: 'PERMISSION_DENIED',
          message: `your roles may not give away \`${role}\``,
        });
      }
    } finally {
      await other.stop();
      removeFolder(folder);
    }
  });
});

describe('the system scope', () => {
  const scoped = async (...roles: Role[]): Promise<ClavigerClient> => {
    const { token } = await server.client.createToken({ name: 'scoped', roles, systemScope: true });
    return new ClavigerClient({ endpoint: server.endpoint, token: token! });
  };

  test('lets an officer make tenants, their tokens, and revoke them', async () => {
    const officer = await scoped('security-officer');
    const tenant = await officer.createTenant({ name: 'acme', accountId: '112233445566' });
    assert.equal(tenant.accountId, '112233445566');
    const made = await officer.createToken({ name: 'first', roles: ['auditor'], tenant: 'acme' });
    assert.equal(made.tenantId, tenant.id);
    const theirs = new ClavigerClient({ endpoint: server.endpoint, token: made.token! });
    assert.deepEqual((await theirs.listKeys()).keys, []);
    await officer.revokeToken({ id: made.id });
    await assert.rejects(theirs.listKeys(), { code: 'UNAUTHENTICATED' });
    assert.ok((await officer.listTenants()).tenants.some(({ id }) => id === tenant.id));
  });

  test('gives no other role the right to tenants', async () => {
    for (const role of ROLES.filter((role) => role !== 'security-officer')) {
      const client = await scoped(role);
      await assert.rejects(client.createTenant({ name: `by-${role}` }), { code: 'PERMISSION_DENIED' });
      await assert.rejects(client.listTenants(), { code: 'PERMISSION_DENIED' });
    }
  });

  test('reaches no key of another tenant, with any role', async () => {
    const { id, token } = await server.client.createTenant({ name: 'private' });
    const theirs = new ClavigerClient({ endpoint: server.endpoint, token });
    const { id: key } = await theirs.createKey({ spec: 'AES-256-GCM' });
    const client = await scoped(...ROLES);
    await assert.rejects(client.describeKey({ key }), { code: 'KEY_NOT_FOUND' });
    await assert.rejects(client.encrypt({ key, plaintext: Buffer.from('a') }), { code: 'KEY_NOT_FOUND' });
    await assert.rejects(client.setKeyPolicy({ key, policy: null }), { code: 'KEY_NOT_FOUND' });
    assert.ok(!(await client.listKeys({ limit: 1000 })).keys.some((found) => found.id === key));
    assert.ok(!(await client.listTokens({ limit: 1000 })).tokens.some((found) => found.tenantId === id));
  });

  test('lets an auditor read the whole log, a tenant’s auditor only the tenant’s', async () => {
    const { id, token } = await server.client.createTenant({ name: 'audited' });
    const theirs = new ClavigerClient({ endpoint: server.endpoint, token });
    await theirs.createKey({ spec: 'AES-256-GCM' });
    await server.fetch('GET', '/v1/keys', undefined, { token: null });
    const all = (await (await scoped('auditor')).listAuditRecords({ limit: 1000 })).records;
    assert.ok(all.some(({ tenant }) => tenant === id) && all.some(({ tenant }) => tenant === undefined));
    assert.ok(new Set(all.map(({ tenant }) => tenant)).size > 2);
    const own = (await theirs.listAuditRecords({ limit: 1000 })).records;
    assert.deepEqual([...new Set(own.map(({ tenant }) => tenant))], [id]);
    const others = (await (await server.clientWith('auditor')).listAuditRecords({ limit: 1000 })).records;
    assert.ok(!others.some(({ tenant }) => tenant === id || tenant === undefined));
  });
});

describe('in production', () => {
  test('roles that conflict are not held together, and the first token is an officer’s', async () => {
    const folder = testFolder();
    const yaml = `listen: { port: 0 }\nstore: { folder: . }\nseal: { kind: file, path: ./root.key }`;
    const running = await runServe({ config: parseConfig(yaml, folder, {}), log: silentLog });
    try {
      const officer = new ClavigerClient({ endpoint: running.url, token: running.first!.token });
      for (const roles of [
        ['security-officer', 'crypto-user'],
        ['key-administrator', 'auditor'],
        ['approver', 'auditor', 'crypto-user', 'key-administrator'],
        [...ROLES],
      ] as const) {
        await assert.rejects(officer.createToken({ name: 'both', roles }), {
          code: 'INVALID_ARGUMENT',
          message: /one principal must not be `[a-z-]+` and `[a-z-]+`; make two tokens/,
        });
        await assert.rejects(officer.createTenant({ name: 'both', roles }), { code: 'INVALID_ARGUMENT' });
      }
      for (const roles of [
        ['key-administrator', 'crypto-user'],
        ['security-officer', 'key-administrator'],
        ['auditor', 'crypto-user', 'approver'],
      ] as const) {
        await officer.createToken({ name: 'fine', roles });
      }
      await assert.rejects(officer.createKey({ spec: 'AES-256-GCM' }), { code: 'PERMISSION_DENIED' });
      const { token } = await officer.createTenant({ name: 'tenant' });
      const theirs = new ClavigerClient({ endpoint: running.url, token });
      await assert.rejects(theirs.createKey({ spec: 'AES-256-GCM' }), { code: 'PERMISSION_DENIED' });
      await assert.rejects(theirs.createTenant({ name: 'another' }), { code: 'PERMISSION_DENIED' });
    } finally {
      running.stop();
      await running.stopped;
      removeFolder(folder);
    }
  });
});
