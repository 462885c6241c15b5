/**
 * `kill -9` in the middle of a change at a home: the log says what was begun, the next start says that it was cut short, and
 * nothing of it is in the store.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { ClavigerClient } from '../../src/client/index.ts';
import { runCli } from '../support/cli.ts';
import { startChildServer, type ChildServer } from '../support/child-server.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { checkLog } from '../support/stored-log.ts';
import { until } from '../support/until.ts';

/** Longer than any of these tests takes. */
const HANG_MS = 60_000;

let folder: string;
let server: ChildServer;
let client: ClavigerClient;
beforeEach(() => {
  folder = testFolder();
});
afterEach(async () => {
  await server.kill();
  removeFolder(folder);
});

/** Starts the server on the same folder, over a home that answers at once and one that takes its time. */
async function start(latencyMs: number): Promise<void> {
  const config = `
providers:
  - { name: quick, kind: fake }
  - { name: slow, kind: fake, latencyMs: ${latencyMs}, timeoutMs: ${HANG_MS} }
groups: [{ name: both, members: [software, quick, slow] }]
`;
  server = await startChildServer(folder, { config });
  client = new ClavigerClient({ endpoint: server.endpoint, token: server.token });
}

type Recorded = Awaited<ReturnType<ClavigerClient['listAuditRecords']>>['records'];

/** Records of an operation, the newest first. */
async function recordsOf(operation: string): Promise<Recorded> {
  return (await client.listAuditRecords({ operation, intents: true })).records;
}

/** Begins a change that hangs at the slow home, and kills the server in it. */
async function killedIn(
  operation: string,
  path: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<void> {
  const answer = fetch(`${server.endpoint}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  }).then(
    ({ status }) => status,
    () => 'no answer',
  );
  await until('the intent is in the log', async () => (await recordsOf(operation))[0]?.phase === 'intent');
  await server.kill();
  assert.equal(await answer, 'no answer');
}

/** The last change of this kind has an intent and the outcome INTERRUPTED, under one request id. */
async function interrupted(operation: string): Promise<Recorded[number]> {
  const [outcome, intent, ...before] = await recordsOf(operation);
  assert.deepEqual([outcome!.phase, outcome!.outcome], ['outcome', 'INTERRUPTED']);
  assert.deepEqual([intent!.phase, intent!.outcome], ['intent', null]);
  for (const field of ['requestId', 'tenant', 'principal', 'operation', 'key', 'provider'] as const) {
    assert.equal(outcome![field], intent![field], field);
  }
  assert.ok(before.every((record) => record.outcome !== 'INTERRUPTED'));
  return intent!;
}

/** As an auditor does it: an export, and the verifier on it. */
async function verified(): Promise<void> {
  const env = { CLAVIGER_ENDPOINT: server.endpoint, CLAVIGER_TOKEN: server.token };
  const key = join(folder, 'log.key');
  const exported = join(folder, 'export');
  for (const args of [
    ['audit', 'key', '-o', key],
    ['audit', 'export', exported],
    ['audit', 'verify', exported, '--key', key],
  ]) {
    const { code, stdout, stderr } = await runCli(args, { cwd: folder, env });
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
  }
}

test('a key that was being made is not there, and the same request can be sent again', async () => {
  await start(HANG_MS);
  const wanted = { spec: 'AES-256-GCM', group: 'both', alias: 'orders' };
  const once = { 'idempotency-key': 'order-4711' };
  await killedIn('CreateKey', '/v1/keys', wanted, once);

  await start(0);
  assert.match(server.stderr(), /a change outside the store was cut short; look for what it may have left/);
  const { key, provider, keyVersion } = await interrupted('CreateKey');
  assert.deepEqual([provider, keyVersion], ['software,quick,slow', 1]);
  assert.ok(server.stderr().includes(key!), 'the server log names what to look for');
  await assert.rejects(client.describeKey({ key: key! }), { code: 'KEY_NOT_FOUND' });
  await assert.rejects(client.describeKey({ key: 'alias:orders' }), { code: 'KEY_NOT_FOUND' });
  assert.deepEqual((await client.listKeys()).keys, []);

  const again = await fetch(`${server.endpoint}/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json', ...once },
    body: JSON.stringify(wanted),
  });
  assert.equal(again.status, 201);
  const made = (await again.json()) as { id: string };
  assert.notEqual(made.id, key);
  const { ciphertext } = await client.encrypt({ key: 'alias:orders', plaintext: Buffer.from('x') });
  assert.equal(Buffer.from((await client.decrypt({ ciphertext })).plaintext).toString(), 'x');
  await verified();

  await server.kill();
  await start(0);
  const outcomes = (await recordsOf('CreateKey')).map(({ outcome }) => outcome);
  assert.deepEqual(outcomes, ['OK', null, 'INTERRUPTED', null], 'one start concludes it, once');
  checkLog(folder);
});

test('a key that was being rotated is as it was before, and one that was losing a home has lost it', async () => {
  await start(0);
  const { id } = await client.createKey({ spec: 'AES-256-GCM', group: 'both' });
  assert.equal(await server.terminate(), 0);

  await start(HANG_MS);
  await killedIn('RotateKey', `/v1/keys/${id}:rotate`, {});
  await start(HANG_MS);
  await interrupted('RotateKey');
  assert.equal((await client.describeKey({ key: id })).primaryVersion, 1);

  await killedIn('RemoveKeyBacking', `/v1/keys/${id}:removeBacking`, { provider: 'slow' });
  await start(0);
  await interrupted('RemoveKeyBacking');
  const [version] = (await client.describeKey({ key: id })).versions;
  assert.deepEqual(version!.providers, ['software', 'quick']);
  const left = version!.backings.find(({ provider }) => provider === 'slow');
  assert.equal(left!.status, 'removed', 'it still shows which native key may be left');
  await assert.rejects(client.removeKeyBacking({ key: id, provider: 'slow' }), { code: 'NOT_FOUND' });
  await verified();
  checkLog(folder);
});
