/**
 * Texts of each format, made at random, with whatever people write around their values.
 */
import fc from 'fast-check';
import { FORMATS, seal, unseal, type FormatName, type SealOptions } from '../../../../src/envelope/sealed/index.ts';
import { memoryKeyService } from '../../../support/key-service.ts';

export const service = memoryKeyService();

/** Seals under one key. */
export async function sealed(name: FormatName, text: string, options: Partial<SealOptions> = {}): Promise<string> {
  return (await seal(service, text, { format: FORMATS[name], keys: ['config'], ...options })).text;
}

export async function unsealed(name: FormatName, text: string): Promise<string> {
  return (await unseal(service, text, { format: FORMATS[name] })).text;
}

const blank = fc.stringMatching(/^[ \t]{0,3}$/);
const lineEnd = fc.constantFrom('\n', '\r\n');
const word = fc.stringMatching(/^[a-zA-Z_][\w-]{0,8}$/);
const key = fc.oneof(
  word,
  fc.string({ unit: 'grapheme', maxLength: 6 }).filter((text) => text.isWellFormed()),
);

const jsonBlank = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[ \t\n\r]{0,3}$/) },
  fc.constantFrom('// "a": 1\n', '/* , } */', ' /**/ ', '//\n', '// x \r\n'),
);
const jsonScalar = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\u00e9\\/"', '""', '0', '-0.0', '1E+400', '12345678901234567890', 'true', 'false', 'null'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
);

/** Joins parts with something different between each two. */
function spaced(between: fc.Arbitrary<string>, parts: fc.Arbitrary<readonly string[]>): fc.Arbitrary<string> {
  return fc
    .tuple(parts, fc.infiniteStream(between))
    .map(([list, blanks]) => list.map((part) => part + blanks.next().value).join(''));
}

function jsonParts(depth: number): fc.Arbitrary<readonly string[]> {
  if (depth === 0) return jsonScalar.map((scalar) => [scalar]);
  const inside = jsonParts(depth - 1);
  const commas = fc.boolean();
  const listOf = (items: readonly (readonly string[])[], comma: boolean): readonly string[] =>
    items.flatMap((item, at) => (at < items.length - 1 || comma ? [...item, ','] : item));
  return fc.oneof(
    jsonScalar.map((scalar) => [scalar]),
    fc.tuple(fc.array(inside, { maxLength: 3 }), commas).map(([items, comma]) => ['[', ...listOf(items, comma), ']']),
    jsonObject(depth - 1),
  );
}

function jsonObject(depth: number): fc.Arbitrary<readonly string[]> {
  const members = fc.uniqueArray(fc.tuple(key, jsonParts(depth)), { maxLength: 4, selector: ([name]) => name });
  return fc
    .tuple(
      members.filter((all) => all.every(([name]) => name !== '_claviger')),
      fc.boolean(),
    )
    .map(([all, comma]) => [
      '{',
      ...all.flatMap(([name, value], at) => [
        JSON.stringify(name),
        ':',
        ...value,
        ...(at < all.length - 1 || comma ? [','] : []),
      ]),
      '}',
    ]);
}

/** JSON objects, with comments and trailing commas. */
export const jsonText: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom('', '\uFEFF'), jsonBlank, spaced(jsonBlank, jsonObject(3)))
  .map((parts) => parts.join(''));

const envValue = fc.oneof(
  fc.stringMatching(/^[a-z0-9 $#=:'"`\\/+-]{0,20}$/).filter((text) => !/^[\s'"`]/.test(text)),
  fc
    .string({ unit: 'binary', maxLength: 20 })
    .filter((text) => !/[\0"\\]/.test(text))
    .map((text) => `"${text}"`),
  fc.constantFrom('""', "''", '"a\\"b\\n"', "'multi\nline'", '`tick "x"`', "'\r\n'", 'a#b', '#x'),
);
const envComment = fc.constantFrom('', ' # because', '\t#', '  ');
const envLine = fc.tuple(fc.constantFrom('', 'export ', '  '), blank, blank, envValue, envComment).map(
  ([before, a, b, value, comment]) =>
    (name: string): string =>
      `${before}${name}${a}=${b}${value}${comment}`,
);
const envBlank = fc.constantFrom('', '# a comment', '   ', '  # "', '#A=1');

/** .env files. */
export const envText: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 3, arbitrary: envLine }, envBlank), { maxLength: 8 }),
    lineEnd,
    fc.constantFrom('', '\n', '\r\n', '\n\n'),
  )
  .map(
    ([lines, end, last]) =>
      lines.map((line, at) => (typeof line === 'string' ? line : line(`N${at}`))).join(end) + last,
  );

const yamlScalar = fc.oneof(
  fc.constantFrom(
    '~',
    'null',
    'true',
    '0x1F',
    '1e3',
    '.inf',
    '2001-12-14',
    'plain text',
    'a:b',
    '-x',
    "''",
    '""',
    '!!str 5',
    '!odd x',
  ),
  fc
    .string({ unit: 'grapheme', maxLength: 12 })
    .filter((text) => /^[ -~\u00a1-\ud7ff]*$/.test(text))
    .map((text) => JSON.stringify(text)),
  fc.stringMatching(/^[a-z #:"]{0,12}$/).map((text) => `'${text}'`),
);
const yamlComment = fc.constantFrom('', ' # because', ' #');

/** Lines of a block of YAML, not yet indented. */
function yamlLines(depth: number): fc.Arbitrary<readonly string[]> {
  const leaf = fc.oneof(
    fc.tuple(yamlScalar, yamlComment).map(([scalar, comment]) => [`${scalar}${comment}`]),
    fc.constantFrom<readonly string[]>(
      ['|', '  a', '', '   b'],
      ['>-', '  folded', '  text'],
      ['|+ # kept', '  a', ''],
      ['"two', '  lines"'],
      ['plain', '  lines'],
      ['[1, {a: "b", c: [~]}]'],
      ['{}'],
      [''],
    ),
  );
  if (depth === 0) return leaf;
  const inner = yamlLines(depth - 1);
  const map = fc
    .uniqueArray(fc.tuple(word, inner), { minLength: 1, maxLength: 4, selector: ([name]) => name })
    .map((all) => all.flatMap(([name, lines]) => placed(`${name}:`, lines)));
  const list = fc.array(inner, { minLength: 1, maxLength: 3 }).map((all) => all.flatMap((lines) => placed('-', lines)));
  return fc.oneof(leaf, map, list);
}

/** A value behind its key or dash: what is a block of its own goes below. */
function placed(before: string, lines: readonly string[]): readonly string[] {
  const [first = '', ...others] = lines;
  if (/^[\w-]+:( |$)|^-( |$)/.test(first)) return [before, ...lines.map((line) => (line === '' ? '' : `  ${line}`))];
  return [`${before} ${first}`, ...others];
}

/** Streams of YAML. */
export const yamlText: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(yamlLines(2), { minLength: 1, maxLength: 3 }),
    fc.constantFrom('', '# above\n', '---\n', '\uFEFF'),
    lineEnd,
    fc.constantFrom('', '\n', '\n\n# below', '\n...\n'),
  )
  .map(([documents, before, end, after]) =>
    (before + documents.map((lines) => lines.join('\n')).join('\n---\n') + after).replaceAll('\n', end),
  );
