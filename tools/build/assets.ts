/**
 * Copies what a program reads at run time and the compiler leaves behind.
 *
 * Every file of `src/` that is not TypeScript is an asset: a list of extensions would forget the next one.
 *
 * @module
 */
import { cp, glob } from 'node:fs/promises';
import { join } from 'node:path';

/** Copies assets from one tree to the other; gives their paths, relative and sorted. */
export async function copyAssets(from: string, to: string): Promise<readonly string[]> {
  const copied: string[] = [];
  for await (const entry of glob('**/*', { cwd: from, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name).slice(from.length + 1);
    await cp(join(from, path), join(to, path));
    copied.push(path);
  }
  return copied.sort();
}
