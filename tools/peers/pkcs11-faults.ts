/**
 * A PKCS#11 module that fails on command, before a real one: built once from `tools/pkcs11-faults/pkcs11-faults.c`, whose
 * header says what it does. It is here because it is had like a peer: with a compiler of the machine, into the cache.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, mustRun } from '../run.ts';
import { installDebian } from './debian.ts';
import { type Peer, type Say, exists, programPath } from './peer.ts';

const SOURCE = join(import.meta.dirname, '../pkcs11-faults/pkcs11-faults.c');
/** The headers of the standard come with the package that hosts load libraries with. */
const HEADERS = join(ROOT, 'node_modules/pkcs11js/includes/pkcs11');

export interface Pkcs11FaultsPaths {
  /** The module, to be configured as a library. */
  readonly library: string;
}

export const pkcs11Faults: Peer<Pkcs11FaultsPaths> = {
  about: 'a PKCS#11 module that fails on command, before SoftHSM',
  home: 'pkcs11-faults',
  pin: `source ${hash('sha256', readFileSync(SOURCE)).slice(0, 8)}`,
  install,
  find: async (folder) => {
    const library = join(folder, 'pkcs11-faults.so');
    return (await exists(library)) ? { library } : null;
  },
};

async function install(folder: string, say: Say): Promise<void> {
  if ((await programPath('cc')) === null) await installDebian(['gcc', 'libc6-dev'], say);
  say('cc');
  const options = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-I', HEADERS];
  await mustRun('cc', [...options, '-o', join(folder, 'pkcs11-faults.so'), SOURCE, '-ldl']);
}
