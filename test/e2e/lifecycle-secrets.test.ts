/** No secret stands in the files of the store or in the service's messages: not raw, not as hex, not as base64. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import type { LogLevel } from '../../src/ports/log.ts';
import { importInto } from '../support/import.ts';
import { IMPORTABLE, newMaterial } from '../support/material.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { assertNowhere, filesWith, writtenForms } from '../support/store-files.ts';

let server: TestServer;
/** All that the service said to its operator. */
const told: string[] = [];
const secrets: Record<string, Uint8Array> = {};

before(async () => {
  const log = {
    write: (level: LogLevel, message: string, fields: object = {}) =>
      void told.push(`${level} ${message} ${JSON.stringify(fields)} ${inspect(fields, { depth: 9 })}`),
  };
  server = await startTestServer({ config: 'limits: { changesPerSecond: 1000000 }', log });
});
after(() => server.stop());

test('imported material of every spec', async () => {
  for (const spec of IMPORTABLE) {
    const { material, secrets: parts } = newMaterial(spec);
    const { id } = await server.client.createKey({ spec, origin: 'external' });
    await importInto(server.client, id, material);
    for (const [name, part] of Object.entries(parts)) secrets[`${spec}: ${name}`] = part;
  }
  check();
});

test('data keys, private keys of data-key pairs, shared secrets and random bytes', async () => {
  const { client } = server;
  const { id: key } = await client.createKey({ spec: 'AES-256-GCM' });
  secrets['data key'] = (await client.generateDataKey({ key, bytes: 64 })).plaintext!;
  for (const spec of ['RSA-2048', 'P-256', 'ML-DSA-44'] as const) {
    secrets[`data-key pair ${spec}`] = (await client.generateDataKeyPair({ key, spec })).privateKey!;
  }
  const { id: kem } = await client.createKey({ spec: 'ML-KEM-768' });
  const made = await client.encapsulate({ key: kem });
  secrets['encapsulated secret'] = made.sharedSecret;
  await client.decapsulate({ key: kem, ciphertext: made.ciphertext });
  const { id: ecdh } = await client.createKey({ spec: 'X25519' });
  const { publicKey } = await client.getPublicKey({ key: ecdh });
  secrets['agreed secret'] = (await client.deriveSharedSecret({ key: ecdh, publicKey })).sharedSecret;
  secrets['random bytes'] = (await client.generateRandom({ bytes: 32 })).bytes;
  check();
});

test('plaintexts, messages and MACs, and digests by which a plaintext could be guessed', async () => {
  const { client } = server;
  const plaintext = randomBytes(64);
  const message = randomBytes(64);
  const signedMessage = randomBytes(64);
  const { id: aes } = await client.createKey({ spec: 'AES-256-GCM' });
  const { id: rsa } = await client.createKey({ spec: 'RSA-2048', usage: 'encrypt-decrypt' });
  const { id: mac } = await client.createKey({ spec: 'HMAC-SHA-256' });
  const { id: signing } = await client.createKey({ spec: 'P-256' });
  for (const key of [aes, rsa]) {
    const { ciphertext } = await client.encrypt({ key, plaintext });
    await client.decrypt({ key, ciphertext });
    await client.encryptBatch({ key, items: [{ plaintext }, { plaintext }] });
  }
  const { ciphertext } = await client.encrypt({ key: aes, plaintext });
  await client.reEncrypt({ key: aes, ciphertext, destinationKey: aes, destinationContext: { moved: 'yes' } });
  secrets['mac'] = (await client.generateMac({ key: mac, message })).mac;
  await client.verifyMac({ key: mac, message, mac: secrets['mac'] });
  await client.sign({ key: signing, message: signedMessage });
  Object.assign(secrets, { plaintext, message, signedMessage });
  for (const hash of ['sha1', 'sha256', 'sha512']) {
    secrets[`${hash} of the plaintext`] = createHash(hash).update(plaintext).digest();
    secrets[`${hash} of the message`] = createHash(hash).update(message).digest();
  }
  check();
});

test('tokens, AWS secrets and the root key', async () => {
  const { client } = server;
  const token = await client.createToken({ name: 'token', roles: ['crypto-user'] });
  const aws = await client.createToken({ name: 'aws', roles: ['crypto-user'], kind: 'aws' });
  const tenant = await client.createTenant({ name: 'secretive' });
  const root = JSON.parse(readFileSync(join(server.folder, 'root.key'), 'utf8')) as { key: string };
  const ofToken = (text: string): Uint8Array => Buffer.from(text.slice(-43), 'base64url');
  Object.assign(secrets, {
    'token, its text': Buffer.from(token.token!),
    'token, its secret': ofToken(token.token!),
    'secret of the development token': ofToken(server.token),
    'secret of the first token of a tenant': ofToken(tenant.token),
    'AWS secret, its text': Buffer.from(aws.secretAccessKey!),
    'AWS secret, its bytes': Buffer.from(aws.secretAccessKey!, 'base64'),
    'development AWS secret': Buffer.from(server.awsSecretAccessKey),
    'root key': Buffer.from(root.key, 'base64'),
  });
  check();
});

test('what was sent in refused requests', async () => {
  const secret = randomBytes(48);
  const sent = secret.toString('base64');
  secrets['refused plaintext'] = secret;
  const { id } = await server.client.createKey({ spec: 'P-256' });
  for (const [path, body] of [
    [`/v1/keys/${id}:encrypt`, { plaintext: sent }],
    [`/v1/keys/${id}:sign`, { message: sent, digest: sent }],
    [`/v1/keys/${id}:importKeyMaterial`, { importToken: sent, encryptedKeyMaterial: sent }],
    ['/v1/keys', { spec: sent }],
    ['/v1/keys', { spec: 'AES-256-GCM', plaintext: sent }],
    ['/v1/keys/unknown:encrypt', { plaintext: sent }],
  ] as const) {
    const { status } = await server.fetch('POST', path, body);
    assert.ok(status >= 400 && status < 500, path);
  }
  await server.fetch('POST', `/v1/keys/${id}:sign`, undefined, { raw: `{"message":"${sent}` });
  const wrongToken = `clv_${'A'.repeat(22)}_${Buffer.alloc(32, 7).toString('base64url')}`;
  secrets['wrong token'] = Buffer.from(wrongToken);
  assert.equal((await server.fetch('GET', '/v1/keys', undefined, { token: wrongToken })).status, 401);
  check();
});

test('the search finds what is there: the id of a key, a public key, the text of an alias', async () => {
  const { id } = await server.client.createKey({ spec: 'P-256', alias: 'findable-alias' });
  const { publicKey } = await server.client.getPublicKey({ key: id });
  for (const bytes of [id, publicKey, 'findable-alias']) assert.notDeepEqual(filesWith(server.folder, bytes), []);
  assert.throws(() => assertNowhere(server.folder, { it: publicKey }), /it stands in claviger\.db/);
});

test('all of this together, once more', () => {
  assert.ok(Object.keys(secrets).length > 60);
  check();
});

function check(): void {
  assertNowhere(server.folder, secrets);
  const text = told.join('\n');
  for (const [what, secret] of Object.entries(secrets)) {
    for (const [form, bytes] of writtenForms(secret)) {
      assert.ok(!text.includes(bytes.toString()), `${what} was told to the operator, ${form}`);
    }
  }
}
