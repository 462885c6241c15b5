/**
 * A process that uses keys in every way there is, all of which its parent knows, and gives them up again when it is told.
 *
 * It says `held` once it has used them and still holds some of them, `released` once it should hold none; each time it
 * names them, writes a snapshot of its heap, and waits for a line. Keys are made of names, so that none stands anywhere
 * before it is used.
 *
 * Arguments: a folder, in which `root.key` is the key that is called `root key`.
 */
import { createHash, createPrivateKey } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { writeHeapSnapshot } from 'node:v8';
import { systemRandom } from '../../src/crypto/random.ts';
import { SecretBytes } from '../../src/crypto/secret-bytes.ts';
import { createFieldKeyTables, fields, sqliteDatabase, sqlKeyStore } from '../../src/envelope/fields/index.ts';
import { cachingKeyring, Envelope, rawAesKeyring } from '../../src/envelope/index.ts';
import { FORMATS, seal, unseal } from '../../src/envelope/sealed/index.ts';
import type { Principal } from '../../src/model/principal.ts';
import { execute } from '../../src/operations/execute.ts';
import { OPERATION_KEYS, OPERATIONS, type ClavigerApi } from '../../src/operations/index.ts';
import { ownCall } from '../../src/operations/job-call.ts';
import type { Operation } from '../../src/operations/operation.ts';
import type { Services } from '../../src/operations/services.ts';
import type { Random } from '../../src/ports/random.ts';
import { fileUnseal } from '../../src/seal/root-key.ts';
import { ensureTenants } from '../../src/server/bootstrap.ts';
import { openService } from '../../src/server/open-service.ts';
import { wrapFor } from './import.ts';

/** A key that the parent can make, too: SHA-256 of its name, or HKDF of another one. */
export interface KnownKey {
  readonly name: string;
  readonly derived?: {
    readonly from: string;
    readonly hash: string;
    readonly saltHex: string;
    readonly infoHex: string;
  };
}

const KEY_BYTES = 32;
const NOTHING = Buffer.alloc(0);
const TEXT = Buffer.from('attack at dawn');

const folder = process.argv[2]!;
const keys: KnownKey[] = [];
/** What the next 32 random bytes are for; null where they are nobody's secret. */
let stage: string | null = null;

/** The key of a name; noted, so that it is looked for. */
function known(name: string): Buffer {
  keys.push({ name });
  return unnoted(name);
}

function unnoted(name: string): Buffer {
  return createHash('sha256').update(`known key: ${name}`).digest();
}

function noteDerived(name: string, from: string, hash: string, salt: Buffer, info: Buffer): void {
  keys.push({ name, derived: { from, hash, saltHex: salt.toString('hex'), infoHex: info.toString('hex') } });
}

const random: Random = {
  bytes(length) {
    if (stage === null || length !== KEY_BYTES) return systemRandom.bytes(length);
    return known(`${stage} ${keys.length}`);
  },
};

/** Within it, random keys are known ones; gives the name of the first, too. */
async function during<T>(what: string, run: () => Promise<T>): Promise<{ readonly value: T; readonly name: string }> {
  const before = keys.length;
  stage = what;
  try {
    return { value: await run(), name: keys[before]!.name };
  } finally {
    stage = null;
  }
}

/** The service in this process, on randomness of ours. */
function apiOf(services: Services, principal: Principal): ClavigerApi {
  const run = async (name: (typeof OPERATION_KEYS)[number], input: object): Promise<unknown> => {
    const operation = OPERATIONS[name] as Operation<object, unknown>;
    const answer = await execute(services, operation, ownCall(services, principal, 'library'), input);
    if (answer.kind === 'replay') throw new Error('nothing is replayed');
    return { ...(answer.output as object), ...answer.served };
  };
  const methods = OPERATION_KEYS.map((name) => [name, (input: object = {}) => run(name, input)] as const);
  return Object.fromEntries(methods) as unknown as ClavigerApi;
}

/** Uses keys; gives what gives them up. */
async function work(): Promise<() => Promise<void>> {
  const opened = await openService({
    folder,
    unseal: fileUnseal(join(folder, 'root.key'), random),
    region: 'us-east-1',
    random,
    jobs: false,
  });
  keys.push({ name: 'root key' });
  const { value: tenant, name: tenantKey } = await during('tenant key', () =>
    ensureTenants(opened.services, [{ name: 'default' }]),
  );
  noteDerived('key of fingerprints', tenantKey, 'sha256', NOTHING, Buffer.from('claviger/fingerprint/v1'));
  noteDerived('key of seals of wraps', tenantKey, 'sha256', NOTHING, Buffer.from('claviger/wrap-seal/v1'));
  const api = apiOf(opened.services, {
    id: 'library/shop',
    name: 'shop',
    tenantId: tenant.id,
    roles: ['key-administrator', 'crypto-user'],
    systemScope: false,
    via: 'library',
  });
  const aes = await keystore(api);
  await imports(api);
  const raw = rawKeyring();
  await messages(raw);
  const cache = await cachedMessages(raw);
  const customers = await fieldValues(api, aes);
  await sealedFile(api, aes);
  const held = new SecretBytes(known('held on purpose'));
  return async () => {
    held[Symbol.dispose]();
    cache[Symbol.dispose]();
    customers[Symbol.dispose]();
    await opened.close();
  };
}

