/**
 * A PostgreSQL of a test's own: its folder, reached by a socket in it, without durability and without a password.
 *
 *     const postgres = await startPostgres(t);
 *     if (postgres === null) return;
 *     const pool = new Pool(await postgres.database());
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Client } from 'pg';
import type { PostgresPaths } from '../../tools/peers/postgres.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { mustRun } from '../../tools/run.ts';
import { until } from './until.ts';

/** PostgreSQL refuses root; this is `nobody`, wherever there is one. */
const NOBODY = 65_534;
const SUPERUSER = 'postgres';
const SETTINGS = {
  // Tests reach it by its socket, whose name has the port's number.
  listen_addresses: '',
  port: 5432,
  max_connections: 50,
  shared_buffers: '16MB',
  // What is kept here is thrown away with the folder.
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
};

/** As `pg` takes it. */
export interface Connection {
  /** Folder of the socket. */
  readonly host: string;
  readonly user: string;
  readonly database: string;
}

export interface Postgres {
  readonly folder: string;
  /** Makes an empty database. */
  database(): Promise<Connection>;
  stop(): Promise<void>;
}

/** Null where the peer is not there, and the test was skipped. Whoever starts it stops it. */
export async function startPostgres(t: TestContext): Promise<Postgres | null> {
  const paths = await requirePeer(t, 'postgres');
  return paths === null ? null : serve(paths);
}

async function serve(paths: PostgresPaths): Promise<Postgres> {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-postgres-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  const data = join(folder, 'data');
  const initdbOptions = `--pgdata=${data} --username=${SUPERUSER} --auth=trust --encoding=UTF8 --locale=C --no-sync`;
  const [initdb, ...initdbArgs] = asNobody(isRoot, paths, [paths.initdb, ...initdbOptions.split(' ')]);
  try {
    await mustRun(initdb, initdbArgs, { cwd: folder });
  } catch (error) {
    remove();
    throw error;
  }
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const [program, ...args] = asNobody(isRoot, paths, [paths.postgres, '-D', data, '-k', folder, ...settings]);
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (part: Buffer) => (said = (said + part.toString()).slice(-10_000)));
  const exited = once(child, 'exit');
  // It has no channel to us whose end would tell it that we are gone.
  const abandon = (): void => {
    child.kill('SIGKILL');
    remove();
  };
  process.once('exit', abandon);
  const connection = (database: string): Connection => ({ host: folder, user: SUPERUSER, database });
  let databases = 0;
  await until('PostgreSQL answers', async () => {
    if (child.exitCode !== null) throw new Error(`PostgreSQL ended: ${said}`);
    return ask(connection('postgres'), 'select 1').then(
      () => true,
      () => false,
    );
  });
  return {
    folder,
    database: async () => {
      databases += 1;
      await ask(connection('postgres'), `create database test_${databases}`);
      return connection(`test_${databases}`);
    },
    stop: async () => {
      // Ends sessions that are still open.
      child.kill('SIGINT');
      await exited;
      process.off('exit', abandon);
      remove();
    },
  };
}

/** The command, as somebody whom PostgreSQL serves. */
function asNobody(
  isRoot: boolean,
  { setpriv }: PostgresPaths,
  command: readonly [string, ...string[]],
): readonly [string, ...string[]] {
  if (!isRoot) return command;
  return [setpriv, `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', ...command];
}

async function ask(connection: Connection, sql: string): Promise<void> {
  const client = new Client(connection);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
