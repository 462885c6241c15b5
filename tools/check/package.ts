/**
 * Checks the package as its users get it: builds it, packs it once, and examines that one archive.
 *
 * publint reads what package.json promises, attw resolves every export the way TypeScript does. The profile is ESM only:
 * there is no CommonJS build to resolve.
 *
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../run.ts';
import type { Finding } from './suite.ts';

export async function checkPackage(): Promise<Finding> {
  const folder = await mkdtemp(join(tmpdir(), 'claviger-pack-'));
  try {
    return await examine(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function examine(folder: string): Promise<Finding> {
  const built = await run('npm', ['run', '--silent', 'build']);
  if (!built.ok) return { ok: false, output: built.output };

  // Without scripts, because `prepack` would build a second time.
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]);
  if (!packed.ok) return { ok: false, output: packed.output };
  const { filename, entryCount } = packedArchive(packed.stdout);
  const archive = join(folder, filename);

  const publint = await run('publint', [archive, '--strict']);
  const attw = await run('attw', [archive, '--profile', 'esm-only', '--format', 'ascii', '--no-color']);
  const failures = [publint, attw].filter((ran) => !ran.ok);
  return {
    ok: failures.length === 0,
    output: failures.map((ran) => ran.output).join('\n'),
    note: `${entryCount} files in the archive`,
  };
}

interface PackedArchive {
  readonly filename: string;
  readonly entryCount: number;
}

/** npm's answer is an array with one element, or in newer versions an object by package name. */
function packedArchive(json: string): PackedArchive {
  const answer = JSON.parse(json) as PackedArchive[] | Record<string, PackedArchive>;
  const [archive] = Object.values(answer);
  if (archive === undefined) throw new Error('npm pack named no archive');
  return archive;
}