/** Keys that are made here; gives the id of one. */
async function keystore(api: ClavigerApi): Promise<string> {
  const { value: aes } = await during('made material', () => api.createKey({ spec: 'AES-256-GCM' }));
  await api.decrypt(await api.encrypt({ key: aes.id, plaintext: TEXT }));
  const { value: mac } = await during('made MAC key', () => api.createKey({ spec: 'HMAC-SHA-256' }));
  await api.generateMac({ key: mac.id, message: TEXT, algorithm: 'HMAC_SHA_256' });
  const { value: dataKey } = await during('data key', () => api.generateDataKey({ key: aes.id }));
  dataKey.plaintext!.fill(0);
  return aes.id;
}

async function imports(api: ClavigerApi): Promise<void> {
  const aes = await imported(api, 'AES-256-GCM', known('imported material'));
  await api.decrypt(await api.encrypt({ key: aes, plaintext: TEXT }));
  const scalar = known('imported scalar');
  const how = { format: 'raw-private', asymmetricKeyType: 'ec', namedCurve: 'P-256' } as const;
  const pkcs8 = createPrivateKey({ key: scalar, ...how }).export({ format: 'der', type: 'pkcs8' });
  scalar.fill(0);
  const ec = await imported(api, 'P-256', pkcs8);
  await api.sign({ key: ec, message: TEXT, algorithm: 'ECDSA_SHA_256' });
}

async function imported(api: ClavigerApi, spec: 'AES-256-GCM' | 'P-256', material: Buffer): Promise<string> {
  const { id } = await api.createKey({ spec, origin: 'external' });
  const wrapped = await wrapFor(api, id, material);
  material.fill(0);
  await api.importKeyMaterial({ key: id, ...wrapped });
  return id;
}

function rawKeyring(): ReturnType<typeof rawAesKeyring> {
  const key = known('raw AES key');
  const keyring = rawAesKeyring({ namespace: 'test', name: 'raw', key, random });
  key.fill(0);
  return keyring;
}

async function messages(keyring: ReturnType<typeof rawAesKeyring>): Promise<void> {
  const envelope = new Envelope({ keyring });
  const { value, name } = await during('data key of a message', () => envelope.encrypt(TEXT));
  const info = Buffer.from('\x04\x78DERIVEKEY', 'latin1');
  noteDerived('key of a message', name, 'sha512', Buffer.from(value.header.messageId), info);
  (await envelope.decrypt(value.message)).plaintext.fill(0);
}

async function cachedMessages(keyring: ReturnType<typeof rawAesKeyring>): Promise<ReturnType<typeof cachingKeyring>> {
  const cache = cachingKeyring(keyring, { ttlMs: 3_600_000 });
  const envelope = new Envelope({ keyring: cache });
  const { value } = await during('cached data key', () => envelope.encrypt(TEXT));
  (await envelope.decrypt(value.message)).plaintext.fill(0);
  return cache;
}

async function fieldValues(api: ClavigerApi, key: string): Promise<Disposable> {
  const database = sqliteDatabase(new DatabaseSync(':memory:'));
  await createFieldKeyTables(database);
  const columns = { email: { type: 'string', index: { normalize: 'email', bits: 32 } } } as const;
  const customers = fields(api, { table: 'customers', row: 'id', columns, key, keys: sqlKeyStore(database) });
  const { value } = await during('field key', () => customers.encrypt({ id: '1', email: 'a@example.com' }));
  await customers.decrypt(value);
  return customers;
}

async function sealedFile(api: ClavigerApi, key: string): Promise<void> {
  const format = FORMATS.json;
  const { value, name } = await during('data key of a file', () =>
    seal(api, '{"a": 1}', { format, keys: [key], random }),
  );
  const { _claviger: metadata } = JSON.parse(value.text) as { readonly _claviger: { readonly file: string } };
  for (const use of ['values', 'mac']) {
    const info = Buffer.from(`claviger/sealed/v1/${use}`);
    noteDerived(`key of a file, for its ${use}`, name, 'sha512', Buffer.from(metadata.file, 'base64url'), info);
  }
  await unseal(api, value.text, { format });
}

/** What nobody holds any more is given back, also by those who learn of it late. */
async function collect(): Promise<void> {
  for (let round = 0; round < 10; round += 1) {
    globalThis.gc!();
    await setImmediate();
  }
}

const input = createInterface({ input: process.stdin });
const lines = input[Symbol.asyncIterator]();

async function pause(word: string): Promise<void> {
  await collect();
  writeHeapSnapshot(join(folder, `${word}.heapsnapshot`));
  await collect();
  process.stdout.write(`${JSON.stringify({ word, keys })}\n`);
  await lines.next();
}

/** By these the parent shows that it finds keys however they are written. */
const texts = (['hex', 'base64', 'base64url'] as const).map((how) => unnoted(`held in ${how}`).toString(how));

let release: (() => Promise<void>) | null = await work();
await pause('held');
await release();
// With it goes what has no end of its own: the raw keyring that stands behind the cache.
release = null;
await pause('released');
input.close();
process.exitCode = texts.every((text) => text.length > KEY_BYTES) ? 0 : 1;
