/**
 * YAML 1.2: where its values are spelled, by the tokens of the `yaml` package.
 *
 * Tags and anchors in front of a value stay readable, and so do aliases, which are no values of their own. A key behind
 * which nothing stands has nothing to seal.
 *
 * @module
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseAllDocuments,
  type Document,
  type Scalar as YamlScalar,
  type YAMLMap,
} from 'yaml';
import { ClavigerError } from '../../errors.ts';
import { joinComments, splitComments } from './comment-block.ts';
import { syntaxError, TOKEN, type Format, type Scalar, type Slot, type Span } from './format.ts';
import { DEPTH_MAX, VALUES_MAX } from './limits.ts';
import { pathText, type Path } from './path.ts';

export const yaml: Format = {
  name: 'yaml',
  slots: (body) => documents(body, 'failsafe').flatMap((document, at) => slotsOf(body, document, at)),
  split: splitComments,
  join: joinComments,
  spell: (token) => token,
  tokenOf: (spelling) => (TOKEN.test(spelling) ? spelling : null),
  scalars: (body) => documents(body, 'core').flatMap((document, at) => scalarsOf(document, at)),
};

/** @param schema `failsafe` knows texts only, and so no two spellings of one key; `core` is what programs read */
function documents(body: string, schema: 'failsafe' | 'core'): readonly Document[] {
  const options = { schema, prettyErrors: false, stringKeys: true, logLevel: 'silent' } as const;
  const found = [...parseAllDocuments(body, options)] as Document[];
  for (const { errors } of found) {
    const [error] = errors;
    // The package's own words may quote what stands there.
    if (error !== undefined) throw syntaxError(body, error.pos[0], error.code.toLowerCase().replaceAll('_', ' '));
  }
  return found;
}

function slotsOf(body: string, root: Document, document: number): readonly Slot[] {
  const slots: Slot[] = [];
  const visit = (node: unknown, steps: Path['steps']): void => {
    if (steps.length > DEPTH_MAX) throw tooDeep(steps, document);
    if (isMap(node)) for (const pair of node.items) visit(pair.value, [...steps, keyOf(body, pair.key)]);
    else if (isSeq(node)) node.items.forEach((item, index) => visit(item, [...steps, index]));
    else if (isScalar(node) && node.source !== undefined) {
      const slot = { path: { document, steps }, ...spanOf(body, node) };
      if (slot.end > slot.start) slots.push(slot);
    }
  };
  visit(root.contents, []);
  return slots;
}

/** @throws INVALID_ARGUMENT where it is an alias, or nothing */
function keyOf(body: string, key: unknown): string {
  const at = (key as { range?: readonly number[] } | null)?.range?.[0] ?? 0;
  if (!isScalar(key) || typeof key.value !== 'string') throw syntaxError(body, at, 'a key that is no text');
  if (!key.value.isWellFormed()) throw syntaxError(body, at, 'a key that is no well-formed Unicode');
  return key.value;
}

/** A block's last line end stays where it is: the lines behind it stand on it. */
function spanOf(body: string, { range, type }: YamlScalar): Span {
  const [start, end] = range!;
  const isBlock = type === 'BLOCK_LITERAL' || type === 'BLOCK_FOLDED';
  if (!isBlock || body[end - 1] !== '\n') return { start, end };
  return { start, end: body[end - 2] === '\r' ? end - 2 : end - 1 };
}

/** Values with aliases and merges followed. */
function scalarsOf(root: Document, document: number): readonly Scalar[] {
  const found: Scalar[] = [];
  let visited = 0;
  const visit = (given: unknown, steps: Path['steps']): void => {
    visited += 1;
    if (visited > VALUES_MAX) {
      throw new ClavigerError('LIMIT_EXCEEDED', `aliases make more than ${VALUES_MAX} values of this document`);
    }
    // An alias may stand within what it means.
    if (steps.length > DEPTH_MAX) throw tooDeep(steps, document);
    const node = isAlias(given) ? given.resolve(root) : given;
    if (isMap(node)) for (const [key, value] of entriesOf(root, node)) visit(value, [...steps, key]);
    else if (isSeq(node)) node.items.forEach((item, index) => visit(item, [...steps, index]));
    else if (isScalar(node)) found.push({ path: { document, steps }, value: textOf(node) });
  };
  visit(root.contents, []);
  return found;
}

/** Of a mapping; those that `<<` brings along give way to its own. */
function entriesOf(root: Document, map: YAMLMap, depth = 0): ReadonlyMap<string, unknown> {
  const own = new Map<string, unknown>();
  const merged: unknown[] = [];
  for (const { key, value } of map.items) {
    const name = (key as YamlScalar<string>).value;
    if (name === '<<' && (key as YamlScalar).type === 'PLAIN') merged.push(value);
    else own.set(name, value);
  }
  const sources = merged
    .map((value) => (isAlias(value) ? value.resolve(root) : value))
    .flatMap((value) => (isSeq(value) ? value.items : [value]));
  for (const source of sources) {
    const from = isAlias(source) ? source.resolve(root) : source;
    if (!isMap(from) || depth > DEPTH_MAX) throw new ClavigerError('INVALID_ARGUMENT', '`<<` merges mappings only');
    for (const [name, value] of entriesOf(root, from, depth + 1)) if (!own.has(name)) own.set(name, value);
  }
  return own;
}

/** Numbers and the like as they are spelled. */
function textOf({ value, source }: YamlScalar): string | null {
  if (value === null) return null;
  return typeof value === 'string' ? value : (source ?? '');
}

function tooDeep(steps: Path['steps'], document: number): ClavigerError {
  const where = pathText({ document, steps: steps.slice(0, 2) });
  return new ClavigerError('LIMIT_EXCEEDED', `\`${where}\` goes down more than ${DEPTH_MAX} levels`);
}
