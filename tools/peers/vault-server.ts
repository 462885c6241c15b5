/**
 * A Vault that serves, on a store that outlives it: it can be sealed, stopped and started again. With Raft as its store
 * another one can join it as a standby. For tests and the benchmark.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VaultPaths } from './vault.ts';

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 10_000;
/** Of `sys/health`. */
const STATUS_STANDBY = 429;

export interface VaultServerOptions {
  /** A folder of its own is made below this one, and is gone when the server has stopped. */
  readonly parent: string;
  /** Serves TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Raft instead of files: `first` is a cluster of one, and whoever is given another server joins that one's. */
  readonly raft?: 'first' | VaultServer;
}

export type VaultMethod = 'GET' | 'POST' | 'DELETE';

export interface VaultServer {
  readonly pid: number;
  readonly port: number;
  /** `http://127.0.0.1:PORT`, or `https://…` */
  readonly address: string;
  readonly folder: string;
  readonly rootToken: string;
  readonly unsealKey: string;
  /**
   * Calls the API, by default as root; gives the answer, `{}` where it has no body.
   *
   * @throws Error with status and text of a refusal
   */
  readonly call: (method: VaultMethod, path: string, input?: object, token?: string) => Promise<VaultBody>;
  readonly seal: () => Promise<void>;
  readonly unseal: () => Promise<void>;
  /** Ends the process and starts another one on the same store and port, unsealed. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface VaultBody {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly auth?: { readonly client_token: string } | null;
  readonly [field: string]: unknown;
}

/** Starts it, initialised and unsealed, with nothing in it; one that joins another has what that one has. */
export async function startVaultServer(
  vault: VaultPaths,
  { parent, tls, raft }: VaultServerOptions,
): Promise<VaultServer> {
  const folder = mkdtempSync(join(parent, 'claviger-vault-'));
  const port = await freePort();
  // With TLS its API listens in the clear for us as well, beside the port that is asked for.
  const plainPort = tls === undefined ? port : await freePort();
  const clusterPort = await freePort();
  const store = join(folder, 'store');
  mkdirSync(store);
  const plain = {
    address: `127.0.0.1:${plainPort}`,
    cluster_address: `127.0.0.1:${clusterPort}`,
    tls_disable: true,
  };
  const secure = {
    address: `127.0.0.1:${port}`,
    cluster_address: `127.0.0.1:${await freePort()}`,
    tls_cert_file: tls?.certificate,
    tls_key_file: tls?.key,
  };
  const config = {
    storage:
      raft === undefined
        ? { file: { path: store } }
        : { raft: { path: store, node_id: `node-${port}`, performance_multiplier: 1 } },
    listener: [{ tcp: plain }, ...(tls === undefined ? [] : [{ tcp: secure }])],
    disable_mlock: true,
    api_addr: `http://127.0.0.1:${plainPort}`,
    cluster_addr: `https://127.0.0.1:${clusterPort}`,
    log_level: 'error',
  };
  const configFile = join(folder, 'vault.json');
  writeFileSync(configFile, JSON.stringify(config));
  const start = (): ChildProcess =>
    spawn(vault.program, ['server', `-config=${configFile}`], {
      env: { ...process.env, ...vault.env },
      // A node that loses the others says so again and again, and that is what a test wants to see.
      stdio: ['ignore', 'ignore', raft === undefined ? 'inherit' : 'ignore'],
    });
  let child = start();
  // It has no channel to us whose end would tell it that we are gone.
  const abandon = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', abandon);
  const stop = async (): Promise<void> => {
    await end(child);
    process.off('exit', abandon);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until(plainPort, () => true);
    const joins = raft !== undefined && raft !== 'first';
    const { rootToken, unsealKey } = await initialise(plainPort, raft);
    const unseal = async (): Promise<void> => {
      await call(plainPort, '', 'POST', 'sys/unseal', { key: unsealKey });
      await until(plainPort, ({ ok, status }) => ok || (joins && status === STATUS_STANDBY));
    };
    await unseal();
    return {
      get pid() {
        return child.pid!;
      },
      port,
      address: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
      folder,
      rootToken,
      unsealKey,
      call: (method, path, input, token = rootToken) => call(plainPort, token, method, path, input),
      seal: async () => {
        await call(plainPort, rootToken, 'POST', 'sys/seal', {});
      },
      unseal,
      restart: async () => {
        await end(child);
        child = start();
        await until(plainPort, () => true);
        await unseal();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const giveUp = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await exited;
  clearTimeout(giveUp);
}

interface Keys {
  readonly rootToken: string;
  readonly unsealKey: string;
}

async function initialise(port: number, raft: VaultServerOptions['raft']): Promise<Keys> {
  if (raft !== undefined && raft !== 'first') {
    await call(port, '', 'POST', 'sys/storage/raft/join', { leader_api_addr: raft.address });
    return raft;
  }
  const made = await call(port, '', 'POST', 'sys/init', { secret_shares: 1, secret_threshold: 1 });
  const { keys_base64: keys, root_token: rootToken } = made as unknown as { keys_base64: string[]; root_token: string };
  return { rootToken, unsealKey: keys[0]! };
}

/** Waits until its health is so. */
async function until(port: number, isSo: (health: Response) => boolean): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  while (performance.now() < deadline) {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/sys/health`).catch(() => null);
    await answer?.body?.cancel();
    if (answer !== null && isSo(answer)) return;
    await sleep(50);
  }
  throw new Error(`Vault on port ${port} does not become what it should`);
}

async function call(
  port: number,
  token: string,
  method: VaultMethod,
  path: string,
  input?: object,
): Promise<VaultBody> {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/${path}`, {
    method,
    headers: token === '' ? {} : { 'x-vault-token': token },
    ...(input === undefined ? {} : { body: JSON.stringify(input) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Vault answers ${method} ${path} with ${answer.status}: ${text.slice(0, 300)}`);
  return text === '' ? {} : (JSON.parse(text) as VaultBody);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
