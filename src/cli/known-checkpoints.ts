/**
 * The newest checkpoint of each log that was verified here: what makes an old one, or a rewritten log, be seen the next
 * time. One file a verifier key, which holds the signed note as it came.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileError } from './input.ts';
import type { Environment } from './terminal.ts';

/** Of the hash of a verifier key; 16 bytes are enough that no two logs share a file. */
const NAME_HEX = 32;

/** `$XDG_STATE_HOME/claviger/checkpoints/…`, or under `~/.local/state`. */
export function knownCheckpointPath(env: Environment, verifierKey: string): string {
  const home = env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state');
  return join(home, 'claviger', 'checkpoints', hash('sha256', verifierKey).slice(0, NAME_HEX));
}

export interface KnownCheckpoint {
  /** As it came. */
  readonly note: Buffer;
  /** By the clock of this machine. */
  readonly verifiedAt: string;
}

/** Null where this log is not known yet. @throws ClavigerError */
export function readKnownCheckpoint(path: string): KnownCheckpoint | null {
  try {
    return { note: readFileSync(path), verifiedAt: statSync(path).mtime.toISOString() };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw fileError('read', path, cause);
  }
}

/** Written beside and renamed, so that nobody reads half of it. @throws ClavigerError */
export function keepCheckpoint(path: string, note: string): void {
  const beside = `${path}.${process.pid}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(beside, note);
    renameSync(beside, path);
  } catch (cause) {
    throw fileError('write', path, cause);
  }
}

/** @throws ClavigerError */
export function forgetCheckpoint(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (cause) {
    throw fileError('write', path, cause);
  }
}
