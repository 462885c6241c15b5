/**
 * docs/reference/configuration.md, of the Zod schema that checks the file: a section for each part, a row for each field.
 *
 * @module
 */
import { z } from 'zod';
import { configSchema } from '../../src/server/config.ts';
import { blocks, code, table } from './markdown.ts';

/** What is read of a JSON Schema; a keyword that is not here and stands in the schema is refused, not left out. */
interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly secret?: boolean;
  readonly path?: boolean;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly oneOf?: readonly Node[];
  readonly propertyNames?: Node;
  /** A schema where the names are the reader's own. */
  readonly additionalProperties?: boolean | Node;
}

const KEYWORDS: ReadonlySet<string> = new Set<keyof Node>([
  'type',
  'description',
  'default',
  'const',
  'enum',
  'pattern',
  'format',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'secret',
  'path',
  'properties',
  'required',
  'items',
  'oneOf',
  'propertyNames',
  'additionalProperties',
]);

const HEAD = ['field', 'allowed', 'without it', 'is'] as const;

const INTRODUCTION = `# Configuration reference

<!-- Generated from src/server/config.ts by \`npm run docs\`. Change the schema, not this page. -->

The file is YAML, or JSON, which is YAML too. How to use it stands in the [configuration guide](../guides/configuration.md).
A field that is not on this page is a mistake, and the error names what there is. Paths are relative to the file. In any
text, \`\${NAME}\` stands for an environment variable and \`file:PATH\` for the content of a file, without the line break at its
end.`;

export function configurationPage(): string {
  const { $schema: _, ...root } = z.toJSONSchema(configSchema, { io: 'input' });
  return pageOf(root as Node);
}

/** The page of a schema. @throws Error for a keyword that the page would keep silent about */
export function pageOf(root: Node): string {
  requireKnown(root, '');
  const fields = Object.entries(root.properties ?? {});
  const plain = fields.filter(([, node]) => !hasFields(node));
  const parts = fields.filter(([, node]) => hasFields(node));
  return blocks(
    INTRODUCTION,
    '## Fields of the top',
    table(
      HEAD,
      plain.map(([name, node]) => row(name, node, root)),
    ),
    ...parts.flatMap(([name, node]) => section(name, node)),
  );
}

function section(name: string, node: Node): readonly string[] {
  const told = [`## ${code(name)}`, node.description ?? ''];
  if (node.oneOf !== undefined) {
    return [...told, 'One of these forms:', ...node.oneOf.map((form) => fieldsTable(name, form))];
  }
  if (node.items !== undefined) {
    const { oneOf } = node.items;
    if (oneOf === undefined) return [...told, `A list. ${withoutIt(node)}`, fieldsTable(`${name}[]`, node.items)];
    const forms = oneOf.flatMap((form) => [`### ${formTitle(name, form)}`, fieldsTable(`${name}[]`, form)]);
    return [...told, `A list of these forms. ${withoutIt(node)}`, ...forms];
  }
  return [...told, fieldsTable(name, node), ...lists(name, node)];
}

/** Lists within a part: a table for each form of what is in them. */
function lists(path: string, node: Node): readonly string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, { items }]) => {
    if (items === undefined || !isForm(items)) return [];
    const entry = `${path}.${name}[]`;
    return [`### ${code(entry)}`, ...(items.oneOf ?? [items]).map((form) => fieldsTable(entry, form))];
  });
}

function fieldsTable(path: string, node: Node): string {
  return table(HEAD, rows(path, node));
}

/** The fields, and after each those below it. */
function rows(path: string, node: Node): readonly (readonly string[])[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, field]) => [
    row(`${path}.${name}`, field, node),
    ...(field.oneOf ?? [field]).flatMap((form) => rows(`${path}.${name}`, form)),
  ]);
}

function row(path: string, node: Node, parent: Node): readonly string[] {
  const name = path.slice(path.lastIndexOf('.') + 1);
  return [code(path), allowed(node), absent(name, node, parent), node.description ?? ''];
}

function allowed(node: Node): string {
  if (node.const !== undefined) return code(node.const);
  if (node.enum !== undefined) return node.enum.map((value) => code(`"${value}"`)).join(' or ');
  if (node.properties !== undefined) return 'the fields below';
  if (node.oneOf !== undefined) return `one of ${node.oneOf.length} forms, below`;
  if (node.type === 'boolean') return '`true` or `false`';
  if (node.items !== undefined)
    return `a list${isForm(node.items) ? ', its entries below' : ` of ${allowed(node.items)}`}`;
  if (typeof node.additionalProperties === 'object')
    return `names of your own, each with ${allowed(node.additionalProperties)}`;
  if (node.type === 'number') return `number from ${grouped(node.minimum)} to ${grouped(node.maximum)}`;
  if (node.format === 'uri') return 'URL';
  if (node.type === 'integer') return `whole number from ${grouped(node.minimum)} to ${grouped(node.maximum)}`;
  if (node.pattern !== undefined) return `text like ${code(node.pattern)}`;
  if (node.path === true) return 'file';
  return node.secret === true ? 'text, by reference only' : 'text';
}

function absent(name: string, node: Node, parent: Node): string {
  if (parent.required?.includes(name) ?? false) return 'must be there';
  return node.default === undefined ? '–' : code(JSON.stringify(node.default));
}

/** `` `providers` of kind `aws-kms` ``. */
function formTitle(name: string, { properties }: Node): string {
  return `${code(name)} of kind ${code(properties?.['kind']?.const ?? '')}`;
}

function withoutIt(node: Node): string {
  return node.default === undefined
    ? 'None where it is not given.'
    : `Without it: ${code(JSON.stringify(node.default))}.`;
}

function hasFields(node: Node): boolean {
  return node.properties !== undefined || node.oneOf !== undefined || node.items !== undefined;
}

function isForm({ properties, oneOf }: Node): boolean {
  return properties !== undefined || oneOf !== undefined;
}

function grouped(value: number | undefined): string {
  return value === undefined ? '?' : value.toLocaleString('en-US');
}

function requireKnown(node: Node, path: string): void {
  const strange = Object.keys(node).find((keyword) => !KEYWORDS.has(keyword));
  if (strange !== undefined) {
    throw new Error(
      `\`${path}\` has the keyword \`${strange}\`, which tools/docs/configuration.ts does not tell of yet`,
    );
  }
  for (const [name, field] of Object.entries(node.properties ?? {})) requireKnown(field, `${path}.${name}`);
  for (const form of node.oneOf ?? []) requireKnown(form, path);
  if (node.items !== undefined) requireKnown(node.items, `${path}[]`);
}
