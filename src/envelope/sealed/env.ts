/**
 * Files of environment variables: `NAME=value` lines, as dotenv, Node's `--env-file` and shells read them.
 *
 * They do not agree on everything. What one of them takes for a part of the value is sealed: a `#` begins a comment only
 * behind white space. Nothing is expanded: `$HOME` stays `$HOME`.
 *
 * @module
 */
import { joinComments, splitComments } from './comment-block.ts';
import { syntaxError, TOKEN, tooManyValues, type Format, type Scalar, type Slot, type Span } from './format.ts';
import { VALUES_MAX } from './limits.ts';

const BOM = '\uFEFF';
const BLANK_LINE = /[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/y;
const NAME = /[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*=/y;
const LINE = /[^\r\n]*/y;
const COMMENT = /[ \t]#/;
const QUOTES: ReadonlySet<string> = new Set(['"', "'", '`']);
const REST = /[ \t]*(?:[ \t]#[^\n]*)?(?:\r?\n|$)/y;

/** What stands behind a backslash between double quotes, and what it is; others stay as they are. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['"', '"'],
  ['\\', '\\'],
  ['$', '$'],
]);

export const env: Format = {
  name: 'env',
  slots,
  split: splitComments,
  join: joinComments,
  spell: (token) => token,
  tokenOf: (spelling) => (TOKEN.test(spelling) ? spelling : null),
  scalars: (body) => slots(body).map((slot) => scalarOf(body, slot)),
};

function slots(body: string): readonly Slot[] {
  const found: Slot[] = [];
  const names = new Set<string>();
  for (let at = body.startsWith(BOM) ? BOM.length : 0; at < body.length;) {
    const blank = match(BLANK_LINE, body, at);
    if (blank !== null) {
      at += blank[0].length;
      continue;
    }
    const named = match(NAME, body, at);
    if (named === null) throw syntaxError(body, at, 'neither NAME=value nor a comment');
    const name = named[1]!;
    if (names.has(name)) throw syntaxError(body, at, `\`${name}\` is there twice`);
    names.add(name);
    if (names.size > VALUES_MAX) throw tooManyValues();
    const span = valueAt(body, at + named[0].length);
    const rest = match(REST, body, span.end);
    if (rest === null) throw syntaxError(body, span.end, 'there is more behind the closing quote');
    found.push({ path: { document: 0, steps: [name] }, ...span });
    at = span.end + rest[0].length;
  }
  return found;
}

/**
 * The value behind an equals sign, without white space around it.
 *
 * @param equalsEnd behind the sign
 */
function valueAt(body: string, equalsEnd: number): Span {
  const line = match(LINE, body, equalsEnd)![0];
  const start = equalsEnd + line.length - line.trimStart().length;
  const quote = body[start]!;
  if (QUOTES.has(quote)) return { start, end: closed(body, start, quote) };
  const commentAt = line.search(COMMENT);
  const value = (commentAt === -1 ? line : line.slice(0, commentAt)).trim();
  // Of nothing, the place is right behind the sign: what is put there stands in front of a comment.
  return value === '' ? { start: equalsEnd, end: equalsEnd } : { start, end: start + value.length };
}

/** Behind the quote that closes a value. */
function closed(body: string, start: number, quote: string): number {
  for (let at = start + 1; at < body.length; at += 1) {
    if (body[at] === quote) return at + 1;
    if (body[at] === '\\' && quote === '"') at += 1;
  }
  throw syntaxError(body, start, 'a quote that is never closed');
}

function scalarOf(body: string, { path, start, end }: Slot): Scalar {
  const spelling = body.slice(start, end);
  if (!QUOTES.has(spelling[0] ?? '')) return { path, value: spelling };
  const inside = spelling.slice(1, -1);
  if (!spelling.startsWith('"')) return { path, value: inside };
  return { path, value: inside.replaceAll(/\\(.)/g, (whole, char: string) => ESCAPES.get(char) ?? whole) };
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
