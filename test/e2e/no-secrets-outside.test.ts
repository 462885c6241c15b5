/**
 * A session with many secrets in it, of which nothing may be seen in logs, refusals, metrics or traces.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLog } from '../../src/server/log.ts';
import { startCollector, type Collector } from '../support/collector.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';

const PASSPHRASE = 'correct horse battery staple 47';
const COLLECTOR_KEY = 'collector-key-81237';
const PLAINTEXT = 'plaintext-that-nobody-may-see-5519';
const CONTEXT_VALUE = 'context-value-of-a-patient-3301';
const KEY_MATERIAL = Buffer.from('0123456789abcdef0123456789abcdef');

const folder = testFolder();
const lines: string[] = [];
const refusals: string[] = [];
/** Name → secret. */
const secrets = new Map<string, string>([
  ['passphrase', PASSPHRASE],
  ["the collector's key", COLLECTOR_KEY],
  ['plaintext', PLAINTEXT],
  ['value of an encryption context', CONTEXT_VALUE],
  ['imported key material', KEY_MATERIAL.toString()],
]);
let collector: Collector;
let server: TestServer;
let metrics = '';

before(async () => {
  collector = await startCollector();
  const config = `
seal: { kind: passphrase, path: root.key, passphrase: '\${PASSPHRASE}' }
log: { slowRequestMs: 1 }
telemetry: { traces: { endpoint: ${JSON.stringify(collector.endpoint)}, ratio: 1, headers: { x-key: '\${COLLECTOR_KEY}' } } }
`;
  const write = (line: string): void => void lines.push(line);
  const logs = (['json', 'text'] as const).map((format) => createLog({ format, level: 'info' }, write));
  server = await startTestServer({
    folder,
    config,
    environment: { PASSPHRASE, COLLECTOR_KEY },
    log: { write: (...said) => logs.forEach((log) => log.write(...said)) },
  });
  secrets.set('token', server.token);
  secrets.set("the token's secret part", server.token.slice(-24));
  secrets.set('AWS secret access key', server.awsSecretAccessKey);
  await session();
  metrics = (await server.fetch('GET', '/metrics')).body as string;
  await server.stop();
});
after(async () => {
  await collector.stop();
  removeFolder(folder);
});

/** Something of everything: what goes well, what is refused, what is garbage, and what makes the server say so. */
async function session(): Promise<void> {
  const { client } = server;
  const aes = await client.createKey({ spec: 'AES-256-GCM', description: 'd' });
  const ec = await client.createKey({ spec: 'P-256' });
  const plaintext = Buffer.from(PLAINTEXT);
  const context = { patient: CONTEXT_VALUE };
  const { ciphertext } = await client.encrypt({ key: aes.id, plaintext, context });
  await client.decrypt({ ciphertext, context });
  const { plaintext: dataKey } = await client.generateDataKey({ key: aes.id, bytes: 32 });
  secrets.set('data key', Buffer.from(dataKey!).toString('base64'));
  const { signature } = await client.sign({ key: ec.id, message: plaintext });
  await client.verify({ key: ec.id, message: plaintext, signature });
  const { token } = await client.createToken({ name: 'app', roles: ['crypto-user'] });
  secrets.set('second token', token!);
  const pair = await client.createToken({ name: 'aws', roles: ['crypto-user'], kind: 'aws' });
  secrets.set('second AWS secret', pair.secretAccessKey!);

  const refused = async (method: string, path: string, body?: unknown, options?: object): Promise<void> => {
    const answer = await server.fetch(method, path, body, options);
    assert.ok(answer.status >= 400, `${method} ${path}: ${answer.status}`);
    refusals.push(`${JSON.stringify(answer.body)} ${JSON.stringify([...answer.headers])}`);
  };
  const secretBody = { plaintext: plaintext.toString('base64'), context };
  const changed = { ciphertext: Buffer.from(ciphertext).toString('base64'), context: { patient: 'x' } };
  await refused('POST', `/v1/keys/${aes.id}:decrypt`, changed);
  await refused('POST', `/v1/keys/${aes.id}:encrypt`, { ...secretBody, [PLAINTEXT.slice(0, 3)]: 1 });
  await refused('POST', `/v1/keys/${ec.id}:encrypt`, secretBody);
  await refused('POST', '/v1/keys/alias:nope:encrypt', secretBody);
  await refused('POST', `/v1/keys/${aes.id}:encrypt`, undefined, { raw: `{"plaintext": "${PLAINTEXT}` });
  await refused('POST', `/v1/keys/${aes.id}:encrypt`, { plaintext: [PLAINTEXT] });
  await refused('POST', `/v1/keys/${aes.id}:encrypt`, secretBody, { token: `${server.token.slice(0, -1)}_` });
  await refused('POST', `/v1/keys/${aes.id}:disable`, {}, { token });
  await refused('GET', '/metrics', undefined, { token });
  await refused('POST', '/v1/keys', { spec: 'AES-256-GCM', backings: [{ provider: 'nope' }] });
  const external = await client.createKey({ spec: 'AES-256-GCM', origin: 'external' });
  await refused('POST', `/v1/keys/${external.id}:importKeyMaterial`, {
    importToken: KEY_MATERIAL.toString('base64'),
    encryptedKeyMaterial: KEY_MATERIAL.toString('base64'),
  });
  const aws = await fetch(server.endpoint, {
    method: 'POST',
    headers: {
      'x-amz-target': 'TrentService.Encrypt',
      authorization: `AWS4-HMAC-SHA256 Credential=${server.awsAccessKeyId}/x, Signature=${server.awsSecretAccessKey}`,
    },
    body: JSON.stringify({ Plaintext: PLAINTEXT }),
  });
  refusals.push(`${await aws.text()} ${JSON.stringify([...aws.headers])}`);
}

test('there is something to look at everywhere', () => {
  assert.ok(refusals.length >= 12, String(refusals.length));
  assert.ok(lines.some((line) => line.includes('slow request')));
  assert.ok(metrics.includes('claviger_requests_total'));
  assert.ok(collector.spans().length >= 50, String(collector.spans().length));
});

test('nothing secret is in the server log', () => nowhere(lines.join('\n')));
test('nothing secret is in a refusal', () => nowhere(refusals.join('\n')));
test('nothing secret is in the metrics', () => nowhere(metrics));
test('nothing secret is in the traces', () => nowhere(collector.bodies.join('\n')));

test('the search finds what it looks for, in each of the forms it knows', () => {
  for (const form of formsOf(PLAINTEXT)) assert.throws(() => nowhere(`… ${form} …`), form);
  const credentials = readFileSync(join(folder, 'dev-credentials.json'), 'utf8');
  assert.throws(() => nowhere(credentials));
});

function nowhere(text: string): void {
  for (const [name, secret] of secrets) {
    for (const form of formsOf(secret)) assert.ok(!text.includes(form), `${name} is to be seen`);
  }
}

/** A secret as it is, and in the encodings in which it could get out. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  // The last characters of base64 depend on what follows.
  return [secret, bytes.toString('base64').slice(0, -4), bytes.toString('hex'), encodeURIComponent(secret)];
}
