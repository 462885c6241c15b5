/**
 * Prisma (Apache-2.0), from npm: its generator and its client, and its drivers for PostgreSQL and for libSQL, a SQLite.
 *
 * No install script of it is run, and none of its engines is fetched: the generator and the client are WebAssembly. They
 * are a peer rather than development dependencies because they are 300 MB that nothing here imports.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../run.ts';
import { type Peer, exists } from './peer.ts';

const SOURCE = join(import.meta.dirname, 'prisma');
const FILES = ['package.json', 'package-lock.json'];
const { dependencies } = JSON.parse(readFileSync(join(SOURCE, 'package.json'), 'utf8')) as {
  dependencies: Readonly<Record<string, string>>;
};

export interface PrismaPaths {
  /** Programs in folders below this one find Prisma's packages. */
  readonly folder: string;
  /** Command line of `prisma`, without the program that runs it. */
  readonly cli: string;
  /** What its environment needs. */
  readonly env: Readonly<Record<string, string>>;
}

export const prisma: Peer<PrismaPaths> = {
  about: "Prisma's client on PostgreSQL and SQLite",
  home: 'prisma',
  pin: `${dependencies['prisma']} (${hash('sha256', FILES.map((file) => readFileSync(join(SOURCE, file), 'utf8')).join('')).slice(0, 8)})`,
  install: async (folder, say) => {
    for (const file of FILES) await copyFile(join(SOURCE, file), join(folder, file));
    say(`npm ci of prisma ${dependencies['prisma']}, about 300 MB`);
    await mustRun('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], { cwd: folder });
  },
  find: async (folder) => {
    const cli = join(folder, 'node_modules', 'prisma', 'build', 'index.js');
    if (!(await exists(cli))) return null;
    // `generate` would fetch an engine that it does not use, unless it is told of one.
    return { folder, cli, env: { PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true', CHECKPOINT_DISABLE: '1' } };
  },
};
