/**
 * JSON (RFC 8259), and JSON with comments and trailing commas: where its values are spelled.
 *
 * The metadata are the last member of the outermost object, `_claviger`.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import {
  EMPTY_SPAN,
  lineEndOf,
  syntaxError,
  tooManyValues,
  TOKEN,
  type Format,
  type Joined,
  type Scalar,
  type Slot,
  type Span,
  type Split,
} from './format.ts';
import { DEPTH_MAX, VALUES_MAX } from './limits.ts';
import { pathText, type Path } from './path.ts';

const METADATA_KEY = '_claviger';
/** Which are read as values of the document first: context, keys and the rest. */
const METADATA_VALUES_MAX = 256;
const BOM = '\uFEFF';
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const LITERAL = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;
const COMMENT = /\/\/[^\r\n]*|\/\*[^]*?\*\//y;

export const json: Format = {
  name: 'json',
  slots: (body) => read(body).slots,
  split,
  join,
  spell: (token) => `"${token}"`,
  tokenOf: (spelling) => (TOKEN.test(spelling.slice(1, -1)) && spelling.startsWith('"') ? spelling.slice(1, -1) : null),
  scalars: (body) => read(body).slots.map((slot) => scalarOf(body, slot)),
};

/** A member of the outermost object. */
interface Member {
  readonly key: string;
  readonly keyAt: number;
  readonly valueAt: number;
  readonly end: number;
  /** Behind the comma that follows; null where none does. */
  commaEnd: number | null;
}

interface Read {
  readonly slots: readonly Slot[];
  /** Null where the document is no object. */
  readonly members: readonly Member[] | null;
  /** Behind the opening brace. */
  readonly insideAt: number;
}

function scalarOf(body: string, { path, start, end }: Slot): Scalar {
  const spelling = body.slice(start, end);
  if (spelling === 'null') return { path, value: null };
  return { path, value: spelling.startsWith('"') ? (JSON.parse(spelling) as string) : spelling };
}

function split(text: string): Split {
  const { slots, members } = read(text);
  const at = members?.findIndex(({ key }) => key === METADATA_KEY) ?? -1;
  if (members === null || at === -1) return { body: text, metadata: null, mac: EMPTY_SPAN };
  const own = members[at]!;
  if (at < members.length - 1) {
    throw syntaxError(text, own.keyAt, `\`${METADATA_KEY}\` has to be the last key, and there is one behind it`);
  }
  return {
    body: withoutMember(text, own, members[at - 1]),
    metadata: metadataOf(text, own),
    mac: macSpan(slots),
  };
}

/** Undoes what `join` did. */
function withoutMember(text: string, own: Member, before: Member | undefined): string {
  if (before === undefined) return text.slice(0, own.keyAt) + text.slice(own.end);
  const gapAt = lastCommentEnd(text, before.commaEnd!, own.keyAt);
  if (own.commaEnd !== null) return text.slice(0, gapAt) + text.slice(own.commaEnd);
  return text.slice(0, before.end) + text.slice(before.commaEnd!, gapAt) + text.slice(own.end);
}

function metadataOf(text: string, { valueAt, end }: Member): unknown {
  try {
    return JSON.parse(text.slice(valueAt, end)) as unknown;
  } catch {
    throw syntaxError(text, valueAt, `\`${METADATA_KEY}\` holds what was never written there`);
  }
}

function macSpan(slots: readonly Slot[]): Span {
  const found = slots.find(({ path }) => pathText(path) === `${METADATA_KEY}.mac`);
  return found === undefined ? EMPTY_SPAN : { start: found.start + 1, end: found.end - 1 };
}

function join(body: string, metadata: object): Joined {
  const { members, insideAt } = read(body);
  if (members === null) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      'the outermost value of a JSON file has to be an object: put it into one',
    );
  }
  const last = members.at(-1);
  if (last === undefined) return joined(body.slice(0, insideAt), spelled(metadata, null), '', body.slice(insideAt));
  const { commaEnd, end } = last;
  const from = commaEnd ?? end;
  const gapAt = lastCommentEnd(body, from, closing(body, from));
  const indent = indentOf(body, insideAt, members[0]!.keyAt);
  const gap = indent !== null ? lineEndOf(body) + indent : gapAt > from ? lineEndOf(body) : '';
  const before = commaEnd === null ? `${body.slice(0, end)},${body.slice(end, gapAt)}` : body.slice(0, gapAt);
  const text = spelled(metadata, indent).replaceAll('\n', `${lineEndOf(body)}${indent ?? ''}`);
  return joined(before + gap, text, commaEnd === null ? '' : ',', body.slice(gapAt));
}

/** The MAC is the last of the metadata, and empty yet. */
function joined(before: string, member: string, comma: string, after: string): Joined {
  return { text: before + member + comma + after, macAt: before.length + member.lastIndexOf('""') + 1 };
}

function spelled(metadata: object, indent: string | null): string {
  const key = indent === null ? `"${METADATA_KEY}":` : `"${METADATA_KEY}": `;
  return key + JSON.stringify({ ...metadata, mac: '' }, null, indent ?? undefined);
}

