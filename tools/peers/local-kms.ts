/**
 * local-kms (MIT): AWS KMS for development, by other people. It has what moto gets wrong: digests that are not hashed
 * again, RSA-OAEP, key states.
 *
 * Its module cannot be installed by version, so it is built as a dependency of ours, which pins it.
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

const SOURCE = join(import.meta.dirname, 'local-kms');
const PINNED = readFileSync(join(SOURCE, 'go.mod'), 'utf8');
const COMMIT = /-(?<commit>[0-9a-f]{12})$/mu.exec(PINNED)!.groups!['commit']!;

export interface LocalKmsPaths {
  /** Absolute path of `local-kms`, which is told everything by environment variables. */
  readonly program: string;
}

export const localKms: Peer<LocalKmsPaths> = {
  about: 'AWS KMS as local-kms has it: digests, RSA-OAEP and key states as they are in AWS',
  home: 'local-kms',
  pin: `${COMMIT} (${hash('sha256', PINNED).slice(0, 8)})`,
  install,
  find: async (folder) => {
    const program = join(folder, 'local-kms');
    return (await exists(program)) ? { program } : null;
  },
};

async function install(folder: string, say: Say): Promise<void> {
  if ((await programPath('go')) === null) await installDebian(['golang-go'], say);
  const scratch = join(folder, 'scratch');
  // Copied, because Go may write into both files.
  await cp(SOURCE, scratch, { recursive: true });
  say('go build of local-kms');
  await mustRun(
    'go',
    ['build', '-mod=mod', '-trimpath', '-o', join(folder, 'local-kms'), 'github.com/nsmithuk/local-kms'],
    { cwd: scratch, env: { CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '', GOWORK: 'off' } },
  );
  await rm(scratch, { recursive: true });
}
