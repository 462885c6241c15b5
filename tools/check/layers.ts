/**
 * The layer rule: a folder of `src/` imports from itself and from folders above it in one list, never from one below.
 *
 * It keeps the way of a request one-way: a gateway can reach an operation, an operation never a gateway. Three narrower
 * rules ride along: `wire/` and `client/` run in a browser and reach only pure folders; one provider never leans on
 * another; nothing in `src/` reaches outside it.
 *
 * @module
 */
import { glob, readFile } from 'node:fs/promises';
import { dirname, join, posix, sep } from 'node:path';
import { importsOf } from './imports.ts';

/** From the top, which imports nothing, to the bottom, which may import all. A name with an extension is a file. */
export const LAYERS = [
  'errors.ts',
  'bytes',
  'model',
  'ports',
  'crypto',
  'providers',
  'resilience',
  'envelope',
  'store',
  'seal',
  'audit',
  'auth',
  'policy',
  'operations',
  'jobs',
  'wire',
  'gateways',
  'client',
  'server',
  'cli',
  'index.ts',
] as const;

/** Folders that run in a browser, and all that they may reach, but for types, which are gone by then. */
const BROWSER_LAYERS = ['wire', 'client'];
const BROWSER_REACH = ['errors.ts', 'bytes', 'model', 'wire'];

export interface LayerReport {
  readonly filesExamined: number;
  readonly importsExamined: number;
  /** One line each: `src/model/key.ts:3: imports src/store/…: why not`. */
  readonly problems: readonly string[];
}

/**
 * Examines every TypeScript file under a source folder.
 *
 * A tree without a file is a problem as well: a checker that looks at nothing would pass for ever.
 *
 * @param source absolute path of the folder whose entries are the layers
 */
export async function checkLayers(source: string): Promise<LayerReport> {
  const files: string[] = [];
  for await (const path of glob('**/*.ts', { cwd: source })) files.push(path.split(sep).join('/'));
  files.sort();

  const problems: string[] = [];
  let importsExamined = 0;
  for (const file of files) {
    const layer = layerOf(file);
    if (layer === null) {
      problems.push(
        `src/${file}: \`${top(file)}\` is not in the list of layers; add it to tools/check/layers.ts at its place`,
      );
      continue;
    }
    try {
      for (const { specifier, line, typeOnly } of importsOf(
        join(source, file),
        await readFile(join(source, file), 'utf8'),
      )) {
        importsExamined += 1;
        const fault = faultOf(file, specifier, typeOnly);
        if (fault !== null) problems.push(`src/${file}:${line}: ${fault}`);
      }
    } catch (error) {
      problems.push((error as Error).message.replace(`${source}/`, 'src/'));
    }
  }
  if (files.length === 0) problems.push(`examined no file: there is no TypeScript under \`${source}\``);
  return { filesExamined: files.length, importsExamined, problems };
}

/** Why a file may not import this; null where it may. */
function faultOf(file: string, specifier: string | null, typeOnly: boolean): string | null {
  if (specifier === null) return 'imports a computed name, which cannot be checked; write the path as a literal';
  if (!specifier.startsWith('.')) return null;
  const target = posix.normalize(posix.join(posix.dirname(file), specifier));
  const edge = `imports src/${target}`;
  if (target.startsWith('..')) return `imports \`${specifier}\`, which is outside src/`;
  const from = layerOf(file);
  const to = layerOf(target);
  if (from === null || to === null) return `${edge}: \`${top(target)}\` is not in the list of layers`;
  if (!typeOnly && BROWSER_LAYERS.includes(from) && from !== to && !BROWSER_REACH.includes(to)) {
    return `${edge}: ${from}/ runs in a browser and reaches only ${BROWSER_REACH.join(', ')}`;
  }
  if (rank(from) < rank(to))
    return `${edge}: ${from} is above ${to}, and a layer imports only from itself and from above`;
  if (from === 'providers' && to === 'providers') return providerFault(file, target);
  return null;
}

/** A provider's folder knows the contract beside it, not its neighbours. */
function providerFault(file: string, target: string): string | null {
  const [from, to] = [file, target].map((path) => (path.split('/').length > 2 ? path.split('/')[1] : undefined));
  if (from === undefined || to === undefined || from === to) return null;
  return `imports src/${target}: provider \`${from}\` may not lean on provider \`${to}\``;
}

function layerOf(path: string): (typeof LAYERS)[number] | null {
  return LAYERS.find((layer) => layer === top(path)) ?? null;
}

function rank(layer: (typeof LAYERS)[number]): number {
  return LAYERS.indexOf(layer);
}

function top(path: string): string {
  return dirname(path) === '.' ? path : path.slice(0, path.indexOf('/'));
}
