import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ClavigerApi } from '../../src/index.ts';
import { Claviger, ClavigerError } from '../../src/index.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';

const folder = testFolder();
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
let server: TestServer;
let claviger: Claviger;

before(async () => {
  server = await startTestServer();
  claviger = await Claviger.open({
    folder,
    principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] },
  });
});
after(async () => {
  await claviger.close();
  await server.stop();
  removeFolder(folder);
});

/** What both must answer alike, but for what is random or names the store. */
const CALLS: readonly (readonly [claim: string, (api: ClavigerApi) => Promise<unknown>])[] = [
  [
    'encrypt and decrypt',
    async (api) => {
      const { id } = await api.createKey({ spec: 'AES-256-GCM', description: 'd', tags: { a: 'b' } });
      const { ciphertext, ...made } = await api.encrypt({ key: id, plaintext: bytes('hello'), context: { c: 'd' } });
      const opened = await api.decrypt({ ciphertext, key: id, context: { c: 'd' } });
      const unnamed = await api.decrypt({ ciphertext, context: { c: 'd' } });
      return [ciphertext.length, made.algorithm, made.keyVersion, [...opened.plaintext], [...unnamed.plaintext]];
    },
  ],
  [
    'sign, verify and the public key',
    async (api) => {
      const { id } = await api.createKey({ spec: 'Ed25519' });
      const { signature } = await api.sign({ key: id, message: bytes('m') });
      const good = await api.verify({ key: id, message: bytes('m'), signature });
      const bad = await api.verify({ key: id, message: bytes('n'), signature });
      const { publicKey, pem, jwk } = await api.getPublicKey({ key: id });
      return [
        good.valid,
        good.keyVersion,
        bad.valid,
        bad.keyVersion,
        publicKey.length,
        pem.length,
        Object.keys(jwk).toSorted(),
      ];
    },
  ],
  [
    'batches, with an item that fails',
    async (api) => {
      const { id } = await api.createKey({ spec: 'P-256' });
      const { results } = await api.signBatch({
        key: id,
        items: [{ message: bytes('a') }, { digest: bytes('short') }],
      });
      return results.map((result) =>
        'output' in result ? result.output.algorithm : [result.error.code, result.error.message],
      );
    },
  ],
  [
    'data keys',
    async (api) => {
      const { id } = await api.createKey({ spec: 'AES-256-GCM' });
      const key = await api.generateDataKey({ key: id, bytes: 16 });
      const pair = await api.generateDataKeyPair({ key: id, spec: 'P-384', withoutPlaintext: true });
      return [key.plaintext!.length, key.ciphertext.length, pair.spec, pair.privateKey];
    },
  ],
  [
    'the life of a key',
    async (api) => {
      const key = await api.createKey({ spec: 'HMAC-SHA-256', alias: 'life', state: 'PreActive' });
      const active = await api.activateKey({ key: 'alias:life' });
      const rotated = await api.rotateKey({ key: key.id });
      const disabled = await api.disableKey({ key: key.id });
      const { aliases } = await api.listAliases({ key: key.id });
      const going = await api.scheduleKeyDeletion({ key: key.id, pendingWindowDays: 7 });
      return [
        key.state,
        active.state,
        rotated.primaryVersion,
        disabled.state,
        aliases.map(({ name }) => name),
        typeof going.deletionAt,
      ];
    },
  ],
  ['random bytes', async (api) => (await api.generateRandom({ bytes: 20 })).bytes.length],
];

describe('the in-process service and the REST client answer alike', () => {
  for (const [claim, call] of CALLS) {
    test(claim, async () => {
      assert.deepEqual(await call(claviger), await call(server.client));
    });
  }
});

/** Refusals that both must throw alike. */
const REFUSALS: readonly (readonly [code: string, (api: ClavigerApi) => Promise<unknown>])[] = [
  ['KEY_NOT_FOUND', (api) => api.describeKey({ key: 'alias:nobody' })],
  ['INVALID_ARGUMENT', (api) => api.createKey({ spec: 'P-256', usage: 'mac' })],
  ['INVALID_ARGUMENT', (api) => api.listKeys({ limit: 0 })],
  ['INVALID_ARGUMENT', (api) => api.listKeys({ cursor: 'nonsense' })],
  ['INVALID_CIPHERTEXT', (api) => api.decrypt({ ciphertext: new Uint8Array(100) })],
  ['NOT_FOUND', (api) => api.deleteAlias({ name: 'nobody' })],
  [
    'KEY_USAGE',
    async (api) => {
      const { id } = await api.createKey({ spec: 'P-256' });
      await api.encrypt({ key: id, plaintext: bytes('x') });
    },
  ],
];

describe('the in-process service and the REST client refuse alike', () => {
  for (const [code, call] of REFUSALS) {
    test(`${code}: ${String(call).slice(0, 60)}`, async () => {
      for (const api of [claviger, server.client]) {
        await assert.rejects(call(api), (error) => error instanceof ClavigerError && error.code === code);
      }
    });
  }
});

test('policy and log hold in-process too', async () => {
  const auditor = claviger.as({ name: 'auditor', roles: ['auditor'] });
  await assert.rejects(auditor.createKey({ spec: 'P-256' }), { code: 'PERMISSION_DENIED' });
  const { records } = await auditor.listAuditRecords({ outcome: 'PERMISSION_DENIED' });
  assert.equal(records[0]!.operation, 'CreateKey');
  assert.equal(records[0]!.principal, 'library/auditor');
});

test('roles that conflict are refused in-process as well', async () => {
  assert.throws(() => claviger.as({ name: 'both', roles: ['security-officer', 'crypto-user'] }), {
    code: 'INVALID_ARGUMENT',
  });
});

test('a folder has one owner', async () => {
  await assert.rejects(Claviger.open({ folder, principal: { name: 'second', roles: ['auditor'] } }), {
    code: 'STORE_UNAVAILABLE',
    message: /in use by another process/,
  });
});

test('what was made is there when the folder is opened again, and only with its root key', async () => {
  const other = testFolder();
  const open = (rootKey?: string): Promise<Claviger> =>
    Claviger.open({
      folder: other,
      principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] },
      ...(rootKey === undefined ? {} : { rootKey }),
    });
  const first = await open();
  const { id } = await first.createKey({ spec: 'AES-256-GCM' });
  const { ciphertext } = await first.encrypt({ key: id, plaintext: bytes('kept') });
  await first.close();
  const second = await open();
  assert.deepEqual((await second.decrypt({ ciphertext })).plaintext, Buffer.from('kept'));
  await second.close();
  await assert.rejects(open(`${other}/another.key`), { code: 'SEALED', message: /root key is missing/ });
  removeFolder(other);
});
