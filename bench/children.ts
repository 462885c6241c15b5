/**
 * The processes of a run: servers, loads, crowds and bare loops. Each is asked one thing at a time over its channel.
 *
 * @module
 */
import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { CrowdOrder, CrowdReport } from './crowd.ts';
import type { LoadOrder, LoadResult } from './load.ts';
import type { RawName, RawOrder, RawResult } from './raw.ts';
import type { Started } from './server.ts';
import { worldOf, type World } from './world.ts';

const CORES = availableParallelism();
/** RSA and the slow curves: a thread for each core, and some that wait for names and files. */
const POOL_THREADS = CORES + 3;

export interface ServerProcess {
  readonly pid: number;
  readonly port: number;
  readonly world: World;
  /** With the store. */
  readonly folder: string;
  readonly stop: () => Promise<void>;
}

export interface ServerOptions {
  /** Where the profile of each thread is written when it stops. */
  readonly profileFolder?: string | null;
  /** What its environment has more than ours. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the server on a new folder below `parent`, which is gone when it has stopped. */
export async function startServer(parent: string, options: ServerOptions = {}): Promise<ServerProcess> {
  const { profileFolder = null, env = {} } = options;
  const child = fork(join(import.meta.dirname, 'server.ts'), [parent], {
    env: { ...process.env, UV_THREADPOOL_SIZE: String(POOL_THREADS), ...env },
    execArgv: profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const { folder, ...credentials } = (await answerOf(child, 'the server')) as Started;
  return {
    pid: child.pid!,
    port: Number(new URL(credentials.endpoint).port),
    world: worldOf(credentials),
    folder,
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

/** As many load processes as orders at a time. */
export function startLoads(): Asked<LoadOrder, LoadResult> {
  const all: Asked<LoadOrder, LoadResult>[] = [];
  const free: Asked<LoadOrder, LoadResult>[] = [];
  return {
    ask: async (order) => {
      const load = free.pop() ?? asked<LoadOrder, LoadResult>('load.ts');
      if (!all.includes(load)) all.push(load);
      const result = await load.ask(order);
      free.push(load);
      return result;
    },
    stop: () => {
      for (const load of all) load.stop();
    },
  };
}

/** The bare loop of one operation, on one core and then on all of them at a time. */
export interface RawRates {
  readonly oneCore: RawResult;
  readonly allCoresPerSecond: number;
}

export function startRaws(): Asked<{ readonly name: RawName; readonly durationMs: number }, RawRates> {
  const raws = Array.from({ length: CORES }, () => asked<RawOrder, RawResult>('raw.ts'));
  return {
    ask: async (order) => {
      // Keys are made and code is compiled, so that then all run at the same time.
      await Promise.all(raws.map((raw) => raw.ask({ ...order, durationMs: 0 })));
      const oneCore = await raws[0]!.ask(order);
      const together = await Promise.all(raws.map((raw) => raw.ask(order)));
      return { oneCore, allCoresPerSecond: together.reduce((sum, { perSecond }) => sum + perSecond, 0) };
    },
    stop: () => {
      for (const raw of raws) raw.stop();
    },
  };
}

export function startCrowd(): Asked<CrowdOrder, CrowdReport> {
  return asked('crowd.ts');
}

function asked<O extends object, R>(file: string): Asked<O, R> {
  const child = fork(join(import.meta.dirname, file));
  return {
    ask: async (order) => {
      child.send(order);
      return (await answerOf(child, file)) as R;
    },
    stop: () => {
      if (child.connected) child.disconnect();
    },
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
