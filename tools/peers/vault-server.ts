/**
 * A Vault that serves: a file store, so that it can be sealed, stopped and started again. For tests and the benchmark.
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

export interface VaultServerOptions {
  /** A folder of its own is made below this one, and is gone when the server has stopped. */
  readonly parent: string;
  /** Serves TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

export type VaultMethod = 'GET' | 'POST' | 'DELETE';

export interface VaultServer {
  readonly pid: number;
  readonly port: number;
  /** `http://127.0.0.1:PORT`, or `https://…` */
  readonly address: string;
  readonly folder: string;
  readonly rootToken: string;
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

/** Starts it, initialised and unsealed, with nothing in it. */
export async function startVaultServer(vault: VaultPaths, { parent, tls }: VaultServerOptions): Promise<VaultServer> {
  const folder = mkdtempSync(join(parent, 'claviger-vault-'));
  const port = await freePort();
  // With TLS its own API listens in the clear for us, beside the port that is asked for.
  const plainPort = tls === undefined ? port : await freePort();
  mkdirSync(join(folder, 'store'));
  const listener = (listensOn: number, more: object): object => ({
    tcp: { address: `127.0.0.1:${listensOn}`, ...more },
  });
  const secure = { tls_cert_file: tls?.certificate, tls_key_file: tls?.key };
  const config = {
    storage: { file: { path: join(folder, 'store') } },
    listener: [listener(plainPort, { tls_disable: true }), ...(tls === undefined ? [] : [listener(port, secure)])],
    disable_mlock: true,
    api_addr: `http://127.0.0.1:${plainPort}`,
    log_level: 'error',
  };
  const configFile = join(folder, 'vault.json');
  writeFileSync(configFile, JSON.stringify(config));
  const start = (): ChildProcess =>
    spawn(vault.program, ['server', `-config=${configFile}`], {
      env: { ...process.env, ...vault.env },
      stdio: ['ignore', 'ignore', 'inherit'],
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
    await answers(plainPort);
    const made = (await call(plainPort, '', 'POST', 'sys/init', { secret_shares: 1, secret_threshold: 1 })) as {
      keys_base64?: readonly string[];
      root_token?: string;
    };
    const rootToken = made.root_token!;
    const unseal = async (): Promise<void> => {
      await call(plainPort, '', 'POST', 'sys/unseal', { key: made.keys_base64![0] });
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
      call: (method, path, input, token = rootToken) => call(plainPort, token, method, path, input),
      seal: async () => {
        await call(plainPort, rootToken, 'POST', 'sys/seal', {});
      },
      unseal,
      restart: async () => {
        await end(child);
        child = start();
        await answers(plainPort);
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

/** It answers something, be it that it is sealed or not initialised. */
async function answers(port: number): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  while (performance.now() < deadline) {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/sys/health`).catch(() => null);
    await answer?.body?.cancel();
    if (answer !== null) return;
    await sleep(50);
  }
  throw new Error(`Vault does not answer on port ${port}`);
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
