/** The Transit adapter against the conformance kit, on a real Vault with the policies of the guide. */
import type { KeyObject } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { ConformanceHarness } from '../../src/providers/conformance/index.ts';
import type { SigningAlgorithmName } from '../../src/model/algorithm.ts';
import type { Spec, Usage } from '../../src/model/spec.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { PEERS } from '../../tools/peers/index.ts';
import { findPeer } from '../../tools/peers/peer.ts';
import { askVerifier, requirePeer } from '../../tools/peers/require.ts';
import type { VaultServer } from '../../tools/peers/vault-server.ts';
import { conformanceTests, httpFaults } from '../support/conformance.ts';
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { newToken, openTransit, startTransit } from '../support/transit.ts';

/** Transit's own names of what is made here by hand. */
const TYPES: Readonly<Partial<Record<Spec, object>>> = {
  'AES-256-GCM': { type: 'aes256-gcm96' },
  'RSA-2048': { type: 'rsa-2048' },
  'RSA-3072': { type: 'rsa-3072' },
  'RSA-4096': { type: 'rsa-4096' },
  'P-256': { type: 'ecdsa-p256' },
  'P-384': { type: 'ecdsa-p384' },
  'P-521': { type: 'ecdsa-p521' },
  Ed25519: { type: 'ed25519' },
  'HMAC-SHA-256': { type: 'hmac', key_size: 32 },
  'HMAC-SHA-384': { type: 'hmac', key_size: 48 },
  'HMAC-SHA-512': { type: 'hmac', key_size: 64 },
};

const vault = await findPeer(PEERS.vault);
const go = await findPeer(PEERS.goverify);
const folder = testFolder();
const secrets: string[] = [];
let server: VaultServer;
let proxy: FaultProxy;
let shared: Provider;
let made = 0;

function makeProvider(): Promise<Provider> {
  return openTransit(server, secrets[0]!, { address: proxy.url, timeoutMs: 30_000 });
}

async function create(spec: Spec, _usage: Usage): Promise<string> {
  made += 1;
  const name = `made-by-hand-${made}`;
  await server.call('POST', `transit/keys/${name}`, TYPES[spec]);
  return `${name}@1`;
}

async function verify(alg: SigningAlgorithmName, key: KeyObject, message: Buffer, signature: Buffer): Promise<boolean> {
  const [answer] = await askVerifier(go!.verifier, [
    {
      alg,
      publicKeySpkiBase64: key.export({ format: 'der', type: 'spki' }).toString('base64'),
      messageBase64: message.toString('base64'),
      signatureBase64: signature.toString('base64'),
    },
  ]);
  return answer!.valid === true;
}

const harness: ConformanceHarness = {
  makeProvider,
  sharedProvider: async () => shared,
  admin: {
    create,
    rotate: async (ref) => {
      const [name] = ref.split('@') as [string];
      await server.call('POST', `transit/keys/${name}/rotate`, {});
      const { data } = await server.call('GET', `transit/keys/${name}`);
      return `${name}@${String(data!['latest_version'])}`;
    },
    destroy: async (ref) => {
      const [name] = ref.split('@') as [string];
      await server.call('POST', `transit/keys/${name}/config`, { deletion_allowed: true });
      await server.call('DELETE', `transit/keys/${name}`);
    },
    alias: async (ref) => ref.split('@')[0]!,
  },
  faults: httpFaults(() => proxy, {
    throttled: { status: 429, body: '{"errors":["request path \\"transit/\\": rate limit quota exceeded"]}' },
    failed: { status: 500, body: '{"errors":["internal error"]}' },
    denied: { status: 403, body: '{"errors":["1 error occurred:\\n\\t* permission denied\\n\\n"]}' },
  }),
  references: {
    unknown: ['is-not-there', 'is-not-there@1', 'nor.this_one@7'],
    malformed: [
      '@1',
      'key@',
      'key@0',
      'key@01',
      'key@-1',
      'key@1@2',
      'a/b',
      '../sys/seal',
      'key%2f@1',
      '-key',
      'key.',
      'é@1',
    ],
  },
  secrets,
  ...(go === null ? {} : { verify }),
};

if (vault === null) test('the Transit adapter', async (t) => void (await requirePeer(t, 'vault')));
else {
  before(async () => {
    server = await startTransit(vault, { parent: folder });
    proxy = await startFaultProxy({ target: { port: server.port }, mode: 'http' });
    secrets.push(await newToken(server));
    shared = await makeProvider();
  });
  after(async () => {
    await shared?.close();
    await proxy?.stop();
    await server?.stop();
    removeFolder(folder);
  });
  conformanceTests('vault-transit', harness);
}
