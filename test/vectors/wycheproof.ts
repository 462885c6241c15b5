/**
 * Reads the files of Project Wycheproof.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What every vector has; the others are bytes in hex, by the names of the file's schema. */
export interface Vector {
  readonly tcId: number;
  readonly flags?: readonly string[];
  readonly result: 'valid' | 'acceptable' | 'invalid';
  readonly comment?: string;
}

export type Group<Head, Fields extends string> = Head & {
  readonly tests: readonly (Vector & Readonly<Record<Fields, string>>)[];
};

/** The groups of one file; each holds what its vectors share, such as a key. */
export async function readWycheproof<Head, Fields extends string>(
  folder: string,
  file: string,
): Promise<readonly Group<Head, Fields>[]> {
  const { testGroups } = JSON.parse(await readFile(join(folder, file), 'utf8')) as {
    testGroups: readonly Group<Head, Fields>[];
  };
  return testGroups;
}

export function has(vector: Vector, flag: string): boolean {
  return vector.flags?.includes(flag) ?? false;
}
