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
  isNode,
  isScalar,
  isSeq,
  Lexer,
  parseAllDocuments,
  visit,
  type Document,
  type Scalar as YamlScalar,
  type YAMLMap,
} from 'yaml';
import { ClavigerError } from '../../errors.ts';
import { joinComments, splitComments } from './comment-block.ts';
import { syntaxError, TOKEN, type Format, type Scalar, type Slot, type Span } from './format.ts';
import { DEPTH_MAX, VALUES_MAX, YAML_TOKENS_MAX } from './limits.ts';
import { pathText, type Path } from './path.ts';

export const yaml: Format = {
  name: 'yaml',
  slots: (body) => documents(body, 'failsafe').flatMap((document, at) => slotsOf(body, document, at)),
  split: splitComments,
  join: joinComments,
  spell: (token) => token,
  tokenOf: (spelling) => (TOKEN.test(spelling) ? spelling : null),
  scalars: (body) =>
    documents(body, 'core').flatMap((document, at) => new ScalarReader(document, at).read(document.contents)),
};

/** @param schema `failsafe` knows texts only, and so no two spellings of one key; `core` is what programs read */
function documents(body: string, schema: 'failsafe' | 'core'): readonly Document[] {
  requireFewTokens(body);
  // The package compares each key of a mapping with each other one; `slotsOf` finds what is there twice.
  const options = { schema, prettyErrors: false, stringKeys: true, uniqueKeys: false, logLevel: 'silent' } as const;
  const found = [...parseAllDocuments(body, options)] as Document[];
  for (const { errors } of found) {
    const [error] = errors;
    // The package's own words may quote what stands there. Its limit of levels is one of these errors, too.
    if (error !== undefined) throw syntaxError(body, error.pos[0], error.code.toLowerCase().replaceAll('_', ' '));
  }
  return found;
}

/** @throws LIMIT_EXCEEDED */
function requireFewTokens(body: string): void {
  let tokens = 0;
  for (const _ of new Lexer().lex(body)) {
    tokens += 1;
    if (tokens > YAML_TOKENS_MAX) {
      throw new ClavigerError('LIMIT_EXCEEDED', `more than ${YAML_TOKENS_MAX} words and signs of YAML`);
    }
  }
}

function slotsOf(body: string, root: Document, document: number): readonly Slot[] {
  const slots: Slot[] = [];
  const anchors = new Set<string>();
  const take = (node: unknown, steps: Path['steps']): void => {
    if (steps.length > DEPTH_MAX) throw tooDeep(steps, document);
    if (isAlias(node) && !anchors.has(node.source))
      throw syntaxError(body, node.range![0], 'an alias without an anchor');
    if (isNode(node) && !isAlias(node) && node.anchor !== undefined) anchors.add(node.anchor);
    if (isMap(node)) for (const [key, value] of entriesOf(body, node)) take(value, [...steps, key]);
    else if (isSeq(node)) node.items.forEach((item, index) => take(item, [...steps, index]));
    else if (isScalar(node) && node.source !== undefined) {
      const slot = { path: { document, steps }, ...spanOf(body, node) };
      if (slot.end > slot.start) slots.push(slot);
    }
  };
  take(root.contents, []);
  return slots;
}

/** @throws INVALID_ARGUMENT where a key is there twice, or none */
function entriesOf(body: string, map: YAMLMap): ReadonlyMap<string, unknown> {
  const entries = new Map<string, unknown>();
  for (const { key, value } of map.items) {
    const name = keyOf(body, key);
    if (entries.has(name)) throw syntaxError(body, (key as YamlScalar).range![0], 'duplicate key');
    entries.set(name, value);
  }
  return entries;
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

/** Reads values with aliases and merges followed; few words can mean very many of them. */
class ScalarReader {
  readonly #document: number;
  readonly #targets: ReadonlyMap<unknown, unknown>;
  readonly #found: Scalar[] = [];
  #visited = 0;

  constructor(root: Document, document: number) {
    this.#document = document;
    this.#targets = aliasTargets(root);
  }

  read(given: unknown, steps: Path['steps'] = []): readonly Scalar[] {
    this.#count();
    // An alias may stand within what it means.
    if (steps.length > DEPTH_MAX) throw tooDeep(steps, this.#document);
    const node = this.#target(given);
    if (isMap(node)) for (const [key, value] of this.#entries(node)) this.read(value, [...steps, key]);
    else if (isSeq(node)) node.items.forEach((item, index) => this.read(item, [...steps, index]));
    else if (isScalar(node)) this.#found.push({ path: { document: this.#document, steps }, value: textOf(node) });
    return this.#found;
  }

  /** Of a mapping; those that `<<` brings along give way to its own, and later ones to earlier ones. */
  #entries(map: YAMLMap, depth = 0): ReadonlyMap<string, unknown> {
    const entries = new Map<string, unknown>();
    const merged: unknown[] = [];
    for (const { key, value } of map.items) {
      const { value: name, type } = key as YamlScalar<string>;
      if (name === '<<' && type === 'PLAIN') merged.push(this.#target(value));
      else entries.set(name, value);
    }
    for (const source of merged.flatMap((value) => (isSeq(value) ? value.items : [value]))) {
      this.#count();
      const from = this.#target(source);
      if (!isMap(from) || depth > DEPTH_MAX) throw new ClavigerError('INVALID_ARGUMENT', '`<<` merges mappings only');
      for (const [name, value] of this.#entries(from, depth + 1)) if (!entries.has(name)) entries.set(name, value);
    }
    return entries;
  }

  #target(node: unknown): unknown {
    return isAlias(node) ? this.#targets.get(node) : node;
  }

  #count(): void {
    this.#visited += 1;
    if (this.#visited > VALUES_MAX) {
      throw new ClavigerError('LIMIT_EXCEEDED', `aliases make more than ${VALUES_MAX} values of this document`);
    }
  }
}

/** What each alias means: the last node before it with its anchor. */
function aliasTargets(root: Document): ReadonlyMap<unknown, unknown> {
  const anchors = new Map<string, unknown>();
  const targets = new Map<unknown, unknown>();
  visit(root, {
    Node: (_key, node) => {
      if (isAlias(node)) targets.set(node, anchors.get(node.source));
      else if (isNode(node) && node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return targets;
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
