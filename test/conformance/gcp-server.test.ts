/** The strict server in tools/peers/gcp is as strict as it says, through Google's own client. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { KeyManagementServiceClient } from '@google-cloud/kms';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { type GcpServer, startGcpServer } from '../../tools/peers/gcp/server.ts';
import { keyName, KEY_RING, nativeClient } from './gcp-support.ts';

const INVALID_ARGUMENT = { code: 3 };

describe('the server', () => {
  test('refuses fields that a message does not have, which protobuf would skip', async (t) => {
    const { server } = await start(t);
    const name = `${KEY_RING}/cryptoKeys/k`;
    const bytes = (text: string, field: number): Buffer =>
      Buffer.concat([Buffer.from([(field << 3) | 2, text.length]), Buffer.from(text)]);
    const known = bytes(name, 1);
    assert.equal((await ask(t, server, known, name)).code, 5, 'NOT_FOUND');
    const { code, details } = await ask(t, server, Buffer.concat([known, bytes('x', 15)]), name);
    assert.deepEqual([code, details], [3, 'the request has fields that its definition does not have.']);
    assert.equal((await ask(t, server, known, 'projects/other')).code, 3, 'the route is another');
  });

  test('holds checksums, purposes, sizes and names', async (t) => {
    const { native } = await start(t);
    const aes = await newKey(native, 'ENCRYPT_DECRYPT', 'GOOGLE_SYMMETRIC_ENCRYPTION');
    const mac = await newKey(native, 'MAC', 'HMAC_SHA256');
    const { name } = aes;
    const plaintext = Buffer.from('p');
    await native.encrypt({ name, plaintext });
    await assert.rejects(native.encrypt({ name, plaintext, plaintextCrc32c: { value: 7 } }), {
      ...INVALID_ARGUMENT,
      details: 'The checksum in field plaintext_crc32c did not match the data in field plaintext.',
    });
    await assert.rejects(native.encrypt({ name, plaintext: Buffer.alloc(65_537) }), INVALID_ARGUMENT);
    await assert.rejects(native.encrypt({ name: mac.name, plaintext }), INVALID_ARGUMENT);
    await assert.rejects(native.macSign({ name: `${name}/cryptoKeyVersions/1`, data: plaintext }), INVALID_ARGUMENT);
    await assert.rejects(native.encrypt({ name: 'no/name', plaintext }), INVALID_ARGUMENT);
    const [answer] = await native.encrypt({ name, plaintext });
    assert.deepEqual(
      [answer.verifiedPlaintextCrc32c, answer.verifiedAdditionalAuthenticatedDataCrc32c],
      [false, false],
      'nothing is verified that was not sent',
    );
  });

  test('holds algorithms to purposes and levels, and names to one use', async (t) => {
    const { native } = await start(t);
    await assert.rejects(newKey(native, 'MAC', 'EC_SIGN_P256_SHA256'), INVALID_ARGUMENT);
    await assert.rejects(newKey(native, 'ASYMMETRIC_SIGN', 'EC_SIGN_SECP256K1_SHA256'), INVALID_ARGUMENT);
    const id = keyName();
    await newKey(native, 'MAC', 'HMAC_SHA256', id);
    await assert.rejects(newKey(native, 'MAC', 'HMAC_SHA256', id), { code: 6 });
  });

  test('says of a state in words and in details what it is', async (t) => {
    const { native } = await start(t);
    const key = await newKey(native, 'MAC', 'HMAC_SHA256');
    const name = `${key.name}/cryptoKeyVersions/1`;
    await native.updateCryptoKeyVersion({
      cryptoKeyVersion: { name, state: 'DISABLED' },
      updateMask: { paths: ['state'] },
    });
    await assert.rejects(native.macSign({ name, data: Buffer.from('m') }), (error: ServiceError) => {
      assert.deepEqual([error.code, error.details], [9, `${name} is not enabled, current state is: DISABLED.`]);
      const [{ violations }] = (error as unknown as { statusDetails: [{ violations: object[] }] }).statusDetails;
      assert.deepEqual(JSON.parse(JSON.stringify(violations)), [{ type: 'KEY_DISABLED', subject: name }]);
      return true;
    });
  });

  test('runs as a program that is told what goes wrong', async (t) => {
    const program = spawn(process.execPath, [join(import.meta.dirname, '../../tools/peers/gcp/main.ts')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.after(() => program.kill());
    const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
    const said = async (): Promise<Record<string, unknown>> =>
      JSON.parse((await lines.next()).value as string) as Record<string, unknown>;
    const address = await said();
    const native = nativeClient(address as unknown as GcpServer);
    t.after(() => native.close());
    program.stdin.write('{"set":{"kind":"status","status":"RESOURCE_EXHAUSTED"},"times":1}\n{"calls":true}\n');
    assert.deepEqual(await said(), { calls: 0, log: [] });
    await assert.rejects(native.getKeyRing({ name: KEY_RING }), { code: 8 });
    await assert.rejects(native.getKeyRing({ name: KEY_RING }), { code: 5 });
    const exited = once(program, 'exit');
    program.stdin.end();
    assert.deepEqual(await exited, [0, null]);
  });
});

async function start(
  t: TestContext,
): Promise<{ readonly server: GcpServer; readonly native: KeyManagementServiceClient }> {
  const server = await startGcpServer();
  const native = nativeClient(server);
  t.after(async () => {
    await native.close();
    await server.stop();
  });
  const [parent, keyRingId] = KEY_RING.split('/keyRings/');
  await native.createKeyRing({ parent: parent!, keyRingId: keyRingId!, keyRing: {} });
  return { server, native };
}

async function newKey(
  native: KeyManagementServiceClient,
  purpose: 'ENCRYPT_DECRYPT' | 'MAC' | 'ASYMMETRIC_SIGN',
  algorithm: string,
  cryptoKeyId = keyName(),
): Promise<{ readonly name: string }> {
  const versionTemplate = { algorithm: algorithm as 'HMAC_SHA256' };
  const request = { parent: KEY_RING, cryptoKeyId, cryptoKey: { purpose, versionTemplate } };
  const [{ name }] = await native.createCryptoKey(request);
  return { name: name! };
}

/** GetCryptoKey with a body of our own. */
async function ask(t: TestContext, { host, port }: GcpServer, body: Buffer, route: string): Promise<ServiceError> {
  const client = new Client(`${host}:${port}`, credentials.createInsecure());
  t.after(() => client.close());
  const metadata = new Metadata();
  metadata.set('x-goog-request-params', new URLSearchParams({ name: route }).toString());
  const same = (bytes: Buffer): Buffer => bytes;
  const path = '/google.cloud.kms.v1.KeyManagementService/GetCryptoKey';
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, body, metadata, (error) =>
      error === null ? reject(new Error('it was answered')) : resolve(error),
    );
  });
}
