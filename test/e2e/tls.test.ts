import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type DetailedPeerCertificate, type SecureVersion } from 'node:tls';
import { silentLog } from '../../src/ports/log.ts';
import { parseConfig } from '../../src/server/config.ts';
import { runServe, type RunningServer } from '../../src/server/run.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { removeFolder, testFolder } from '../support/server.ts';

const folder = testFolder();
let server: RunningServer | null = null;
before(async (t) => {
  const openssl = await requirePeer(t as never, 'openssl');
  if (openssl === null) return;
  newCertificate(openssl.program, 'first');
  server = await runServe({ config: config('127.0.0.1'), log: silentLog });
});
after(async () => {
  server?.stop();
  await server?.stopped;
  removeFolder(folder);
});

function config(address: string): ReturnType<typeof parseConfig> {
  const yaml = `
listen: { address: "${address}", port: 0 }
tls: { certificate: cert.pem, key: key.pem }
store: { folder: data }
seal: { kind: file, path: root.key }
`;
  return parseConfig(yaml, folder, {});
}

function newCertificate(openssl: string, name: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', join(folder, 'key.pem')];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync(openssl, ['req', '-x509', ...key, ...subject, '-days', '2', '-out', join(folder, 'cert.pem')], {
    stdio: 'ignore',
  });
}

function handshake(maxVersion: SecureVersion = 'TLSv1.3'): Promise<{ name: string; version: string | null }> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host: '127.0.0.1', port: Number(new URL(server!.url).port), rejectUnauthorized: false, maxVersion },
      () => {
        const { subject } = socket.getPeerCertificate() as DetailedPeerCertificate;
        resolve({ name: String(subject.CN), version: socket.getProtocol() });
        socket.end();
      },
    );
    socket.on('error', reject);
  });
}

test('the server speaks TLS 1.3, and nothing older unless configured', async (t) => {
  if (server === null) return t.skip('openssl is missing');
  assert.match(server.url, /^https:/);
  assert.equal((await handshake()).version, 'TLSv1.3');
  await assert.rejects(handshake('TLSv1.2'));
});

test('a new certificate is taken over without a restart, and a broken one leaves the old one', async (t) => {
  if (server === null) return t.skip('openssl is missing');
  assert.equal((await handshake()).name, 'first');
  newCertificate('openssl', 'second');
  process.emit('SIGHUP');
  assert.equal((await handshake()).name, 'second');
  writeFileSync(join(folder, 'cert.pem'), 'broken');
  process.emit('SIGHUP');
  assert.equal((await handshake()).name, 'second');
});

test('plain HTTP on an address that is not loopback is refused, unless told', async () => {
  const open = parseConfig(
    'listen: { address: "0.0.0.0", port: 0 }\nstore: { folder: other }\nseal: { kind: file, path: other.key }',
    folder,
    {},
  );
  await assert.rejects(runServe({ config: open, log: silentLog }), {
    code: 'INVALID_ARGUMENT',
    message: /not a loopback address.*--insecure-http/s,
  });
  const told = await runServe({ config: open, log: silentLog, insecureHttp: true });
  assert.match(told.url, /^http:\/\/0\.0\.0\.0:/);
  told.stop();
  assert.equal(await told.stopped, 0);
});

test('serve does not start without an explicit seal', async () => {
  const unsealed = parseConfig('store: { folder: none }', folder, {});
  await assert.rejects(runServe({ config: unsealed, log: silentLog }), { message: /set `seal` in the configuration/ });
});

test('serve hands a security officer and an application pair out once, and the officer cannot use keys', async () => {
  const yaml = 'listen: { port: 0 }\nstore: { folder: once }\nseal: { kind: file, path: once.key }';
  const first = await runServe({ config: parseConfig(yaml, folder, {}), log: silentLog });
  const { token } = first.first!;
  const random = (bearer: string): Promise<Response> =>
    fetch(`${first.url}/v1/random`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}` },
      body: '{"bytes":8}',
    });
  assert.equal((await random(token)).status, 403);
  first.stop();
  await first.stopped;
  const second = await runServe({ config: parseConfig(yaml, folder, {}), log: silentLog });
  assert.equal(second.first, null);
  second.stop();
  await second.stopped;
});
