/**
 * One key in six places at once: AWS KMS (moto), Vault, a PKCS#11 token (SoftHSM), Azure Key Vault and Google Cloud KMS
 * (the protocol servers of tools/peers), and the built-in keystore. Each in turn is stopped, stalled, throttled, cut off in
 * mid-answer and restarted while the key is in use: nobody is refused, and nothing opens to something else.
 *
 * The configuration is a real one, read as a server reads it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemRandom } from '../../src/crypto/random.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { silentLog } from '../../src/ports/log.ts';
import { parseConfig } from '../../src/server/config.ts';
import { groupSetups, openProviders } from '../../src/server/providers-config.ts';
import { startGcpServer, type GcpServer } from '../../tools/peers/gcp/server.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import type { VaultServer } from '../../tools/peers/vault-server.ts';
import { KEY_RING } from '../conformance/gcp-support.ts';
import { newAzure, type Azure } from '../support/azure.ts';
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts';
import { startMoto, type KmsServer } from '../support/kms-servers.ts';
import { openTestService, type TestService } from '../support/service.ts';
import { newSoftHsm, TOKEN_LABEL, type SoftHsm } from '../support/softhsm.ts';
import { newToken, startTransit } from '../support/transit.ts';

/** A home that is called over the network, and what can go wrong with it. */
interface Remote {
  readonly proxy: FaultProxy;
  /** Makes it say that there are too many calls. */
  readonly throttle: () => Promise<void>;
  /** Ends that, where the proxy is not who says it. */
  readonly calm?: () => void;
}

const OUTSIDE = ['aws', 'vault', 'azure', 'gcp'] as const;
const REQUESTS_PER_SECOND = 200;
const FAULT_MS = 1500;

let service: TestService;
let remotes: Readonly<Record<(typeof OUTSIDE)[number], Remote>>;
const stops: (() => unknown)[] = [];
let missing = false;

before(async (context) => {
  const t = context as never;
  const [vaultPeer, softHsmPeer, opensslPeer] = [
    await requirePeer(t, 'vault'),
    await requirePeer(t, 'softhsm'),
    await requirePeer(t, 'openssl'),
  ];
  const moto: KmsServer | null = await startMoto(t);
  if (vaultPeer === null || softHsmPeer === null || opensslPeer === null || moto === null) {
    missing = true;
    return;
  }
  stops.push(() => moto.stop());
  const folder = mkdtempSync(join(tmpdir(), 'claviger-many-homes-'));
  stops.push(() => rmSync(folder, { recursive: true, force: true }));
  const vault: VaultServer = await startTransit(vaultPeer, { parent: folder });
  stops.push(() => vault.stop());
  const azure: Azure = await newAzure(opensslPeer.program);
  stops.push(() => azure.close());
  const gcp: GcpServer = await startGcpServer();
  stops.push(() => gcp.stop());
  const hsm: SoftHsm = await newSoftHsm(softHsmPeer);
  stops.push(() => hsm.remove());

  const proxied = async (port: number, mode: 'tcp' | 'http'): Promise<FaultProxy> => {
    const proxy = await startFaultProxy({ target: { port }, mode });
    stops.push(() => proxy.stop());
    return proxy;
  };
  const aws = await proxied(moto.port, 'http');
  const transit = await proxied(Number(new URL(vault.address).port), 'http');
  const keyVault = await proxied(Number(new URL(azure.server.vaultUrl).port), 'tcp');
  const cloud = await proxied(gcp.port, 'tcp');
  remotes = {
    aws: {
      proxy: aws,
      throttle: () => aws.set({ kind: 'answer', status: 400, body: '{"__type":"ThrottlingException"}' }),
    },
    vault: { proxy: transit, throttle: () => transit.set({ kind: 'answer', status: 429, body: '{"errors":[]}' }) },
    azure: {
      proxy: keyVault,
      throttle: async () => azure.server.faults.set('throttle'),
      calm: () => azure.server.faults.heal(),
    },
    gcp: {
      proxy: cloud,
      throttle: async () => gcp.set({ kind: 'status', status: 'RESOURCE_EXHAUSTED' }),
      calm: () => gcp.heal(),
    },
  };

  const usual = { timeoutMs: 700, attempts: 2, breaker: { failures: 3, openMs: 300 } };
  const { tenantId, clientId, clientSecret, authorityHost } = azure.server;
  const config = parseConfig(
    JSON.stringify({
      providers: [
        {
          ...usual,
          name: 'aws',
          kind: 'aws-kms',
          region: moto.region,
          endpoint: aws.url,
          credentials: { accessKeyId: moto.credentials.accessKeyId, secretAccessKey: '${AWS_SECRET}' },
        },
        {
          ...usual,
          name: 'vault',
          kind: 'vault-transit',
          address: transit.url,
          auth: { kind: 'token', token: '${VAULT_TOKEN}' },
        },
        {
          ...usual,
          name: 'hsm',
          kind: 'pkcs11',
          profile: 'softhsm',
          library: softHsmPeer.library,
          tokenLabel: TOKEN_LABEL,
          pin: '${PIN}',
          env: hsm.env,
        },
        {
          ...usual,
          name: 'azure',
          kind: 'azure-key-vault',
          vaultUrl: `https://127.0.0.1:${keyVault.port}`,
          credential: { kind: 'client-secret', tenantId, clientId, clientSecret: '${AZURE_SECRET}', authorityHost },
          caFile: azure.caFile,
          disableChallengeResourceVerification: true,
        },
        {
          ...usual,
          name: 'gcp',
          kind: 'gcp-kms',
          keyRing: KEY_RING,
          apiEndpoint: `127.0.0.1:${cloud.port}`,
          insecure: true,
        },
      ],
      groups: [
        {
          name: 'all',
          members: ['aws', 'vault', 'hsm', 'software', 'azure', 'gcp'],
          balance: 'least-latency',
          deadlineMs: 10_000,
        },
        { name: 'two', members: ['aws', 'vault'], wrapQuorum: 2 },
      ],
    }),
    '/',
    {
      AWS_SECRET: moto.credentials.secretAccessKey,
      VAULT_TOKEN: await newToken(vault),
      PIN: hsm.pin,
      AZURE_SECRET: clientSecret,
    },
  );
  service = await openTestService({
    providers: await openProviders(config.providers, { clock: systemClock, random: systemRandom, log: silentLog }),
    groups: groupSetups(config.groups),
  });
  stops.push(() => service.remove());
});

