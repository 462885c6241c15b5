/** Every operation, in-process and over REST: the same fields with the same values, the same refusals in the same words. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Claviger, ClavigerError, type ClavigerApi } from '../../src/index.ts';
import type { Role } from '../../src/model/principal.ts';
import { OPERATION_KEYS, type OperationKey } from '../../src/operations/index.ts';
import { newMaterial } from '../support/material.ts';
import { wrapFor } from '../support/import.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';

const TEXT = new TextEncoder().encode('hello');
const MATERIAL = newMaterial('P-256').material;
const PEER = newMaterial('X25519').publicKey!.export({ format: 'der', type: 'spki' });

const folder = testFolder();
let server: TestServer;
let claviger: Claviger;
/** The two, each in the name of somebody with these roles. */
let both: (...roles: Role[]) => Promise<readonly [library: ClavigerApi, client: ClavigerApi]>;

before(async () => {
  const limits = { cryptoPerSecond: 1_000_000, changesPerSecond: 1_000_000 };
  server = await startTestServer({ config: 'limits: { changesPerSecond: 1000000 }' });
  claviger = await Claviger.open({ folder, limits, principal: { name: 'both', roles: ['approver'] } });
  both = async (...roles) => [claviger.as({ name: roles.join('+'), roles }), await server.clientWith(...roles)];
});
after(async () => {
  await claviger.close();
  await server.stop();
  removeFolder(folder);
});

type Scenario = (api: ClavigerApi) => Promise<unknown>;
const aes = async (api: ClavigerApi): Promise<string> => (await api.createKey({ spec: 'AES-256-GCM' })).id;
const p256 = async (api: ClavigerApi): Promise<string> => (await api.createKey({ spec: 'P-256' })).id;
const hmac = async (api: ClavigerApi): Promise<string> => (await api.createKey({ spec: 'HMAC-SHA-384' })).id;

const KEY_USERS: readonly Role[] = ['key-administrator', 'crypto-user'];
const OFFICERS: readonly Role[] = ['security-officer', 'key-administrator'];
const AUDITORS: readonly Role[] = ['auditor', 'crypto-user'];

