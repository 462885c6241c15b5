/**
 * One well-formed request for every route of the API, on keys that fit it: what it asks for makes sense, so that only
 * who asks, and in whose tenant, decides.
 *
 * @module
 */
import { randomUUID } from 'node:crypto';
import type { ClavigerApi } from '../../src/operations/index.ts';
import { ROUTES, type RouteName } from '../../src/wire/index.ts';
import { wrapFor } from './import.ts';
import type { TestAnswer, TestServer } from './server.ts';

const TEXT = Buffer.from('hello').toString('base64');

/** Things of one tenant that requests can name. */
export interface World {
  readonly aes: string;
  readonly p256: string;
  readonly hmac: string;
  readonly ecdh: string;
  readonly kem: string;
  /** Waits for its first material, and has a token for it. */
  readonly external: string;
  /** Waits for its first material. */
  readonly empty: string;
  readonly alias: string;
  readonly token: string;
  readonly ciphertext: string;
  readonly publicKey: string;
  readonly encapsulated: string;
  readonly importToken: string;
  readonly encryptedKeyMaterial: string;
  /** Of a request that the log has. */
  readonly requestId: string;
}

/** Makes a world with a principal that may do everything. */
export async function makeWorld(api: ClavigerApi, alias: string): Promise<World> {
  const made = async (spec: string, usage?: string): Promise<string> =>
    (await api.createKey({ spec: spec as never, usage: usage as never })).id;
  const aes = await made('AES-256-GCM');
  const ecdh = await made('P-256', 'key-agreement');
  const kem = await made('ML-KEM-512');
  const { id: external } = await api.createKey({ spec: 'AES-256-GCM', origin: 'external' });
  const wrapped = await wrapFor(api, external, Buffer.alloc(32, 7));
  await api.createAlias({ name: alias, key: aes });
  return {
    aes,
    p256: await made('P-256'),
    hmac: await made('HMAC-SHA-256'),
    ecdh,
    kem,
    external,
    empty: (await api.createKey({ spec: 'AES-256-GCM', origin: 'external' })).id,
    alias,
    token: (await api.createToken({ name: 'victim', roles: ['approver'] })).id,
    ciphertext: base64((await api.encrypt({ key: aes, plaintext: Buffer.from('hello') })).ciphertext),
    publicKey: base64((await api.getPublicKey({ key: ecdh })).publicKey),
    encapsulated: base64((await api.encapsulate({ key: kem })).ciphertext),
    importToken: base64(wrapped.importToken),
    encryptedKeyMaterial: base64(wrapped.encryptedKeyMaterial),
    requestId: (await api.listAuditRecords({ limit: 1 })).records[0]!.requestId,
  };
}

/** What a route's path names, of a world. */
export type Named = (world: World) => string;

interface CallOf {
  readonly names?: Named;
  readonly body?: (world: World) => object;
  readonly query?: string;
}

const onAes: CallOf = { names: ({ aes }) => aes };

