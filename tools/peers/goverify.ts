/**
 * A verifier of signatures in Go, of its standard library alone: built once from `goverify/main.go`.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../run.ts';
import { installDebian } from './debian.ts';
import { type Peer, type Say, exists, programPath } from './peer.ts';

const SOURCE = join(import.meta.dirname, 'goverify');

export interface GoverifyPaths {
  /** Command line, for `askVerifier`. */
  readonly verifier: readonly string[];
}

export const goverify: Peer<GoverifyPaths> = {
  about: "signatures verified by Go's standard library",
  home: 'goverify',
  pin: `source ${hash('sha256', readFileSync(join(SOURCE, 'main.go'))).slice(0, 8)}`,
  install,
  find: async (folder) => {
    const program = join(folder, 'goverify');
    return (await exists(program)) ? { verifier: [program] } : null;
  },
};

async function install(folder: string, say: Say): Promise<void> {
  if ((await programPath('go')) === null) await installDebian(['golang-go'], say);
  say('go build');
  // GOTOOLCHAIN: nothing here needs another Go than the one that is there.
  await mustRun('go', ['build', '-trimpath', '-o', join(folder, 'goverify'), '.'], {
    cwd: SOURCE,
    env: { CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '', GOWORK: 'off' },
  });
}
