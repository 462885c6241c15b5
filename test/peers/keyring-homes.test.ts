/**
 * One message with a home of each kind: AWS KMS (moto), Vault, a token (SoftHSM), Azure Key Vault and Google Cloud KMS (the
 * protocol servers of tools/peers), a server of Claviger, and an RSA key that lies in a safe.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Envelope, rawRsaKeyring } from '../../src/envelope/index.ts';
import { openHomesKeyring, type HomesKeyringOptions, type KeyringKeyInput } from '../../src/index.ts';
import type { KeyLifecycle, WantedKey } from '../../src/providers/provider.ts';
import { openProvider as openConfigured, providerConfig } from '../../src/providers/registry.ts';
import { startGcpServer } from '../../tools/peers/gcp/server.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { KEY_RING } from '../conformance/gcp-support.ts';
import { newAzure } from '../support/azure.ts';
import { startMoto, TEST_PORTS } from '../support/kms-servers.ts';
import { startTestServer } from '../support/server.ts';
import { newSoftHsm, TOKEN_LABEL } from '../support/softhsm.ts';
import { inTime, newToken, startTransit } from '../support/transit.ts';

type ProviderInput = NonNullable<HomesKeyringOptions['providers']>[number];

const TEXT = Buffer.from('seven homes');
const CONTEXT = { order: '4711' };
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const RECOVERY = { namespace: 'example.org', name: 'recovery' };

test('a message of seven homes opens at each of them alone, and a key that was rotated at its home opens it still', async (t) => {
  const vaultPeer = await requirePeer(t, 'vault');
  const softHsmPeer = await requirePeer(t, 'softhsm');
  const opensslPeer = await requirePeer(t, 'openssl');
  const moto = await startMoto(t);
  if (vaultPeer === null || softHsmPeer === null || opensslPeer === null || moto === null) return;
  t.after(() => moto.stop());
  const folder = mkdtempSync(join(tmpdir(), 'claviger-keyring-homes-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const vault = await startTransit(vaultPeer, { parent: folder });
  t.after(() => vault.stop());
  const azure = await newAzure(opensslPeer.program);
  t.after(() => azure.close());
  const gcp = await startGcpServer();
  t.after(() => gcp.stop());
  const hsm = await newSoftHsm(softHsmPeer);
  t.after(() => hsm.remove());
  const server = await startTestServer();
  t.after(() => server.stop());
  const { arn } = await server.client.createKey({ spec: 'AES-256-GCM', alias: 'orders' });

  const usual = { timeoutMs: 20_000 };
  const { tenantId, clientId, clientSecret, authorityHost, vaultUrl } = azure.server;
  const providers: readonly ProviderInput[] = [
    {
      ...usual,
      name: 'aws',
      kind: 'aws-kms',
      region: moto.region,
      endpoint: moto.endpoint,
      credentials: { ...moto.credentials },
    },
    {
      ...usual,
      name: 'bao',
      kind: 'vault-transit',
      address: vault.address,
      auth: { kind: 'token', token: await newToken(vault) },
    },
    {
      ...usual,
      name: 'hsm',
      kind: 'pkcs11',
      profile: 'softhsm',
      library: softHsmPeer.library,
      tokenLabel: TOKEN_LABEL,
      pin: hsm.pin,
      env: hsm.env,
    },
    {
      ...usual,
      name: 'azure',
      kind: 'azure-key-vault',
      vaultUrl,
      credential: { kind: 'client-secret', tenantId, clientId, clientSecret, authorityHost },
      caFile: azure.caFile,
      disableChallengeResourceVerification: true,
    },
    { ...usual, name: 'gcp', kind: 'gcp-kms', keyRing: KEY_RING, apiEndpoint: `127.0.0.1:${gcp.port}`, insecure: true },
  ];
  const lifecycles = new Map<string, KeyLifecycle>();
  const refs = new Map<string, string>();
  for (const input of providers) {
    const provider = await openConfigured(providerConfig.parse(input), TEST_PORTS);
    t.after(() => provider.close());
    const wanted: WantedKey = {
      spec: 'AES-256-GCM',
      usage: 'encrypt-decrypt',
      name: 'claviger-messages',
      tags: {},
    };
    const { ref } = await provider.lifecycle!.create(wanted, inTime(20_000));
    lifecycles.set(input.name, provider.lifecycle!);
    refs.set(input.name, ref);
  }

  const service: KeyringKeyInput = { service: server.client, key: 'alias:orders' };
  const native = [...refs].map(([provider, ref]): KeyringKeyInput => ({ provider, ref }));
  await using keyring = await openHomesKeyring({
    providers,
    keys: [...native, service, { rsa: { ...RECOVERY, publicKey } }],
    wrapQuorum: 7,
    deadlineMs: 60_000,
  });
  const { message, header } = await new Envelope({ keyring }).encrypt(TEXT, { context: CONTEXT });
  assert.deepEqual(
    header.encryptedDataKeys.map(({ providerId, providerInfo }) => [providerId, Buffer.from(providerInfo).toString()]),
    [
      ['aws-kms', refs.get('aws')],
      ['claviger:vault-transit', refs.get('bao')],
      ['claviger:pkcs11', refs.get('hsm')],
      ['claviger:azure-key-vault', refs.get('azure')],
      ['claviger:gcp-kms', refs.get('gcp')],
      ['aws-kms', arn],
      [RECOVERY.namespace, RECOVERY.name],
    ],
  );

  for (const name of ['bao', 'azure', 'gcp']) {
    const rotated = await lifecycles.get(name)!.rotate!(refs.get(name)!, inTime(20_000));
    assert.notEqual(rotated.ref, refs.get(name), name);
    refs.set(name, rotated.ref);
  }
  for (const only of [...[...refs].map(([provider, ref]): KeyringKeyInput => ({ provider, ref })), service]) {
    await using alone = await openHomesKeyring({ providers, keys: [only], deadlineMs: 60_000 });
    const name = 'provider' in only ? only.provider : 'claviger';
    const { plaintext } = await new Envelope({ keyring: alone }).decrypt(message, { context: CONTEXT });
    assert.deepEqual(plaintext, TEXT, name);
  }
  const safe = new Envelope({ keyring: rawRsaKeyring({ ...RECOVERY, privateKey }) });
  assert.deepEqual((await safe.decrypt(message)).plaintext, TEXT);
});
