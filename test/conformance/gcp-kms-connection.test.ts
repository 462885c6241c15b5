/** How the `gcp-kms` adapter connects: TLS, tokens that it signs itself, connections that break, and its configuration. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { describe, test, type TestContext } from 'node:test';
import { ClavigerError } from '../../src/errors.ts';
import { openClient } from '../../src/providers/gcp-kms/client.ts';
import { gcpKmsSchema } from '../../src/providers/gcp-kms/index.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { startGcpServer } from '../../tools/peers/gcp/server.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { newAuthority } from '../support/certificates.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { KEY_RING, keyName, openProvider, options, scene } from './gcp-support.ts';

const AES = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', tags: {} } as const;
const EMAIL = 'claviger@acme.iam.gserviceaccount.com';

describe('TLS, and the token of a service account', () => {
  test('the server sees a token that the account signed; the authority of caFile vouches for the server', async (t) => {
    const site = await secureSite(t);
    if (site === null) return;
    const byFile = await site.open({ credentialsFile: site.credentialsFile });
    const bySecret = await site.open({ credentials: readFileSync(site.credentialsFile, 'utf8') });
    for (const provider of [byFile, bySecret]) {
      await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    }
    assert.ok(site.server.calls() > 0);
  });

  test('tokens that are no longer good are PROVIDER_DENIED, and nothing shows the key', async (t) => {
    const site = await secureSite(t);
    if (site === null) return;
    const provider = await site.open({ credentialsFile: site.credentialsFile });
    const { ref } = await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    site.server.expireTokens();
    const caught = await provider
      .key(ref, 'AES-256-GCM')
      .wrap!.wrap(Buffer.alloc(32), {}, options())
      .catch((e: unknown) => e);
    assert.ok(caught instanceof ClavigerError && caught.code === 'PROVIDER_DENIED');
    const shown = `${inspect(caught, { depth: 9 })} ${inspect(provider, { depth: 9 })}`;
    for (const secret of site.secrets) assert.ok(!shown.includes(secret));
    assert.equal((await provider.probe(options())).ok, false);
  });

  test('a server that nobody vouches for is PROVIDER_UNAVAILABLE', async (t) => {
    const site = await secureSite(t);
    if (site === null) return;
    const provider = await openProvider(site.endpoint, { insecure: false, credentialsFile: site.credentialsFile });
    t.after(() => provider.close());
    await assert.rejects(provider.resolve('k', options()), { code: 'PROVIDER_UNAVAILABLE' });
    assert.equal(site.server.calls(), 0);
  });
});

describe('a connection', () => {
  test('that stalls ends calls in time, and goes on when it flows again', async (t) => {
    const { provider: direct, server } = await scene(t);
    const proxy = await startFaultProxy({ target: server, mode: 'tcp' });
    t.after(() => proxy.stop());
    const provider = await openProvider(`${proxy.host}:${proxy.port}`);
    t.after(() => provider.close());
    const { ref } = await direct.lifecycle!.create({ ...AES, name: keyName() }, options());
    const { wrap } = provider.key(ref, 'AES-256-GCM');
    await wrap!.wrap(Buffer.alloc(32), {}, options());
    await proxy.set({ kind: 'stall' });
    await assert.rejects(wrap!.wrap(Buffer.alloc(32), {}, options(150)), { code: 'PROVIDER_TIMEOUT' });
    assert.equal((await provider.probe(options(150))).ok, false);
    await proxy.heal();
    await wrap!.wrap(Buffer.alloc(32), {}, options());
  });

  test('that cannot be made fails at once, and is made when the server is there', async (t) => {
    const port = await freePort();
    const provider = await openProvider(`127.0.0.1:${port}`);
    t.after(() => provider.close());
    const startMs = performance.now();
    await assert.rejects(provider.resolve('k', options()), { code: 'PROVIDER_UNAVAILABLE' });
    assert.ok(performance.now() - startMs < 5000);
    const server = await startGcpServer({ port });
    t.after(() => server.stop());
    for (let tries = 0; ; tries++) {
      const error = (await provider.resolve('k', options()).catch((e: unknown) => e)) as ClavigerError;
      if (error.code === 'KEY_NOT_FOUND') break;
      assert.ok(tries < 50, error.message);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });

  test('to something that does not speak gRPC is PROVIDER_UNAVAILABLE', async (t) => {
    const stranger = createServer((socket) =>
      socket.on('error', () => undefined).end('HTTP/1.1 404 Not Found\r\n\r\n'),
    );
    stranger.listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    t.after(() => stranger.close());
    const provider = await openProvider(`127.0.0.1:${(stranger.address() as AddressInfo).port}`);
    t.after(() => provider.close());
    await assert.rejects(provider.resolve('k', options(2000)), (error: ClavigerError) =>
      ['PROVIDER_UNAVAILABLE', 'PROVIDER_TIMEOUT'].includes(error.code),
    );
  });

  test('is closed more than once, and calls after it are refused', async (t) => {
    const { provider } = await scene(t);
    await provider.probe(options());
    await provider.close();
    await provider.close();
    await assert.rejects(provider.resolve('k', options()), { code: 'PROVIDER_UNAVAILABLE', message: /is closed/ });
  });
});

describe('what is wrong with the configuration is found when it is opened', () => {
  const base = { kind: 'gcp-kms', name: 'gcp', keyRing: KEY_RING } as const;
  test('a file that is not there, credentials that are none, of another universe', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'claviger-gcp-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const missing = join(folder, 'missing.json');
    const open = (config: object): Promise<unknown> => openClient(gcpKmsSchema.parse({ ...base, ...config }));
    await assert.rejects(open({ credentialsFile: missing }), {
      code: 'PROVIDER_MISCONFIGURED',
      message: `provider \`gcp\`: cannot read \`${missing}\`: ENOENT`,
    });
    await assert.rejects(open({ credentials: 'not json, but a secret' }), (error: ClavigerError) => {
      assert.equal(error.code, 'PROVIDER_MISCONFIGURED');
      assert.ok(!inspect(error).includes('a secret'));
      return true;
    });
    const user = { type: 'authorized_user', client_id: 'a', client_secret: 'b', refresh_token: 'c' };
    await assert.rejects(open({ credentials: JSON.stringify({ ...user, universe_domain: 'example.com' }) }), {
      code: 'PROVIDER_MISCONFIGURED',
      message: /set universeDomain to it/,
    });
    await assert.rejects(open({ credentials: JSON.stringify({ ...user, refresh_token: '' }) }), {
      message: /look at refresh_token/,
    });
  });

  test('a variable that would log plaintexts', async (t) => {
    process.env['GOOGLE_SDK_NODE_LOGGING'] = 'kms';
    t.after(() => delete process.env['GOOGLE_SDK_NODE_LOGGING']);
    await assert.rejects(openProvider('127.0.0.1:1'), { code: 'PROVIDER_MISCONFIGURED', message: /unset it/ });
  });
});

interface SecureSite {
  readonly server: Awaited<ReturnType<typeof startGcpServer>>;
  readonly endpoint: string;
  readonly credentialsFile: string;
  readonly secrets: readonly string[];
  readonly open: (config: object) => Promise<Provider>;
}

async function secureSite(t: TestContext): Promise<SecureSite | null> {
  const openssl = await requirePeer(t, 'openssl');
  if (openssl === null) return null;
  const folder = mkdtempSync(join(tmpdir(), 'claviger-gcp-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const authority = newAuthority(openssl.program, folder, 'gcp');
  const files = authority.issue('kms');
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
    publicKeyEncoding: { format: 'pem', type: 'spki' },
  });
  const credentialsFile = join(folder, 'account.json');
  const account = { type: 'service_account', client_email: EMAIL, private_key_id: 'k1', private_key: privateKey };
  writeFileSync(credentialsFile, JSON.stringify(account));
  const server = await startGcpServer({
    tls: { certificate: readFileSync(files.certificate), key: readFileSync(files.key) },
    serviceAccounts: { [EMAIL]: publicKey },
  });
  t.after(() => server.stop());
  const endpoint = `${server.host}:${server.port}`;
  return {
    server,
    endpoint,
    credentialsFile,
    secrets: privateKey.split('\n').slice(1, 4),
    open: async (config) => {
      const provider = await openProvider(endpoint, { insecure: false, caFile: authority.ca, ...config });
      t.after(() => provider.close());
      return provider;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
