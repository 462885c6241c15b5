/**
 * Metadata in comments, for formats that have them: the last lines of the text, `# claviger: NAME VALUE` each.
 *
 * A line end stands between the body and the block, whatever the body ends with, so that the body comes back as it was.
 *
 * @module
 */
import { EMPTY_SPAN, lineEndOf, syntaxError, type Joined, type Span, type Split } from './format.ts';

const START = '# claviger: ';
const STRAY = /^# claviger: /m;
const MAC = /^# claviger: mac (.*?)\r?$/m;

export function splitComments(text: string): Split {
  const blockAt = blockStart(text);
  const block = text.slice(blockAt);
  const body = text.slice(0, Math.max(0, blockAt - (block === '' ? 0 : lineEndOf(block).length)));
  const stray = body.search(STRAY);
  if (stray !== -1) {
    throw syntaxError(text, stray, `a line that begins with \`${START.trim()}\` belongs to the end of a sealed file`);
  }
  return { body, metadata: block === '' ? null : fieldsOf(text, blockAt), mac: macSpan(block, blockAt) };
}

export function joinComments(body: string, metadata: object): Joined {
  const lineEnd = lineEndOf(body);
  const lines = Object.entries(metadata).flatMap(([name, value]) => linesOf(name, value));
  const before = body + lineEnd + lines.map((line) => START + line + lineEnd).join('') + `${START}mac `;
  return { text: before + lineEnd, macAt: before.length };
}

/** Where the lines of metadata begin that the text ends with. */
function blockStart(text: string): number {
  for (let at = text.length; ;) {
    const lineAt = at < 2 ? 0 : text.lastIndexOf('\n', at - 2) + 1;
    if (lineAt === at || !text.startsWith(START, lineAt)) return at;
    at = lineAt;
  }
}

function macSpan(block: string, blockAt: number): Span {
  const found = MAC.exec(block);
  if (found === null) return EMPTY_SPAN;
  const start = blockAt + found.index + `${START}mac `.length;
  return { start, end: start + found[1]!.length };
}

function linesOf(name: string, value: unknown): readonly string[] {
  if (name === 'keys') {
    return (value as readonly { arn: string; wrap: string }[]).map(({ arn, wrap }) => `key ${arn} ${wrap}`);
  }
  return [`${name} ${isStructured(name) ? JSON.stringify(value) : String(value)}`];
}

/** What may hold any character is written as JSON. */
function isStructured(name: string): boolean {
  return name === 'context' || name === 'only' || name === 'except';
}

/** Values as `joinComments` was given them; what they are worth, others check. */
function fieldsOf(text: string, blockAt: number): unknown {
  const keys: object[] = [];
  const fields = Object.create(null) as Record<string, unknown>;
  fields['keys'] = keys;
  for (const line of text.slice(blockAt).split(/\r?\n/)) {
    if (line === '') continue;
    const [, name, value] = /^# claviger: (\w+) (.*)$/.exec(line) ?? [];
    if (name === undefined || (Object.hasOwn(fields, name) && name !== 'key') || name === 'keys') {
      throw syntaxError(text, blockAt, 'the lines of metadata are not those that were written here');
    }
    if (name !== 'key') fields[name] = isStructured(name) ? parsed(text, blockAt, value!) : value;
    else {
      const [arn, wrap, ...others] = value!.split(' ');
      keys.push({ arn, wrap: [wrap, ...others].join(' ') });
    }
  }
  return fields;
}

function parsed(text: string, blockAt: number, value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    throw syntaxError(text, blockAt, 'the lines of metadata are not those that were written here');
  }
}
