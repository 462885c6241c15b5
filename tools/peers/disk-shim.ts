/**
 * The disk under the tests' control: a library of our own, built once from `tools/disk-shim/disk-shim.c`, whose header
 * says what it does. It is here because it is had like a peer: with a compiler of the machine, into the cache.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../run.ts';
import { installDebian } from './debian.ts';
import { type Peer, type Say, exists, programPath } from './peer.ts';

const SOURCE = join(import.meta.dirname, '../disk-shim/disk-shim.c');

export interface DiskShimPaths {
  /** For `LD_PRELOAD`. */
  readonly library: string;
}

export const diskShim: Peer<DiskShimPaths> = {
  about: 'a disk that is slow, cut off or failing, under our own server',
  home: 'disk-shim',
  pin: `source ${hash('sha256', readFileSync(SOURCE)).slice(0, 8)}`,
  install,
  find: async (folder) => {
    const library = join(folder, 'disk-shim.so');
    return (await exists(library)) ? { library } : null;
  },
};

async function install(folder: string, say: Say): Promise<void> {
  if (process.platform !== 'linux') throw new Error('it stands before the libc of Linux; there is none here');
  if ((await programPath('cc')) === null) await installDebian(['gcc', 'libc6-dev'], say);
  say('cc');
  const options = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
  await mustRun('cc', [...options, '-o', join(folder, 'disk-shim.so'), SOURCE, '-ldl', '-lpthread']);
}
