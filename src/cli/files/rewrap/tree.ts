/**
 * The files that `claviger rewrap` looks at: those that were named, and those in the folders that were named. Links are
 * not followed, in no folder and to no file: what they lead to has a place of its own.
 *
 * @module
 */
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { basename, join, matchesGlob, relative } from 'node:path';
import { ClavigerError } from '../../../errors.ts';
import { fileError } from '../../input.ts';
import { TEMPORARY_NAME } from '../target.ts';

export interface Found {
  readonly path: string;
  /** Null for a regular file; otherwise why it is not looked at. */
  readonly unfit: ClavigerError | null;
  /** Whether the caller named it, rather than a folder that it is in. */
  readonly named: boolean;
}

export interface TreeOptions {
  readonly recursive: boolean;
  /** Patterns of names, or with a slash of paths below the folder that was named; everything where there is none. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** In the order of their names, so that a second run takes the way of the first. */
export function* filesOf(paths: readonly string[], options: TreeOptions): Generator<Found, void, void> {
  for (const path of paths) {
    let stats: Stats;
    try {
      stats = lstatSync(path);
    } catch (cause) {
      yield { path, unfit: fileError('read', path, cause), named: true };
      continue;
    }
    if (!stats.isDirectory()) yield { path, unfit: unfitness(path, stats), named: true };
    else if (options.recursive) yield* below(path, path, options);
    else yield { path, unfit: refusal(path, 'it is a folder; --recursive goes through it'), named: true };
  }
}

function* below(root: string, folder: string, options: TreeOptions): Generator<Found, void, void> {
  let names: readonly string[];
  try {
    names = readdirSync(folder).toSorted();
  } catch (cause) {
    // Whoever cannot look into a folder does not know what was left under the old keys.
    yield { path: folder, unfit: fileError('read', folder, cause), named: true };
    return;
  }
  for (const name of names) {
    const path = join(folder, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || TEMPORARY_NAME.test(name)) continue;
    if (matches(root, path, options.exclude)) continue;
    if (stats.isDirectory()) yield* below(root, path, options);
    else if (options.include.length === 0 || matches(root, path, options.include)) {
      yield { path, unfit: unfitness(path, stats), named: false };
    }
  }
}

function matches(root: string, path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    matchesGlob(pattern.includes('/') ? relative(root, path) : basename(path), pattern),
  );
}

function unfitness(path: string, stats: Stats): ClavigerError | null {
  if (stats.isSymbolicLink()) return refusal(path, 'it is a symbolic link; name the file itself');
  if (!stats.isFile()) return refusal(path, 'it is no regular file');
  return null;
}

function refusal(path: string, reason: string): ClavigerError {
  return new ClavigerError('INVALID_ARGUMENT', `cannot rewrap \`${path}\`: ${reason}`);
}
