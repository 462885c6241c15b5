/**
 * References in a configuration: `${NAME}` stands for an environment variable, `file:PATH` for a file's content. So a
 * configuration can be shown to anybody, for secrets are given in no other way.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ClavigerError } from '../errors.ts';

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;
const FILE_PREFIX = 'file:';

export interface Resolved {
  readonly value: unknown;
  /** Paths of the values that came from a reference. */
  readonly referenced: ReadonlySet<string>;
}

/**
 * Puts in what the references of a configuration stand for.
 *
 * @param folder that relative files are relative to
 * @throws INVALID_ARGUMENT that names the place of a reference to nothing
 */
export function resolveReferences(
  config: unknown,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Resolved {
  const referenced = new Set<string>();
  const walk = (value: unknown, path: string): unknown => {
    if (typeof value === 'string') {
      const put = valueOf(value, path, folder, environment);
      if (put !== value) referenced.add(path);
      return put;
    }
    if (Array.isArray(value)) return value.map((part, index) => walk(part, `${path}.${index}`));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, part]) => [name, walk(part, path === '' ? name : `${path}.${name}`)]),
    );
  };
  return { value: walk(config, ''), referenced };
}

function valueOf(
  text: string,
  path: string,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  if (text.startsWith(FILE_PREFIX)) return fileOf(resolve(folder, text.slice(FILE_PREFIX.length)), path);
  return text.replace(VARIABLE, (_, name: string) => {
    const value = environment[name];
    if (value !== undefined) return value;
    throw new ClavigerError('INVALID_ARGUMENT', `\`${path}\`: the environment variable ${name} is not set`);
  });
}

/** The content of a file without its trailing newline. */
function fileOf(file: string, path: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new ClavigerError('INVALID_ARGUMENT', `\`${path}\`: cannot read \`${file}\`: ${(cause as Error).message}`, {
      cause,
    });
  }
}
