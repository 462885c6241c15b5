/**
 * A Vault as it is run in earnest, but on one machine and without TLS, as our server is in the benchmark: a file store,
 * Transit, a file audit device, and a token of a policy that may use Transit alone.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VaultPaths } from '../tools/peers/vault.ts';

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 10_000;
const POLICY = 'path "transit/*" { capabilities = ["create", "read", "update"] }';

export interface VaultServer {
  readonly pid: number;
  readonly port: number;
  /** What a request carries. */
  readonly headers: Readonly<Record<string, string>>;
  /** Calls the API as the token may; gives `data` of the answer. */
  readonly call: (method: 'GET' | 'POST', path: string, input?: object) => Promise<Record<string, unknown>>;
  /** Bytes that the audit device has written. */
  readonly auditBytes: () => number;
  readonly stop: () => Promise<void>;
}

/** Starts it on a new folder below `parent`, which is gone when it has stopped. */
export async function startVault(vault: VaultPaths, parent: string): Promise<VaultServer> {
  const folder = mkdtempSync(join(parent, 'claviger-bench-vault-'));
  const auditFile = join(folder, 'audit.log');
  const port = await freePort();
  mkdirSync(join(folder, 'store'));
  const config = {
    storage: { file: { path: join(folder, 'store') } },
    listener: { tcp: { address: `127.0.0.1:${port}`, tls_disable: true } },
    disable_mlock: true,
    api_addr: `http://127.0.0.1:${port}`,
    log_level: 'error',
  };
  writeFileSync(join(folder, 'vault.json'), JSON.stringify(config));
  const child = spawn(vault.program, ['server', `-config=${join(folder, 'vault.json')}`], {
    env: { ...process.env, ...vault.env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  // It has no channel to us whose end would tell it that we are gone.
  const abandon = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', abandon);
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const giveUp = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await exited;
    clearTimeout(giveUp);
    process.off('exit', abandon);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const token = await setUp(port, auditFile);
    return {
      pid: child.pid!,
      port,
      headers: { 'x-vault-token': token },
      call: (method, path, input) => data(port, token, method, path, input),
      auditBytes: () => statSync(auditFile).size,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** From a store that is empty to a token that may use Transit. */
async function setUp(port: number, auditFile: string): Promise<string> {
  await answering(port);
  const made = (await call(port, '', 'POST', 'sys/init', { secret_shares: 1, secret_threshold: 1 })) as {
    keys_base64: string[];
    root_token: string;
  };
  await call(port, '', 'POST', 'sys/unseal', { key: made.keys_base64[0] });
  const root = made.root_token;
  await call(port, root, 'POST', 'sys/audit/file', { type: 'file', options: { file_path: auditFile } });
  await call(port, root, 'POST', 'sys/mounts/transit', { type: 'transit' });
  await call(port, root, 'POST', 'sys/policies/acl/bench', { policy: POLICY });
  const { auth } = (await call(port, root, 'POST', 'auth/token/create', { policies: ['bench'], ttl: '24h' })) as {
    auth: { client_token: string };
  };
  return auth.client_token;
}

async function answering(port: number): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  while (performance.now() < deadline) {
    // 501 is the answer of one that is not initialised.
    const answer = await fetch(`http://127.0.0.1:${port}/v1/sys/health`).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.status === 501) return;
    await sleep(50);
  }
  throw new Error(`Vault does not answer on port ${port}`);
}

async function data(
  port: number,
  token: string,
  method: 'GET' | 'POST',
  path: string,
  input?: object,
): Promise<Record<string, unknown>> {
  const answer = (await call(port, token, method, path, input)) as { data: Record<string, unknown> } | null;
  return answer?.data ?? {};
}

async function call(port: number, token: string, method: string, path: string, input?: object): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/${path}`, {
    method,
    headers: token === '' ? {} : { 'x-vault-token': token },
    ...(input === undefined ? {} : { body: JSON.stringify(input) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Vault answers ${method} ${path} with ${answer.status}: ${text.slice(0, 300)}`);
  return text === '' ? null : JSON.parse(text);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