/** Route → what to send. */
export const CALLS: Readonly<Record<RouteName, CallOf>> = {
  createKey: { body: () => ({ spec: 'AES-256-GCM' }) },
  listKeys: {},
  describeKey: onAes,
  updateKey: { ...onAes, body: () => ({ description: 'd' }) },
  getPublicKey: { names: ({ p256 }) => p256 },
  getKeyPolicy: onAes,
  setKeyPolicy: { ...onAes, body: () => ({ policy: null }) },
  encrypt: { ...onAes, body: () => ({ plaintext: TEXT }) },
  decrypt: { ...onAes, body: ({ ciphertext }) => ({ ciphertext }) },
  reEncrypt: { ...onAes, body: ({ ciphertext, aes }) => ({ ciphertext, destinationKey: aes }) },
  generateDataKey: { ...onAes, body: () => ({}) },
  generateDataKeyPair: { ...onAes, body: () => ({ spec: 'Ed25519' }) },
  sign: { names: ({ p256 }) => p256, body: () => ({ message: TEXT }) },
  verify: { names: ({ p256 }) => p256, body: () => ({ message: TEXT, signature: TEXT }) },
  generateMac: { names: ({ hmac }) => hmac, body: () => ({ message: TEXT }) },
  verifyMac: { names: ({ hmac }) => hmac, body: () => ({ message: TEXT, mac: TEXT }) },
  deriveSharedSecret: { names: ({ ecdh }) => ecdh, body: ({ publicKey }) => ({ publicKey }) },
  encapsulate: { names: ({ kem }) => kem, body: () => ({}) },
  decapsulate: { names: ({ kem }) => kem, body: ({ encapsulated }) => ({ ciphertext: encapsulated }) },
  encryptBatch: { ...onAes, body: () => ({ items: [{ plaintext: TEXT }] }) },
  decryptBatch: { ...onAes, body: ({ ciphertext }) => ({ items: [{ ciphertext }] }) },
  signBatch: { names: ({ p256 }) => p256, body: () => ({ items: [{ message: TEXT }] }) },
  verifyBatch: { names: ({ p256 }) => p256, body: () => ({ items: [{ message: TEXT, signature: TEXT }] }) },
  rewrap: { ...onAes, body: ({ ciphertext }) => ({ ciphertext }) },
  addKeyBacking: { ...onAes, body: () => ({ provider: 'software' }) },
  removeKeyBacking: { ...onAes, body: () => ({ provider: 'elsewhere' }) },
  repairKeyBackings: { ...onAes, body: () => ({}) },
  rotateKey: { ...onAes, body: () => ({}) },
  setKeyRotation: { ...onAes, body: () => ({ periodDays: 365 }) },
  activateKey: { ...onAes, body: () => ({}) },
  enableKey: { ...onAes, body: () => ({}) },
  disableKey: { names: ({ hmac }) => hmac, body: () => ({}) },
  deactivateKey: { names: ({ kem }) => kem, body: () => ({}) },
  compromiseKey: { names: ({ ecdh }) => ecdh, body: () => ({}) },
  scheduleKeyDeletion: { names: ({ p256 }) => p256, body: () => ({}) },
  cancelKeyDeletion: { names: ({ p256 }) => p256, body: () => ({}) },
  tagKey: { ...onAes, body: () => ({ tags: { a: '1' } }) },
  untagKey: { ...onAes, body: () => ({ tagKeys: ['a'] }) },
  getParametersForImport: {
    names: ({ empty }) => empty,
    body: () => ({ algorithm: 'RSAES_OAEP_SHA_256', wrappingKeyBits: 2048 }),
  },
  importKeyMaterial: {
    names: ({ external }) => external,
    body: ({ importToken, encryptedKeyMaterial }) => ({ importToken, encryptedKeyMaterial }),
  },
  deleteImportedKeyMaterial: { names: ({ external }) => external, body: () => ({}) },
  createAlias: { body: ({ aes }) => ({ name: `a-${randomUUID()}`, key: aes }) },
  listAliases: {},
  updateAlias: { names: ({ alias }) => alias, body: ({ aes }) => ({ key: aes }) },
  deleteAlias: { names: ({ alias }) => alias },
  createToken: { body: () => ({ name: 'made', roles: ['approver'] }) },
  listTokens: {},
  revokeToken: { names: ({ token }) => token },
  createTenant: { body: () => ({ name: `t-${randomUUID()}` }) },
  listTenants: {},
  generateRandom: { body: () => ({ bytes: 8 }) },
  listAuditRecords: {},
  listAlerts: {},
  testAlerts: { body: () => ({}) },
  getAuditLogKey: {},
  getAuditCheckpoint: {},
  listAuditCheckpoints: {},
  getAuditTile: { names: () => '0/000.p/1' },
  getAuditEntries: { names: () => '000.p/1' },
  getAuditOpenings: { names: () => '000.p/1' },
  proveAuditInclusion: { query: '?index=0' },
  proveAuditConsistency: { query: '?from=1' },
  getAuditReceipt: { names: ({ requestId }) => requestId },
  redactAuditRecords: { body: () => ({ before: '2020-01-01T00:00:00Z' }) },
  explainPolicy: { body: () => ({ action: 'ListKeys' }) },
  getHealth: {},
  clearProvider: { names: () => 'software', body: () => ({}) },
  getMetrics: {},
};

/** Sends the request of a route, with a token; `names` and `body` replace what the world would give. */
export function call(
  server: TestServer,
  route: RouteName,
  world: World,
  token: string,
  other: CallOf = {},
): Promise<TestAnswer> {
  const { method, path } = ROUTES[route];
  const { names, body, query = '' } = { ...CALLS[route], ...other };
  const filled = path.replace(/\{[A-Za-z]+\}/, encodeURIComponent(names?.(world) ?? ''));
  return server.fetch(method, `${filled}${query}`, body?.(world), { token });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
