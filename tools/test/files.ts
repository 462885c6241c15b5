/**
 * Which test files to run, and in which way.
 *
 * Unit tests share one process, because starting one for each costs more than running it. All others get a process each:
 * they start servers, threads and other people's programs.
 *
 * @module
 */
import { glob, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';

export interface TestFiles {
  readonly unit: readonly string[];
  readonly isolated: readonly string[];
}

/**
 * Finds `*.test.ts` under the given files and folders, or under `test/` where none is given.
 *
 * @param root folder that holds `test/`; paths are resolved against it
 * @throws Error where a path does not exist or holds no test file
 */
export async function findTests(root: string, paths: readonly string[]): Promise<TestFiles> {
  const found = new Set<string>();
  for (const path of paths.length === 0 ? ['test'] : paths) {
    const files = await testsUnder(resolve(root, path));
    if (files.length === 0) throw new Error(`there is no test file under \`${path}\``);
    for (const file of files) found.add(file);
  }
  const all = [...found].sort();
  const unit = join(root, 'test', 'unit') + sep;
  return {
    unit: all.filter((file) => file.startsWith(unit)),
    isolated: all.filter((file) => !file.startsWith(unit)),
  };
}

async function testsUnder(path: string): Promise<readonly string[]> {
  const entry = await stat(path).catch(() => null);
  if (entry === null) return [];
  if (entry.isFile()) return [path];
  const files: string[] = [];
  for await (const file of glob('**/*.test.ts', { cwd: path, exclude: (name) => name === 'fixtures' })) {
    files.push(join(path, file));
  }
  return files;
}

/** A path as a reader knows it. */
export function shown(root: string, file: string): string {
  const path = relative(root, file);
  return path.startsWith('..') ? file : path;
}
