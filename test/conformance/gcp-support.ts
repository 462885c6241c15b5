/**
 * A provider `gcp-kms` and the strict server that it speaks to, for one test.
 *
 * @module
 */
import { createRequire } from 'node:module';
import type { TestContext } from 'node:test';
import { KeyManagementServiceClient } from '@google-cloud/kms';
import { systemRandom } from '../../src/crypto/random.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { silentLog } from '../../src/ports/log.ts';
import { gcpKms, gcpKmsSchema } from '../../src/providers/gcp-kms/index.ts';
import type { CallOptions, Provider } from '../../src/providers/provider.ts';
import type { ProviderPorts } from '../../src/providers/adapter.ts';
import { type GcpServer, type GcpServerOptions, startGcpServer } from '../../tools/peers/gcp/server.ts';

export const KEY_RING = 'projects/acme/locations/global/keyRings/claviger';
export const PORTS: ProviderPorts = { clock: systemClock, random: systemRandom, log: silentLog };
/** RSA-4096 takes seconds on a busy machine. */
const CALL_MS = 30_000;

export function options(timeoutMs = CALL_MS): CallOptions {
  return { signal: AbortSignal.timeout(timeoutMs), timeoutMs };
}

export interface Scene {
  readonly server: GcpServer;
  readonly provider: Provider;
  /** Another provider on the same server. */
  readonly open: (config?: Readonly<Record<string, unknown>>) => Promise<Provider>;
}

export async function scene(
  t: TestContext,
  config: Readonly<Record<string, unknown>> = {},
  serverOptions: GcpServerOptions = {},
): Promise<Scene> {
  const server = await startGcpServer(serverOptions);
  t.after(() => server.stop());
  const open = async (more: Readonly<Record<string, unknown>> = {}): Promise<Provider> => {
    const provider = await openProvider(`${server.host}:${server.port}`, { ...config, ...more });
    t.after(() => provider.close());
    return provider;
  };
  return { server, provider: await open(), open };
}

export function openProvider(apiEndpoint: string, config: Readonly<Record<string, unknown>> = {}): Promise<Provider> {
  const parsed = gcpKmsSchema.parse({
    kind: 'gcp-kms',
    name: 'gcp',
    keyRing: KEY_RING,
    apiEndpoint,
    insecure: true,
    ...config,
  });
  return gcpKms.open(parsed, PORTS);
}

/** Google's own client, as its users have it. */
export function nativeClient({ host, port }: GcpServer): KeyManagementServiceClient {
  // The gRPC that the client uses: credentials of another copy would not be taken.
  const { grpc, GoogleAuth, googleAuthLibrary } = createRequire(import.meta.resolve('@google-cloud/kms'))(
    'google-gax',
  ) as {
    readonly grpc: { readonly credentials: { createInsecure(): ClientOptions['sslCreds'] } };
    readonly GoogleAuth: new (options: object) => NonNullable<ClientOptions['auth']>;
    readonly googleAuthLibrary: { readonly PassThroughClient: new () => object };
  };
  const auth = new GoogleAuth({ authClient: new googleAuthLibrary.PassThroughClient() });
  return new KeyManagementServiceClient({
    servicePath: host,
    port,
    sslCreds: grpc.credentials.createInsecure()!,
    auth,
  });
}

type ClientOptions = NonNullable<ConstructorParameters<typeof KeyManagementServiceClient>[0]>;

let count = 0;
/** A name that no other key of the test has. */
export function keyName(): string {
  return `key-${process.pid}-${++count}`;
}
