/**
 * A server in a process of its own, as a user starts it, so that a test can kill it.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DevCredentials } from '../../src/server/run.ts';

const ROOT = join(import.meta.dirname, '../..');
const START_TIMEOUT_MS = 30_000;

export interface ChildServer extends DevCredentials {
  readonly child: ChildProcess;
  /** What it has written to standard error. */
  stderr(): string;
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>;
  /** Asks it to end; gives the exit code. */
  terminate(): Promise<number | null>;
}

export interface ChildOptions {
  /** YAML that is added to the configuration. */
  readonly config?: string;
  /** Shell commands that run before the server, in its shell: `ulimit`. */
  readonly shell?: string;
  /** Added to its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `claviger dev` on a folder and a free port. */
export async function startChildServer(folder: string, options: ChildOptions = {}): Promise<ChildServer> {
  const configFile = join(folder, 'claviger.yaml');
  writeFileSync(
    configFile,
    `listen: { port: 0 }\nstore: { folder: ${JSON.stringify(folder)} }\n${options.config ?? ''}`,
  );
  const command = [process.execPath, join(ROOT, 'bin/claviger.js'), 'dev', '--json', '--config', configFile];
  const [program, ...args] =
    options.shell === undefined ? command : ['/bin/sh', '-c', `${options.shell}; exec "$@"`, 'sh', ...command];
  // Only what it needs: the test's own settings must not reach it.
  const child = spawn(program!, args, {
    env: { PATH: process.env['PATH'], ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const exited = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => text as string),
    exited.then(() => null),
  ]);
  clearTimeout(timer);
  if (line === null) throw new Error(`the server did not start: ${errors}`);
  const { credentialsFile } = JSON.parse(line) as { credentialsFile: string };
  const credentials = JSON.parse(readFileSync(credentialsFile, 'utf8')) as DevCredentials;
  return {
    ...credentials,
    child,
    stderr: () => errors,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
    terminate: async () => {
      child.kill('SIGTERM');
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}
