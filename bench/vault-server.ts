/**
 * A Vault as it is run in earnest, but on one machine and without TLS, as our server is in the benchmark: a file store,
 * Transit, a file audit device, and a token of a policy that may use Transit alone.
 *
 * @module
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { startVaultServer, type VaultMethod } from '../tools/peers/vault-server.ts';
import type { VaultPaths } from '../tools/peers/vault.ts';

const POLICY = 'path "transit/*" { capabilities = ["create", "read", "update"] }';

export interface VaultServer {
  readonly pid: number;
  readonly port: number;
  /** What a request carries. */
  readonly headers: Readonly<Record<string, string>>;
  /** Calls the API as the token may; gives `data` of the answer. */
  readonly call: (method: VaultMethod, path: string, input?: object) => Promise<Readonly<Record<string, unknown>>>;
  /** Bytes that the audit device has written. */
  readonly auditBytes: () => number;
  readonly stop: () => Promise<void>;
}

/** Starts it on a new folder below `parent`, which is gone when it has stopped. */
export async function startVault(vault: VaultPaths, parent: string): Promise<VaultServer> {
  const server = await startVaultServer(vault, { parent });
  const auditFile = join(server.folder, 'audit.log');
  try {
    await server.call('POST', 'sys/audit/file', { type: 'file', options: { file_path: auditFile } });
    await server.call('POST', 'sys/mounts/transit', { type: 'transit' });
    await server.call('POST', 'sys/policies/acl/bench', { policy: POLICY });
    const { auth } = await server.call('POST', 'auth/token/create', { policies: ['bench'], ttl: '24h' });
    const token = auth!.client_token;
    return {
      pid: server.pid,
      port: server.port,
      headers: { 'x-vault-token': token },
      call: async (method, path, input) => (await server.call(method, path, input, token)).data ?? {},
      auditBytes: () => statSync(auditFile).size,
      stop: server.stop,
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
