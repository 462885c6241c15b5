/**
 * HashiCorp Vault (MPL 2.0), built from its Go modules: its Transit engine is a home of keys for tests, and what the
 * benchmark compares with.
 *
 * This pair of versions builds and starts; later ones need modules that are nowhere published. The two are pinned in
 * `vault/go.mod`, and Go's checksum database vouches for all that they need.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../run.ts';
import { installDebian } from './debian.ts';
import { type Peer, type Say, exists, programPath } from './peer.ts';

const SOURCE = join(import.meta.dirname, 'vault');
const FILES = ['go.mod', 'main.go'];
const VERSION = /vault (v[0-9.]+)/u.exec(readFileSync(join(SOURCE, 'go.mod'), 'utf8'))![1]!;

export interface VaultPaths {
  /** Absolute path of `vault`. */
  readonly program: string;
  /** Such as `v1.13.1`. */
  readonly version: string;
  /** What its environment needs. */
  readonly env: Readonly<Record<string, string>>;
}

export const vault: Peer<VaultPaths> = {
  about: 'the Transit engine that tests keep keys in, and the benchmark compares with',
  home: 'vault',
  pin: `${VERSION} (${hash('sha256', FILES.map((file) => readFileSync(join(SOURCE, file), 'utf8')).join('')).slice(0, 8)})`,
  install,
  find: async (folder) => {
    const program = join(folder, 'vault');
    if (!(await exists(program))) return null;
    // A root certificate that it carries has a serial number which Go no longer takes.
    return { program, version: VERSION, env: { GODEBUG: 'x509negativeserial=1' } };
  },
};

async function install(folder: string, say: Say): Promise<void> {
  if ((await programPath('go')) === null) await installDebian(['golang-go'], say);
  const scratch = join(folder, 'scratch');
  // Copied, because Go adds to go.mod what the two modules need.
  await cp(SOURCE, scratch, { recursive: true });
  say('go build of Vault: 4 to 7 minutes, and about 4 GB of modules and objects in the caches of Go');
  await mustRun('go', ['build', '-mod=mod', '-trimpath', '-ldflags=-s -w', '-o', join(folder, 'vault'), '.'], {
    cwd: scratch,
    env: { CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '', GOWORK: 'off' },
  });
  await rm(scratch, { recursive: true });
}