/** Operation → in whose name, and a use of it whose whole output is compared. */
const SCENARIOS: Readonly<Record<OperationKey, readonly [roles: readonly Role[], scenario: Scenario]>> = {
  createKey: [
    KEY_USERS,
    (api) => api.createKey({ spec: 'RSA-2048', description: 'd', tags: { a: 'b' }, alias: 'made' }),
  ],
  listKeys: [
    KEY_USERS,
    async (api) => {
      await Promise.all([aes(api), aes(api)]);
      const { keys, nextCursor } = await api.listKeys({ limit: 1 });
      const second = await api.listKeys({ limit: 1, cursor: nextCursor! });
      return [keys.length, keys.map((key) => Object.keys(key)), second.keys[0]!.id !== keys[0]!.id];
    },
  ],
  describeKey: [KEY_USERS, async (api) => api.describeKey({ key: await p256(api) })],
  updateKey: [KEY_USERS, async (api) => api.updateKey({ key: await p256(api), description: 'new', published: true })],
  getPublicKey: [KEY_USERS, async (api) => api.getPublicKey({ key: await p256(api) })],
  getKeyPolicy: [OFFICERS, async (api) => api.getKeyPolicy({ key: await aes(api) })],
  setKeyPolicy: [
    OFFICERS,
    async (api) => api.setKeyPolicy({ key: await aes(api), policy: 'forbid (principal, action, resource);' }),
  ],
  encrypt: [KEY_USERS, async (api) => api.encrypt({ key: await aes(api), plaintext: TEXT, context: { a: '1' } })],
  decrypt: [
    KEY_USERS,
    async (api) => {
      const { ciphertext } = await api.encrypt({ key: await aes(api), plaintext: TEXT, context: { a: '1' } });
      const { plaintext, ...rest } = await api.decrypt({ ciphertext, context: { a: '1' } });
      return [new TextDecoder().decode(plaintext), rest];
    },
  ],
  reEncrypt: [
    KEY_USERS,
    async (api) => {
      const key = await aes(api);
      const { ciphertext } = await api.encrypt({ key, plaintext: TEXT });
      return api.reEncrypt({ key, ciphertext, destinationKey: await aes(api), destinationContext: { b: '2' } });
    },
  ],
  generateDataKey: [KEY_USERS, async (api) => api.generateDataKey({ key: await aes(api), bytes: 24 })],
  generateDataKeyPair: [
    KEY_USERS,
    async (api) => api.generateDataKeyPair({ key: await aes(api), spec: 'Ed25519', context: { a: '1' } }),
  ],
  sign: [KEY_USERS, async (api) => sized(await api.sign({ key: await p256(api), message: TEXT }), 'signature')],
  verify: [
    KEY_USERS,
    async (api) => {
      const key = await p256(api);
      const { signature } = await api.sign({ key, message: TEXT });
      return [
        await api.verify({ key, message: TEXT, signature }),
        await api.verify({ key, message: TEXT, signature: TEXT }),
      ];
    },
  ],
  generateMac: [KEY_USERS, async (api) => api.generateMac({ key: await hmac(api), message: TEXT })],
  verifyMac: [
    KEY_USERS,
    async (api) => {
      const key = await hmac(api);
      const { mac } = await api.generateMac({ key, message: TEXT });
      return [await api.verifyMac({ key, message: TEXT, mac }), await api.verifyMac({ key, message: TEXT, mac: TEXT })];
    },
  ],
  deriveSharedSecret: [
    KEY_USERS,
    async (api) => {
      const { id } = await api.createKey({ spec: 'X25519' });
      return api.deriveSharedSecret({ key: id, publicKey: PEER });
    },
  ],
  encapsulate: [
    KEY_USERS,
    async (api) => {
      const { id } = await api.createKey({ spec: 'ML-KEM-512' });
      return api.encapsulate({ key: id });
    },
  ],
  decapsulate: [
    KEY_USERS,
    async (api) => {
      const { id } = await api.createKey({ spec: 'ML-KEM-512' });
      const { ciphertext } = await api.encapsulate({ key: id });
      return api.decapsulate({ key: id, ciphertext });
    },
  ],
  encryptBatch: [
    KEY_USERS,
    async (api) =>
      api.encryptBatch({ key: await aes(api), items: [{ plaintext: TEXT }, { plaintext: new Uint8Array(5000) }] }),
  ],
  decryptBatch: [
    KEY_USERS,
    async (api) => {
      const key = await aes(api);
      const { ciphertext } = await api.encrypt({ key, plaintext: TEXT });
      return api.decryptBatch({ key, items: [{ ciphertext }, { ciphertext: TEXT }] });
    },
  ],
  signBatch: [
    KEY_USERS,
    async (api) => {
      const { results } = await api.signBatch({ key: await p256(api), items: [{ message: TEXT }, { digest: TEXT }] });
      return results.map((result) => ('output' in result ? sized(result.output, 'signature') : result));
    },
  ],
  verifyBatch: [
    KEY_USERS,
    async (api) =>
      api.verifyBatch({ key: await p256(api), items: [{ message: TEXT, signature: TEXT }, { signature: TEXT }] }),
  ],
  rotateKey: [KEY_USERS, async (api) => api.rotateKey({ key: await aes(api) })],
  setKeyRotation: [KEY_USERS, async (api) => api.setKeyRotation({ key: await aes(api), periodDays: 90 })],
  activateKey: [
    KEY_USERS,
    async (api) => api.activateKey({ key: (await api.createKey({ spec: 'P-256', state: 'PreActive' })).id }),
  ],
  enableKey: [KEY_USERS, async (api) => api.enableKey({ key: await aes(api) })],
  disableKey: [KEY_USERS, async (api) => api.disableKey({ key: await aes(api) })],
  deactivateKey: [KEY_USERS, async (api) => api.deactivateKey({ key: await aes(api) })],
  compromiseKey: [KEY_USERS, async (api) => api.compromiseKey({ key: await aes(api) })],
  scheduleKeyDeletion: [
    KEY_USERS,
    async (api) => api.scheduleKeyDeletion({ key: await aes(api), pendingWindowDays: 9 }),
  ],
  cancelKeyDeletion: [
    KEY_USERS,
    async (api) => {
      const key = await aes(api);
      await api.scheduleKeyDeletion({ key });
      return api.cancelKeyDeletion({ key });
    },
  ],
  tagKey: [KEY_USERS, async (api) => api.tagKey({ key: await aes(api), tags: { b: '2', a: '1' } })],
  untagKey: [
    KEY_USERS,
    async (api) => {
      const { id } = await api.createKey({ spec: 'P-256', tags: { a: '1', b: '2' } });
      return api.untagKey({ key: id, tagKeys: ['a', 'none'] });
    },
  ],
  getParametersForImport: [
    KEY_USERS,
    async (api) =>
      api.getParametersForImport({ key: await external(api), algorithm: 'RSAES_OAEP_SHA_1', wrappingKeyBits: 2048 }),
  ],
  importKeyMaterial: [
    KEY_USERS,
    async (api) => {
      const key = await external(api);
      const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
      return api.importKeyMaterial({ key, ...(await wrapFor(api, key, MATERIAL)), expiresAt });
    },
  ],
  deleteImportedKeyMaterial: [
    KEY_USERS,
    async (api) => {
      const key = await external(api);
      await api.importKeyMaterial({ key, ...(await wrapFor(api, key, MATERIAL)) });
      return api.deleteImportedKeyMaterial({ key });
    },
  ],
  createAlias: [KEY_USERS, async (api) => api.createAlias({ name: 'parity/one', key: await aes(api) })],
  listAliases: [
    KEY_USERS,
    async (api) => {
      const key = await aes(api);
      await api.createAlias({ name: 'parity/two', key });
      return api.listAliases({ key });
    },
  ],
  updateAlias: [
    KEY_USERS,
    async (api) => {
      await api.createAlias({ name: 'parity/three', key: await aes(api) });
      return api.updateAlias({ name: 'parity/three', key: await aes(api) });
    },
  ],
  deleteAlias: [
    KEY_USERS,
    async (api) => {
      await api.createAlias({ name: 'parity/four', key: await aes(api) });
      return api.deleteAlias({ name: 'parity/four' });
    },
  ],
  createToken: [['security-officer'], (api) => api.createToken({ name: 't', roles: ['auditor'] })],
  listTokens: [
    ['security-officer'],
    async (api) => {
      await api.createToken({ name: 't', roles: ['auditor'] });
      const { tokens } = await api.listTokens({ limit: 1000 });
      return Object.keys(tokens.at(-1)!);
    },
  ],
  revokeToken: [
    ['security-officer'],
    async (api) => api.revokeToken({ id: (await api.createToken({ name: 't', roles: ['auditor'] })).id }),
  ],
  // The library acts for one tenant, without the system scope.
  createTenant: [['security-officer'], refusal((api) => api.createTenant({ name: 'other' }))],
  listTenants: [['security-officer'], refusal((api) => api.listTenants())],
  generateRandom: [['crypto-user'], (api) => api.generateRandom({ bytes: 16 })],
  listAuditRecords: [
    AUDITORS,
    async (api) => {
      await api.generateRandom({ bytes: 1 });
      const { records } = await api.listAuditRecords({ operation: 'GenerateRandom', outcome: 'OK', limit: 1 });
      // Where a call came from is what the two differ in.
      const { index: _i, source: _s, principal: _p, latencyUs, ...record } = records[0]!;
      return [record, typeof latencyUs];
    },
  ],
  listAlerts: [
    ['auditor'],
    async (api) => {
      // Only a server watches.
      const { watching: _, alerts: _a, rules, channels } = await api.listAlerts();
      return [rules.map(({ firing: _f, ...rule }) => rule), channels];
    },
  ],
  testAlerts: [['security-officer'], refusal((api) => api.testAlerts())],
  getAuditLogKey: [['auditor'], async (api) => /^[^+]+\+[0-9a-f]{8}\+[\w+/]{44}\n$/.test(await api.getAuditLogKey())],
  getAuditCheckpoint: [['auditor'], async (api) => (await api.getAuditCheckpoint()).split('\n').length],
  listAuditCheckpoints: [
    ['auditor'],
    async (api) => (await api.listAuditCheckpoints({ after: 0, limit: 1 })).split('\n').length,
  ],
  getAuditTile: [['auditor'], (api) => api.getAuditTile({ tile: '0/000.p/1' })],
  // The library has no system scope where it does not say so.
  getAuditEntries: [['auditor'], refusal((api) => api.getAuditEntries({ tile: '000.p/1' }))],
  getAuditOpenings: [['auditor'], refusal((api) => api.getAuditOpenings({ tile: '000.p/1' }))],
  proveAuditInclusion: [['auditor'], (api) => api.proveAuditInclusion({ index: 1, size: 3 })],
  proveAuditConsistency: [['auditor'], (api) => api.proveAuditConsistency({ from: 1, to: 3 })],
  getAuditReceipt: [
    AUDITORS,
    async (api) => {
      await api.generateRandom({ bytes: 1 });
      const { records } = await api.listAuditRecords({ operation: 'GenerateRandom', outcome: 'OK', limit: 1 });
      return Object.keys(await api.getAuditReceipt({ requestId: records[0]!.requestId }));
    },
  ],
  redactAuditRecords: [
    ['security-officer'],
    refusal((api) => api.redactAuditRecords({ before: '2020-01-01T00:00:00Z' })),
  ],
  rewrap: [KEY_USERS, refusal(async (api) => api.rewrap({ key: await aes(api), ciphertext: TEXT }))],
  addKeyBacking: [KEY_USERS, refusal(async (api) => api.addKeyBacking({ key: await aes(api), provider: 'software' }))],
  removeKeyBacking: [
    KEY_USERS,
    refusal(async (api) => api.removeKeyBacking({ key: await aes(api), provider: 'elsewhere' })),
  ],
  repairKeyBackings: [KEY_USERS, refusal(async (api) => api.repairKeyBackings({ key: await aes(api) }))],
  clearProvider: [['security-officer'], refusal((api) => api.clearProvider({ provider: 'elsewhere' }))],
  explainPolicy: [['auditor'], (api) => api.explainPolicy({ action: 'ListKeys' })],
  getHealth: [['auditor'], (api) => api.getHealth()],
  getMetrics: [
    ['auditor'],
    async (api) => (await api.getMetrics()).split('\n').filter((line) => line.startsWith('# TYPE claviger_audit')),
  ],
};

