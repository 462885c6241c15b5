/**
 * A peer: other people's software that our tests talk to. It is run, never linked or shipped.
 *
 * Each peer is a file beside this one. Its home is a folder of the cache, outside the repository; a marker there holds the
 * pin it was installed for, so that a second installation does nothing and a new pin replaces the old one.
 *
 * @module
 */
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

export interface Peer<Paths extends object> {
  /** In a few words: what it is, and what tests use it for. */
  readonly about: string;
  /** Folder in the cache; two peers may share one, and then also pin and installation. */
  readonly home: string;
  /** Versions of what is installed. Null for a program of the machine: there it counts whether it is there. */
  readonly pin: string | null;
  /** Installs into an empty folder. Says what it does while it does it. @throws Error that says what to do */
  readonly install: (folder: string, say: Say) => Promise<void>;
  /** What tests use, or null where it is not there. */
  readonly find: (folder: string) => Promise<Paths | null>;
}

export type Say = (line: string) => void;

const MARKER = '.installed';

/** The cache folder: `CLAVIGER_PEERS_DIR`, or `claviger-peers` in the user's cache. */
export function peersFolder(): string {
  const { CLAVIGER_PEERS_DIR: own, XDG_CACHE_HOME: cache } = process.env;
  return own || join(cache || join(homedir(), '.cache'), 'claviger-peers');
}

export function homeOf(peer: Peer<object>): string {
  return join(peersFolder(), peer.home);
}

export function markerOf(peer: Peer<object>): string {
  return join(homeOf(peer), MARKER);
}

/** The peer's paths where it is installed with its present pin; null where it is not. */
export async function findPeer<Paths extends object>(peer: Peer<Paths>): Promise<Paths | null> {
  if (peer.pin !== null && (await readFile(markerOf(peer), 'utf8').catch(() => null)) !== peer.pin) return null;
  return peer.find(homeOf(peer));
}

/** Absolute path of a program of the machine, or null. */
export async function programPath(name: string): Promise<string | null> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && (await exists(join(folder, name)))) return join(folder, name);
  }
  return null;
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
