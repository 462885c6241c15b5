/**
 * Runs the programs of `examples/`, as their readers would, on the sources: `claviger` and what is below it are what
 * package.json says, before it is built.
 *
 * @module
 */
import { copyFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { mustRun, ROOT } from '../../tools/run.ts';

const HOOKS = join(import.meta.dirname, 'self-import.ts');

/**
 * What an example prints.
 *
 * @param folder in which it runs; it is copied to there where it must find packages from there
 */
export async function runExample(name: string, folder: string, { isCopied = false } = {}): Promise<string> {
  const original = join(ROOT, 'examples', name);
  const file = isCopied ? join(folder, basename(name)) : original;
  if (isCopied) copyFileSync(original, file);
  const { stdout } = await mustRun(process.execPath, ['--import', HOOKS, file], { cwd: folder });
  return stdout;
}
