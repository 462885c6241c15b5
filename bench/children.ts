/**
 * The processes of a run: the server, the load and the bare loop. Each is asked one thing at a time over its channel.
 *
 * @module
 */
import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { LoadOrder, LoadResult } from './load.ts';
import type { RawOrder, RawResult } from './raw.ts';
import type { Started } from './server.ts';

/** RSA and the slow curves: a thread for each core, and some that wait for names and files. */
const POOL_THREADS = availableParallelism() + 3;

export interface ServerProcess {
  readonly pid: number;
  readonly port: number;
  readonly credentials: Started;
  readonly stop: () => Promise<void>;
}

/**
 * Starts the server on a new folder below `parent`, which is gone when it has stopped.
 *
 * @param profileFolder where the profile of each thread is written when it stops, or null
 */
export async function startServer(parent: string, profileFolder: string | null): Promise<ServerProcess> {
  const child = fork(join(import.meta.dirname, 'server.ts'), [parent], {
    env: { ...process.env, UV_THREADPOOL_SIZE: String(POOL_THREADS) },
    execArgv: profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const credentials = (await answerOf(child, 'the server')) as Started;
  return {
    pid: child.pid!,
    port: Number(new URL(credentials.endpoint).port),
    credentials,
    stop: async () => {
      if (child.connected) child.send('stop');
      await exited;
    },
  };
}

/** A process that answers each order with one result. */
export interface Asked<O, R> {
  ask(order: O): Promise<R>;
  stop(): void;
}

export function startLoad(): Asked<LoadOrder, LoadResult> {
  return asked('load.ts');
}

export function startRaw(): Asked<RawOrder, RawResult> {
  return asked('raw.ts');
}

function asked<O extends object, R>(file: string): Asked<O, R> {
  const child = fork(join(import.meta.dirname, file));
  return {
    ask: async (order) => {
      child.send(order);
      return (await answerOf(child, file)) as R;
    },
    stop: () => child.disconnect(),
  };
}

function answerOf(child: ChildProcess, name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`${name} ended (${code})`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });
}
