/**
 * Servers that speak the protocol of AWS KMS, for the adapter to be tried on: moto, local-kms, and our own.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { KMS } from '@aws-sdk/client-kms';
import { systemRandom } from '../../src/crypto/random.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { silentLog } from '../../src/ports/log.ts';
import { awsKms, awsKmsSchema, type AwsKmsProvider } from '../../src/providers/aws-kms/index.ts';
import type { CallOptions } from '../../src/providers/provider.ts';
import type { ProviderPorts } from '../../src/providers/adapter.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { freePort } from './receiver.ts';
import { startTestServer } from './server.ts';
import { until } from './until.ts';

export interface KmsServer {
  readonly endpoint: string;
  readonly port: number;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  stop(): Promise<void>;
}

const KEYS = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'the-secret-access-key-of-the-tests' };
export const CALL_MS = 10_000;

/** What every call of the tests takes: time enough for a busy machine. */
export function calling(timeoutMs = CALL_MS, signal: AbortSignal = AbortSignal.timeout(timeoutMs)): CallOptions {
  return { signal, timeoutMs };
}

/** Null where the peer is not there, and the test was skipped. */
export async function startMoto(t: TestContext): Promise<KmsServer | null> {
  const peer = await requirePeer(t, 'moto');
  if (peer === null) return null;
  const port = await freePort();
  return startProgram(peer.server, ['-H', '127.0.0.1', '-p', String(port)], port, 'eu-west-1', {});
}

/** Null where the peer is not there, and the test was skipped. */
export async function startLocalKms(t: TestContext): Promise<KmsServer | null> {
  const peer = await requirePeer(t, 'local-kms');
  if (peer === null) return null;
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'claviger-local-kms-'));
  const server = await startProgram(peer.program, [], port, 'eu-west-2', {
    PORT: String(port),
    KMS_REGION: 'eu-west-2',
    KMS_ACCOUNT_ID: '111122223333',
    KMS_DATA_PATH: folder,
    KMS_SEED_PATH: join(folder, 'none.yaml'),
  });
  return {
    ...server,
    stop: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Our own endpoint, with a pair that may do everything. */
export async function startOurs(): Promise<KmsServer> {
  const server = await startTestServer();
  return {
    endpoint: server.endpoint,
    port: Number(new URL(server.endpoint).port),
    region: server.region,
    credentials: { accessKeyId: server.awsAccessKeyId, secretAccessKey: server.awsSecretAccessKey },
    stop: () => server.stop(),
  };
}

/** AWS's own client, for what the adapter is not to be asked. */
export function nativeClient({ endpoint, region, credentials }: KmsServer): KMS {
  // A copy, because the client writes into what it is given.
  return new KMS({ endpoint, region, credentials: { ...credentials } });
}

export const TEST_PORTS: ProviderPorts = { clock: systemClock, random: systemRandom, log: silentLog };

/** The adapter as its configuration opens it. */
export async function openProvider(
  { endpoint, region, credentials }: Pick<KmsServer, 'endpoint' | 'region' | 'credentials'>,
  more: object = {},
  ports: ProviderPorts = TEST_PORTS,
): Promise<AwsKmsProvider> {
  const config = awsKmsSchema.parse({ name: 'aws-main', kind: 'aws-kms', region, endpoint, credentials, ...more });
  return (await awsKms.open(config, ports)) as AwsKmsProvider;
}

async function startProgram(
  program: string,
  args: readonly string[],
  port: number,
  region: string,
  env: Readonly<Record<string, string>>,
): Promise<KmsServer> {
  const child = spawn(program, args, { stdio: 'ignore', env: { PATH: process.env['PATH'], ...env } });
  const endpoint = `http://127.0.0.1:${port}`;
  await until(`${program} answers`, () =>
    fetch(endpoint).then(
      () => true,
      () => child.exitCode !== null,
    ),
  );
  if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
  return {
    endpoint,
    port,
    region,
    credentials: KEYS,
    stop: async () => {
      if (child.exitCode !== null) return;
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}