after(async () => {
  for (const stop of stops.toReversed()) await stop();
});

/** Uses the key as often as is asked for, until told to stop; each answer is checked, and none may be missing. */
function underLoad(key: string, kept: Uint8Array): { readonly failures: unknown[]; stop(): Promise<number> } {
  const failures: unknown[] = [];
  const running = new Set<Promise<void>>();
  let count = 0;
  const once = async (): Promise<void> => {
    count += 1;
    const text = Buffer.from(`text ${count}`);
    if (count % 2 === 0) {
      const { plaintext } = await service.api.decrypt({ ciphertext: kept });
      assert.equal(Buffer.from(plaintext).toString(), 'kept');
      return;
    }
    const { ciphertext } = await service.api.encrypt({ key, plaintext: text });
    const { plaintext } = await service.api.decrypt({ ciphertext });
    assert.deepEqual(Buffer.from(plaintext), text);
  };
  const timer = setInterval(() => {
    const request = once()
      .catch((error: unknown) => void failures.push(error))
      .finally(() => running.delete(request));
    running.add(request);
  }, 1000 / REQUESTS_PER_SECOND);
  return {
    failures,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(running);
      return count;
    },
  };
}

/** Host processes of the token: children of this one. */
function hostPids(): readonly number[] {
  try {
    return execFileSync('pgrep', ['-P', String(process.pid), '-f', 'pkcs11'], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(Number);
  } catch {
    return [];
  }
}

function signalHosts(signal: NodeJS.Signals): void {
  for (const pid of hostPids()) {
    try {
      process.kill(pid, signal);
    } catch {
      // It is gone already, which is what was wanted.
    }
  }
}

const skipped = (t: { skip(reason: string): void }): boolean => {
  if (missing) t.skip('a peer is missing');
  return missing;
};

suite('a symmetric key in six homes', () => {
  test('is opened by each of them alone', async (t) => {
    if (skipped(t)) return;
    const { id: key } = await service.api.createKey({ spec: 'AES-256-GCM', group: 'all' });
    const made = await service.api.encrypt({ key, plaintext: Buffer.from('kept') });
    assert.deepEqual(await lastMissing(), []);
    for (const name of ['aws', 'vault', 'hsm', 'azure', 'gcp']) {
      const copy = await service.api.createKey({ spec: 'AES-256-GCM', backings: [{ provider: name }] });
      const sealed = await service.api.encrypt({ key: copy.id, plaintext: Buffer.from(name) });
      assert.equal(
        Buffer.from((await service.api.decrypt({ ciphertext: sealed.ciphertext })).plaintext).toString(),
        name,
      );
    }
    assert.equal(
      Buffer.from((await service.api.decrypt({ ciphertext: made.ciphertext })).plaintext).toString(),
      'kept',
    );
  });

  test('is used 200 times a second while each home in turn fails in every way, and nobody is refused', async (t) => {
    if (skipped(t)) return;
    const { id: key } = await service.api.createKey({ spec: 'AES-256-GCM', group: 'all' });
    const { ciphertext } = await service.api.encrypt({ key, plaintext: Buffer.from('kept') });
    const load = underLoad(key, ciphertext);
    for (const name of OUTSIDE) {
      const { proxy, throttle } = remotes[name];
      for (const fault of ['refuse', 'stall', 'cut', 'reset'] as const) {
        await proxy.set(fault === 'cut' ? { kind: 'cut', afterBytes: 20 } : { kind: fault });
        await sleep(FAULT_MS);
        await proxy.heal();
        await sleep(FAULT_MS / 3);
      }
      await throttle();
      await sleep(FAULT_MS);
      await heal(name);
      assert.deepEqual(load.failures.map(String), [], name);
    }
    for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
      assert.ok(hostPids().length > 0, 'there are host processes');
      signalHosts(signal);
      await sleep(FAULT_MS);
      if (signal === 'SIGSTOP') signalHosts('SIGCONT');
      await sleep(FAULT_MS / 3);
    }
    const count = await load.stop();
    assert.deepEqual(load.failures.map(String), []);
    assert.ok(count > 1000, String(count));
    // What failed over stands in the log, and in the numbers.
    assert.match(await service.as('auditor').getMetrics(), /claviger_wraps_missing_total\{provider="aws"\} [1-9]/);
  });

  test('lacks no home for good: rewrap completes what was made while one was down', async (t) => {
    if (skipped(t)) return;
    const { id: key } = await service.api.createKey({ spec: 'AES-256-GCM', group: 'all' });
    await remotes.aws.proxy.set({ kind: 'refuse' });
    const { ciphertext } = await service.api.encrypt({ key, plaintext: Buffer.from('kept') });
    assert.deepEqual(await lastMissing(), ['aws']);
    await heal('aws');
    await answers('aws');
    const whole = await service.api.rewrap({ key, ciphertext });
    assert.ok(whole.ciphertext.length > ciphertext.length);
  });
});

