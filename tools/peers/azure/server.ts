/**
 * A strict imitation of Azure Key Vault and Managed HSM for tests, written from the published REST reference (7.6).
 *
 * Two TLS servers, the vault and the sign-in service, and a control port that is plain HTTP on this machine. It is
 * driven through Microsoft's SDK only. What the reference does not say, and what real services do beside it, it cannot
 * show.
 *
 * @module
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:https';
import type { Server as NetServer } from 'node:net';
import { randomUUID } from 'node:crypto';
import { Authority, type AuthorityIdentity } from './authority.ts';
import { controlApi } from './control.ts';
import { Faults } from './faults.ts';
import { answerTo, textOf, writeHead } from './http.ts';
import { keyVaultApi } from './routes.ts';
import { Vault } from './vault.ts';

export interface AzureOptions {
  /** PEM of the certificate for 127.0.0.1, and of its key. */
  readonly certificate: string;
  readonly key: string;
  readonly managedHsm?: boolean;
  /** Host that the ids of keys name; it differs from the address, as behind a private endpoint. */
  readonly publicHost?: string;
  readonly transitionMs?: number;
}

export interface AzureServer extends AuthorityIdentity {
  readonly vaultUrl: string;
  readonly authorityHost: string;
  readonly controlUrl: string;
  readonly publicHost: string;
  readonly authority: Authority;
  /** Faults of the vault, and of the sign-in service. */
  readonly faults: Faults;
  readonly signInFaults: Faults;
  /** Data actions that are refused: `sign`, `wrapkey`, `list`, …; `*` for all. */
  readonly denied: Set<string>;
  close(): Promise<void>;
}

const HOSTS = {
  vaults: { publicHost: 'claviger-test.vault.azure.net', resource: 'https://vault.azure.net' },
  hsms: { publicHost: 'claviger-test.managedhsm.azure.net', resource: 'https://managedhsm.azure.net' },
} as const;
const TRANSITION_MS = 20;

export async function startAzure(options: AzureOptions): Promise<AzureServer> {
  const { certificate: cert, key, managedHsm = false, transitionMs = TRANSITION_MS } = options;
  const hosts = managedHsm ? HOSTS.hsms : HOSTS.vaults;
  const publicHost = options.publicHost ?? hosts.publicHost;
  const identity: AuthorityIdentity = {
    tenantId: randomUUID(),
    clientId: randomUUID(),
    clientSecret: randomUUID(),
    resource: hosts.resource,
  };
  const authority = new Authority(identity);
  const faults = new Faults(false);
  const signInFaults = new Faults(true);
  const denied = new Set<string>();
  const api = keyVaultApi({
    vault: new Vault({ managedHsm, publicHost, transitionMs }),
    authority,
    managedHsm,
    denied,
  });
  const vaultServer = createServer({ cert, key }, (request, response) => void faults.serve(api, request, response));
  const signInServer = createServer(
    { cert, key },
    (request, response) => void signInFaults.serve(authority.handle, request, response),
  );
  const control = controlApi({ authority, faults, signInFaults, denied });
  const controlServer = createHttpServer((request, response) => {
    void answerTo(control, request).then((answer) => {
      const text = textOf(answer);
      writeHead(response, answer, Buffer.byteLength(text));
      response.end(text);
    });
  });
  const [vaultPort, signInPort, controlPort] = await Promise.all(
    [vaultServer, signInServer, controlServer].map(listen),
  );
  authority.url = `https://127.0.0.1:${signInPort}`;
  return {
    ...identity,
    vaultUrl: `https://127.0.0.1:${vaultPort}`,
    authorityHost: authority.url,
    controlUrl: `http://127.0.0.1:${controlPort}`,
    publicHost,
    authority,
    faults,
    signInFaults,
    denied,
    close: async () => {
      await Promise.all([vaultServer, signInServer, controlServer].map(stop));
    },
  };
}

async function listen(server: NetServer): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(0, '127.0.0.1', resolve);
  await promise;
  return (server.address() as { port: number }).port;
}

async function stop(server: { close(done: () => void): unknown; closeAllConnections(): void }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}