describe('the library and the client give the same', () => {
  for (const name of OPERATION_KEYS) {
    test(name, async () => {
      const [roles, scenario] = SCENARIOS[name];
      const [library, client] = await both(...roles);
      assert.deepEqual(comparable(await scenario(library)), comparable(await scenario(client)));
    });
  }
});

/** Refusals whose code, reason and words are compared. */
const REFUSALS: readonly (readonly [claim: string, call: Scenario])[] = [
  ['an unknown key', (api) => api.describeKey({ key: 'alias:nobody' })],
  ['a malformed ARN', (api) => api.describeKey({ key: 'arn:aws:kms' })],
  ['a wrong usage', async (api) => api.encrypt({ key: await p256(api), plaintext: TEXT })],
  [
    'a wrong algorithm',
    async (api) => api.sign({ key: await p256(api), message: TEXT, algorithm: 'ML_DSA_SHAKE_256' }),
  ],
  ['a long plaintext', async (api) => api.encrypt({ key: await aes(api), plaintext: new Uint8Array(4097) })],
  ['a short digest', async (api) => api.sign({ key: await p256(api), digest: TEXT })],
  ['neither message nor digest', async (api) => api.sign({ key: await p256(api) })],
  ['noise', async (api) => api.decrypt({ key: await aes(api), ciphertext: new Uint8Array(100) })],
  ['a state', async (api) => api.activateKey({ key: await aes(api) })],
  ['a window', async (api) => api.scheduleKeyDeletion({ key: await aes(api), pendingWindowDays: 3 })],
  ['an alias that is not there', (api) => api.deleteAlias({ name: 'nobody' })],
  ['an alias name', async (api) => api.createAlias({ name: 'no good', key: await aes(api) })],
  ['a cursor', (api) => api.listKeys({ cursor: 'nonsense' })],
  ['a right', (api) => api.createToken({ name: 't', roles: ['auditor'] })],
  ['a tag', async (api) => api.tagKey({ key: await aes(api), tags: { 'aws:x': '1' } })],
  [
    'an import token',
    async (api) => api.importKeyMaterial({ key: await external(api), importToken: TEXT, encryptedKeyMaterial: TEXT }),
  ],
  ['a policy', (api) => api.explainPolicy({ action: 'ListKeys' })],
];

