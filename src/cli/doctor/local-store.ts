/**
 * Who can read what of the things on this machine: the data folder, the root key, credentials and profiles.
 *
 * @module
 */
import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ClavigerError } from '../../errors.ts';
import { configFile, serverConfig } from '../commands/server-config.ts';
import { dataFolder } from '../connection.ts';
import { profilesPath } from '../profiles.ts';
import type { Terminal } from '../terminal.ts';
import { fail, ok, warn, type Finding } from './finding.ts';

const DISK_BYTES_MIN = 256 * 1024 * 1024;
/** Anybody but the owner. */
const OTHERS = 0o077;

interface Store {
  readonly folder: string;
  readonly rootKey: string;
}

/** @param named configuration file of a server on this machine */
export function checkLocalStore(terminal: Terminal, named: string | undefined): readonly Finding[] {
  const { store, findings } = storeOf(terminal, named);
  const found = [
    ...findings,
    checkMode('store folder', store.folder, 'chmod 700'),
    checkMode('root key', store.rootKey, 'chmod 600'),
    checkMode('dev credentials', join(store.folder, 'dev-credentials.json'), 'chmod 600'),
    checkMode('profiles', profilesPath(terminal.env), 'chmod 600'),
    checkDisk(store.folder),
  ];
  return found.filter((finding) => finding !== null);
}

/** Where the store is: as a configuration says, or where `claviger dev` has it. */
function storeOf(terminal: Terminal, named: string | undefined): { store: Store; findings: readonly Finding[] } {
  const usual = dataFolder(terminal);
  const store = { folder: usual, rootKey: join(usual, 'root.key') };
  const file = configFile(terminal, named);
  if (file === undefined) return { store, findings: [] };
  try {
    const { store: configured, seal } = serverConfig(terminal, named);
    const rootKey = seal?.path ?? join(configured.folder, 'root.key');
    return { store: { folder: configured.folder, rootKey }, findings: [ok('configuration', file)] };
  } catch (error) {
    if (!(error instanceof ClavigerError)) throw error;
    const next = 'correct it; `claviger config check` reads it again';
    return { store, findings: [fail('configuration', error.message.replaceAll(/\s*\n\s*/g, ' '), next)] };
  }
}

/** Null where there is nothing to look at. */
function checkMode(name: string, path: string, remedy: string): Finding | null {
  try {
    const mode = statSync(path).mode & 0o777;
    const words = `${path}, mode ${mode.toString(8).padStart(4, '0')}`;
    return (mode & OTHERS) === 0 ? ok(name, words) : fail(name, `${words}: others can reach it`, `${remedy} ${path}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    return fail(name, (error as Error).message, `make ${path} readable for you`);
  }
}

function checkDisk(folder: string): Finding | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    const words = `${Math.floor(free / 1024 / 1024)} MiB free for the store`;
    if (free >= DISK_BYTES_MIN) return ok('disk', words);
    return warn('disk', words, 'make room: the log needs it, and without a log nothing is answered');
  } catch {
    return null;
  }
}
