/**
 * The test server for Azure with certificates of its own, and providers that are connected to it.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AzureKeyVaultProvider,
  azureKeyVaultSchema,
  type AzureKeyVaultConfig,
} from '../../src/providers/azure-key-vault/index.ts';
import type { Transport } from '../../src/providers/azure-key-vault/client.ts';
import type { CallOptions } from '../../src/providers/provider.ts';
import { startAzure, type AzureOptions, type AzureServer } from '../../tools/peers/azure/server.ts';
import { newAuthority } from './certificates.ts';

export interface Azure {
  readonly server: AzureServer;
  /** The authority that has signed the server's certificate. */
  readonly caFile: string;
  readonly folder: string;
  /** A configuration with the client's secret, and what else is given. */
  config(more?: Readonly<Record<string, unknown>>): AzureKeyVaultConfig;
  provider(more?: Readonly<Record<string, unknown>>, transport?: Transport): Promise<AzureKeyVaultProvider>;
  close(): Promise<void>;
}

/** Time for one call, long enough for a slow machine. */
const CALL_MS = 10_000;

export function call(timeoutMs: number = CALL_MS): CallOptions {
  return { signal: AbortSignal.timeout(timeoutMs), timeoutMs };
}

export async function newAzure(openssl: string, options: Partial<AzureOptions> = {}): Promise<Azure> {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-azure-'));
  const authority = newAuthority(openssl, folder, 'azure');
  // The server is reached by its address, and by the public name that ids of keys have.
  const files = authority.issue('server', `127.0.0.1,DNS:*.vault.azure.net`);
  const server = await startAzure({
    certificate: readFileSync(files.certificate, 'utf8'),
    key: readFileSync(files.key, 'utf8'),
    ...options,
  });
  const opened: AzureKeyVaultProvider[] = [];
  const config = (more: Readonly<Record<string, unknown>> = {}): AzureKeyVaultConfig => {
    const { vaultUrl, authorityHost, tenantId, clientId, clientSecret } = server;
    return azureKeyVaultSchema.parse({
      kind: 'azure-key-vault',
      name: 'azure',
      vaultUrl,
      managedHsm: options.managedHsm ?? false,
      credential: { kind: 'client-secret', tenantId, clientId, clientSecret, authorityHost },
      caFile: authority.ca,
      disableChallengeResourceVerification: true,
      timeoutMs: CALL_MS,
      ...more,
    });
  };
  return {
    server,
    caFile: authority.ca,
    folder,
    config,
    provider: async (more, transport) => {
      const provider = await AzureKeyVaultProvider.open(config(more), transport);
      opened.push(provider);
      return provider;
    },
    close: async () => {
      for (const provider of opened) await provider.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