describe('the library and the client refuse in the same words', () => {
  for (const [claim, call] of REFUSALS) {
    test(claim, async () => {
      const [library, client] = await both(...KEY_USERS);
      assert.deepEqual(comparable(await refusal(call)(library)), comparable(await refusal(call)(client)));
    });
  }
});

async function external(api: ClavigerApi): Promise<string> {
  return (await api.createKey({ spec: 'P-256', origin: 'external' })).id;
}

/** What a refused call says. */
function refusal(call: Scenario): Scenario {
  return async (api) => {
    const error = await call(api).then(
      () => assert.fail('was not refused'),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof ClavigerError);
    const { name, code, reason, message, http, aws, disposition } = error;
    return { name, code, reason, message, http, aws, disposition };
  };
}

/** DER signatures differ in length from one to the next. */
function sized<T extends object>(output: T, field: keyof T): object {
  const { length } = output[field] as Uint8Array;
  return { ...output, [field]: length >= 66 && length <= 72 };
}

/** A value without what is another each time: ids, accounts, times, and bytes but for how many there are. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof ClavigerError) return { code: value.code, message: comparable(value.message) };
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return Object.fromEntries(fields.map(([name, field]) => [name, comparable(field)]));
  }
  if (typeof value !== 'string') return value;
  return value
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID')
    .replaceAll(/\b\d{12}\b/g, 'ACCOUNT')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/clv_[\w-]{66}/g, 'TOKEN')
    .replaceAll(/-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----/g, 'PEM')
    .replaceAll(/library\/[a-z+-]+/g, 'ID')
    .replaceAll(/^[\w-]{43}$/g, 'BASE64URL')
    .replaceAll(/^[\w+/]{43}=$/g, 'BASE64');
}