suite('a group of two with a quorum of two', () => {
  test('encrypts no more when one is down, and decrypts still', async (t) => {
    if (skipped(t)) return;
    const { id: key } = await service.api.createKey({ spec: 'AES-256-GCM', group: 'two' });
    const { ciphertext } = await service.api.encrypt({ key, plaintext: Buffer.from('kept') });
    await remotes.vault.proxy.set({ kind: 'refuse' });
    await assert.rejects(service.api.encrypt({ key, plaintext: Buffer.from('new') }), { code: 'ALL_BACKINGS_FAILED' });
    assert.equal(Buffer.from((await service.api.decrypt({ ciphertext })).plaintext).toString(), 'kept');
    await heal('vault');
    await answers('vault');
    await service.api.encrypt({ key, plaintext: Buffer.from('new') });
  });
});

suite('signing keys', () => {
  test('of one pair in a token and in Vault are signed by either', async (t) => {
    if (skipped(t)) return;
    const backings = [{ provider: 'vault' }, { provider: 'hsm' }];
    const { id: key } = await service.api.createKey({ spec: 'P-256', backings });
    const message = Buffer.from('message');
    for (const down of [false, true]) {
      if (down) await remotes.vault.proxy.set({ kind: 'refuse' });
      const { signature } = await service.api.sign({ key, message });
      assert.equal((await service.api.verify({ key, message, signature })).valid, true);
    }
    await heal('vault');
    await answers('vault');
  });

  test('with a pair in each of five homes are signed by any, and all signatures verify', async (t) => {
    if (skipped(t)) return;
    const providers = ['aws', 'vault', 'hsm', 'azure', 'gcp'];
    const backings = providers.map((provider) => ({ provider }));
    const { id: key } = await service.api.createKey({ spec: 'P-256', backings, siblings: true });
    const message = Buffer.from('message');
    const signers = new Set<string>();
    for (const down of [null, ...OUTSIDE]) {
      if (down !== null) await remotes[down].proxy.set({ kind: 'refuse' });
      const { signature } = await service.api.sign({ key, message });
      assert.equal((await service.api.verify({ key, message, signature })).valid, true);
      const { records } = await service.as('auditor').listAuditRecords({ operation: 'Sign', limit: 1 });
      signers.add(records[0]!.provider!);
    }
    assert.ok(signers.size > 1, [...signers].join());
    for (const name of OUTSIDE) await heal(name);
    for (const name of OUTSIDE) await answers(name);
  });
});

async function heal(name: (typeof OUTSIDE)[number]): Promise<void> {
  await remotes[name].proxy.heal();
  remotes[name].calm?.();
}

/** Waits until a provider may be called again. */
async function answers(name: string): Promise<void> {
  const guard = service.services.homes.guards.find((candidate) => candidate.name === name)!;
  let probed = null;
  for (let tries = 0; tries < 100; tries++) {
    probed = await guard.probe();
    if (guard.status().state !== 'open' && probed.ok) return;
    await sleep(100);
  }
  throw new Error(`${name} does not answer again: ${JSON.stringify([guard.status(), probed])}`);
}

async function lastMissing(): Promise<readonly string[]> {
  const { records } = await service.as('auditor').listAuditRecords({ operation: 'Encrypt', limit: 1 });
  return records[0]!.missingHomes ?? [];
}
