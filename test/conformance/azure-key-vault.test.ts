/**
 * The adapter for Azure against the conformance kit: a vault, and a Managed HSM with each of its ways to wrap, on the
 * strict server of tools/peers/azure/. Keys are made and changed through Microsoft's SDK, without the adapter.
 */
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { after, before, test } from 'node:test';
import { ClientSecretCredential } from '@azure/identity';
import { KeyClient, type CreateKeyOptions, type JsonWebKey } from '@azure/keyvault-keys';
import type { ConformanceHarness } from '../../src/providers/conformance/index.ts';
import type { Spec, Usage } from '../../src/model/spec.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { PEERS } from '../../tools/peers/index.ts';
import type { Fault } from '../../tools/peers/azure/faults.ts';
import { findPeer } from '../../tools/peers/peer.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { call, newAzure, type Azure } from '../support/azure.ts';
import { conformanceTests } from '../support/conformance.ts';
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts';

const CURVES: Readonly<Partial<Record<Spec, string>>> = {
  'P-256': 'P-256',
  'P-384': 'P-384',
  'P-521': 'P-521',
  secp256k1: 'P-256K',
};
const POLL = { intervalInMs: 10 };

const openssl = await findPeer(PEERS.openssl);

/** What stands behind a harness while its cases run. */
interface Stage {
  azure: Azure;
  proxy: FaultProxy;
  shared: Provider;
  client: KeyClient;
  agent: Agent;
}

function harnessOf(
  stage: Partial<Stage>,
  managedHsm: boolean,
  more: Readonly<Record<string, unknown>>,
): ConformanceHarness {
  const on = stage as Stage;
  const secrets: string[] = [];
  let made = 0;

  const makeProvider = async (): Promise<Provider> => {
    secrets[0] ??= on.azure.server.clientSecret;
    return on.azure.provider({ vaultUrl: `https://127.0.0.1:${on.proxy.port}`, ...more });
  };
  const nameOf = (ref: string): string => ref.split('/')[0]!;
  const versionOf = (ref: string): string => ref.split('/')[1]!;
  const refOf = ({ name, properties }: { name: string; properties: { version?: string } }): string =>
    `${name}/${properties.version}`;

  async function create(spec: Spec, usage: Usage): Promise<string> {
    made += 1;
    const name = `made-by-hand-${made}`;
    const hsm = managedHsm ? '-HSM' : '';
    const keyOps: CreateKeyOptions['keyOps'] =
      usage === 'sign-verify' ? ['sign', 'verify'] : ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];
    if (spec === 'AES-256-GCM' && managedHsm)
      return refOf(await on.client.createKey(name, 'oct-HSM', { keySize: 256, keyOps }));
    if (spec === 'AES-256-GCM')
      return refOf(await on.client.createKey(name, 'RSA', { keySize: 2048, keyOps: ['wrapKey', 'unwrapKey'] }));
    const curve = CURVES[spec];
    if (curve !== undefined) return refOf(await on.client.createKey(name, `EC${hsm}`, { curve, keyOps }));
    return refOf(await on.client.createKey(name, `RSA${hsm}`, { keySize: Number(spec.slice(4)), keyOps }));
  }

  const enable =
    (enabled: boolean) =>
    async (ref: string): Promise<void> =>
      void (await on.client.updateKeyProperties(nameOf(ref), versionOf(ref), { enabled }));
  const fault = (name: Fault) => async (): Promise<void> => on.azure.server.faults.set(name);

  return {
    makeProvider,
    sharedProvider: async () => on.shared,
    admin: {
      create,
      rotate: async (ref) => refOf(await on.client.rotateKey(nameOf(ref))),
      disable: enable(false),
      enable: enable(true),
      destroy: async (ref) => void (await (await on.client.beginDeleteKey(nameOf(ref), POLL)).pollUntilDone()),
      alias: async (ref) => `https://${on.azure.server.publicHost}/keys/${nameOf(ref)}`,
      ...(managedHsm
        ? {
            importKey: async (_spec, _usage, material) => {
              made += 1;
              const jwk: JsonWebKey = { kty: 'oct-HSM', k: material, keyOps: ['encrypt', 'decrypt'] };
              return refOf(await on.client.importKey(`imported-by-hand-${made}`, jwk));
            },
          }
        : {}),
    },
    faults: {
      calls: () => on.azure.server.faults.calls,
      heal: async () => {
        on.azure.server.faults.heal();
        on.azure.server.denied.clear();
        await on.proxy.heal();
      },
      throttle: fault('throttle'),
      fail5xx: fault('fail'),
      hang: fault('stall'),
      reset: fault('reset'),
      cut: fault('cut'),
      nonsense: fault('nonsense'),
      refuse: () => on.proxy.set({ kind: 'refuse' }),
      deny: async () => void on.azure.server.denied.add('*'),
    },
    references: {
      unknown: ['is-not-there', `is-not-there/${'0'.repeat(32)}`],
      malformed: [
        '/',
        'a/b/c',
        'a_b',
        '../keys/a',
        'a%2fb',
        'é',
        'http://127.0.0.1/keys/a',
        'https://team.vault.azure.net/secrets/a',
        'https://u:p@team.vault.azure.net/keys/a',
      ],
    },
    secrets,
  };
}

async function setUp(managedHsm: boolean, more: Readonly<Record<string, unknown>>): Promise<Stage> {
  const azure = await newAzure(openssl!.program, { managedHsm });
  const { server } = azure;
  const proxy = await startFaultProxy({ target: { port: Number(new URL(server.vaultUrl).port) }, mode: 'tcp' });
  const shared = await azure.provider({ vaultUrl: `https://127.0.0.1:${proxy.port}`, ...more });
  // Its sign-in is no call of a case.
  await shared.probe(call());
  const agent = new Agent({ ca: readFileSync(azure.caFile, 'utf8'), keepAlive: true });
  const options = { agent, retryOptions: { maxRetries: 0 } };
  const credential = new ClientSecretCredential(server.tenantId, server.clientId, server.clientSecret, {
    authorityHost: server.authorityHost,
    disableInstanceDiscovery: true,
    ...options,
  });
  const client = new KeyClient(server.vaultUrl, credential, {
    serviceVersion: '7.6',
    disableChallengeResourceVerification: true,
    ...options,
  });
  return { azure, proxy, shared, agent, client };
}

if (openssl === null) test('the adapter for Azure', async (t) => void (await requirePeer(t, 'openssl')));
else {
  for (const [name, managedHsm, more] of [
    ['azure-key-vault, a vault', false, {}],
    ['azure-key-vault, a Managed HSM', true, {}],
    ['azure-key-vault, a Managed HSM with AES-KW', true, { wrapAlgorithm: 'A256KW' }],
  ] as const) {
    const stage: Partial<Stage> = {};
    before(async () => void Object.assign(stage, await setUp(managedHsm, more)));
    after(async () => {
      stage.agent?.destroy();
      await stage.azure?.close();
      await stage.proxy?.stop();
    });
    conformanceTests(name, harnessOf(stage, managedHsm, more));
  }
}
