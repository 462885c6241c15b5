/**
 * PostgreSQL of the machine's Debian. Tests run servers of their own with it, each on a folder of its own; the cluster that
 * Debian would make and start is not made.
 *
 * @module
 */
import { glob, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { installDebian } from './debian.ts';
import { type Peer, exists, programPath } from './peer.ts';

/** Read by the package when it is installed, and only then. */
const NO_CLUSTER = '/etc/postgresql-common/createcluster.d/claviger-no-cluster.conf';

export interface PostgresPaths {
  /** Absolute path of `initdb`. */
  readonly initdb: string;
  /** Absolute path of `postgres`, which refuses to run as root. */
  readonly postgres: string;
  /** Absolute path of `setpriv`, with which root becomes somebody else. */
  readonly setpriv: string;
}

export const postgres: Peer<PostgresPaths> = {
  about: 'PostgreSQL, the database of the tests of field encryption',
  home: 'postgres',
  pin: null,
  install: async (_folder, say) => {
    // Only root gets as far as installing something, and whoever has no /etc has no Debian.
    if (process.getuid?.() === 0 && (await programPath('apt-get')) !== null) {
      await mkdir(dirname(NO_CLUSTER), { recursive: true });
      await writeFile(NO_CLUSTER, 'create_main_cluster = false\n');
    }
    await installDebian(['postgresql'], say);
  },
  find: async () => {
    const folder = await programFolder();
    const setpriv = await programPath('setpriv');
    if (folder === null || setpriv === null) return null;
    return { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres'), setpriv };
  },
};

/** Debian has a folder for each version, none of them in anybody's path; the newest is taken. */
async function programFolder(): Promise<string | null> {
  const folders: { readonly path: string; readonly version: number }[] = [];
  for await (const path of glob('/usr/lib/postgresql/*/bin'))
    if (await exists(join(path, 'initdb'))) folders.push({ path, version: Number(path.split('/').at(-2)) });
  const newest = folders.toSorted((a, b) => b.version - a.version)[0];
  if (newest !== undefined) return newest.path;
  const program = await programPath('initdb');
  return program === null ? null : dirname(program);
}