/** White space in front of the first key, where it has a line of its own. */
function indentOf(text: string, from: number, to: number): string | null {
  const lineAt = text.lastIndexOf('\n', to - 1) + 1;
  const indent = text.slice(lineAt, to);
  return lineAt > from && /^[ \t]*$/.test(indent) ? indent : null;
}

/** Where the last comment within white space and comments ends; `from` where there is none. */
function lastCommentEnd(text: string, from: number, to: number): number {
  let end = from;
  for (let at = from; at < to; at += 1) {
    if (text[at] !== '/') continue;
    COMMENT.lastIndex = at;
    if (!COMMENT.test(text)) return end;
    end = COMMENT.lastIndex;
    at = end - 1;
  }
  return end;
}

/** Where the outermost object is closed, behind white space and comments. */
function closing(text: string, from: number): number {
  return new Reader(text, from).blank().at;
}

function read(text: string): Read {
  return new Reader(text, text.startsWith(BOM) ? BOM.length : 0).document();
}

class Reader {
  readonly #text: string;
  readonly #slots: Slot[] = [];
  readonly #members: Member[] = [];
  at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  document(): Read {
    this.blank();
    const isObject = this.#text[this.at] === '{';
    const insideAt = this.at + 1;
    this.#value([]);
    this.blank();
    if (this.at < this.#text.length) throw this.#error('the document ends here, and there is more');
    return { slots: this.#slots, members: isObject ? this.#members : null, insideAt };
  }

  /** Passes over white space and comments. */
  blank(): this {
    for (;;) {
      const char = this.#text[this.at];
      if (char === ' ' || char === '\n' || char === '\r' || char === '\t') this.at += 1;
      else if (char === '/') this.#comment();
      else return this;
    }
  }

  #comment(): void {
    COMMENT.lastIndex = this.at;
    if (!COMMENT.test(this.#text)) throw this.#error('neither a value nor a comment');
    this.at = COMMENT.lastIndex;
  }

  #value(steps: Path['steps']): void {
    const char = this.#text[this.at];
    if (char === '{') this.#object(steps);
    else if (char === '[') this.#list(steps);
    else this.#scalar(steps);
  }

  #scalar(steps: Path['steps']): void {
    const start = this.at;
    if (this.#text[start] === '"') this.#string();
    else {
      LITERAL.lastIndex = start;
      if (!LITERAL.test(this.#text)) throw this.#error('a value is missing here, or is not JSON');
      this.at = LITERAL.lastIndex;
    }
    // Nothing is known of the file yet, and a path is longer than a value can be.
    if (this.#slots.length > VALUES_MAX + METADATA_VALUES_MAX) throw tooManyValues();
    this.#slots.push({ path: { document: 0, steps }, start, end: this.at });
  }

  #object(steps: Path['steps']): void {
    this.#enter(steps);
    const names = new Set<string>();
    while (!this.#closes('}')) {
      const keyAt = this.at;
      if (this.#text[keyAt] !== '"') throw this.#error('a key in double quotes is missing');
      const key = JSON.parse(this.#string()) as string;
      if (!key.isWellFormed()) throw this.#error('a key that is no well-formed Unicode');
      if (names.has(key)) throw this.#error(`the key \`${key}\` is there twice`);
      names.add(key);
      this.blank();
      if (this.#text[this.at] !== ':') throw this.#error('a colon is missing');
      this.at += 1;
      this.blank();
      const valueAt = this.at;
      this.#value([...steps, key]);
      const member: Member = { key, keyAt, valueAt, end: this.at, commaEnd: null };
      if (this.#comma('}')) member.commaEnd = this.at;
      if (steps.length === 0) this.#members.push(member);
    }
    this.at += 1;
  }

  #list(steps: Path['steps']): void {
    this.#enter(steps);
    for (let index = 0; !this.#closes(']'); index += 1) {
      this.#value([...steps, index]);
      this.#comma(']');
    }
    this.at += 1;
  }

  #enter(steps: Path['steps']): void {
    if (steps.length >= DEPTH_MAX) throw this.#error(`more than ${DEPTH_MAX} levels`);
    this.at += 1;
  }

  #closes(bracket: string): boolean {
    this.blank();
    return this.#text[this.at] === bracket;
  }

  /** Passes over the comma behind a value, if one is there; without one the bracket has to close. */
  #comma(bracket: string): boolean {
    if (this.#closes(bracket)) return false;
    if (this.#text[this.at] !== ',') throw this.#error(`a comma or \`${bracket}\` is missing`);
    this.at += 1;
    return true;
  }

  /** Passes over a string, and gives its spelling. */
  #string(): string {
    const start = this.at;
    for (this.at += 1; this.#text[this.at] !== '"';) {
      if (this.#text[this.at] === '\\') {
        ESCAPE.lastIndex = this.at;
        if (!ESCAPE.test(this.#text)) throw this.#error('an escape that JSON does not have');
        this.at = ESCAPE.lastIndex;
      } else if (!(this.#text.charCodeAt(this.at) >= 0x20)) {
        throw this.#error('a string that is not closed on its line');
      } else this.at += 1;
    }
    this.at += 1;
    return this.#text.slice(start, this.at);
  }

  #error(what: string): ClavigerError {
    return syntaxError(this.#text, this.at, what);
  }
}
