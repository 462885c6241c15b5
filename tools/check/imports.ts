/**
 * The module specifiers of one TypeScript file, read from its syntax tree.
 *
 * A real parser (oxc, which knip uses too) rather than a search: comments, strings and regular expressions that look like
 * imports are none. Types count like values: a type from a lower folder ties the upper one to it as well.
 *
 * @module
 */
import { parseSync } from 'oxc-parser';

export interface ImportSite {
  /** As written. Of a template the text before its first expression; null where it cannot be known. */
  readonly specifier: string | null;
  /** Line in the file, from 1. */
  readonly line: number;
  /** True where only types come over, which are gone when the file runs. */
  readonly typeOnly: boolean;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

/**
 * Specifiers of `import`, `export … from`, `import()`, `import('…').Type`, `import x = require()` and
 * `new URL('…', import.meta.url)` (how a worker is named), in their order.
 *
 * @throws Error with file and line where the text is not TypeScript
 */
export function importsOf(path: string, text: string): readonly ImportSite[] {
  const parsed = parseSync(path, text, { sourceType: 'module', lang: 'ts' });
  const fault = parsed.errors[0];
  if (fault !== undefined) {
    const at = fault.labels[0]?.start ?? 0;
    throw new Error(`${path}:${lineAt(text, at)}: cannot be parsed: ${fault.message}`);
  }
  const sites: ImportSite[] = [];
  visit(parsed.program, (node) => {
    const specifier = specifierOf(node);
    if (specifier !== undefined) {
      sites.push({ specifier, line: lineAt(text, node.start), typeOnly: isTypeOnly(node) });
    }
  });
  return sites;
}

/** The module that a node names, null where it names a computed one; undefined for a node that names none. */
function specifierOf(node: Node): string | null | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
      return literalHead(node['source']);
    case 'ExportNamedDeclaration':
      return isNode(node['source']) ? literalHead(node['source']) : undefined;
    case 'TSExternalModuleReference':
      return literalHead(node['expression']);
    case 'NewExpression':
      return urlSpecifier(node);
    default:
      return undefined;
  }
}

/** `import type`, `export type … from` and `import('…').T`; not an `import` whose names are each marked. */
function isTypeOnly(node: Node): boolean {
  return node.type === 'TSImportType' || node['importKind'] === 'type' || node['exportKind'] === 'type';
}

/** `new URL(…, import.meta.url)` names a module where it ends like one, or in what is computed; else a file to read. */
function urlSpecifier(node: Node): string | undefined {
  const [target, base] = node['arguments'] as unknown[];
  if (nameOf(node['callee']) !== 'URL' || !isImportMetaUrl(base)) return undefined;
  const head = literalHead(target);
  if (head === null || (isNode(target) && target.type === 'Literal' && !/\.[cm]?[jt]s$/u.test(head))) return undefined;
  return head;
}

function literalHead(node: unknown): string | null {
  if (!isNode(node)) return null;
  if (node.type === 'Literal') return typeof node['value'] === 'string' ? node['value'] : null;
  if (node.type === 'TSLiteralType') return literalHead(node['literal']);
  if (node.type !== 'TemplateLiteral') return null;
  const head = (node['quasis'] as { value: { cooked: string | null } }[])[0]?.value.cooked ?? '';
  // Only a head that reaches into a folder says where the module is.
  return (node['expressions'] as unknown[]).length === 0 || head.includes('/') ? head : null;
}

function isImportMetaUrl(node: unknown): boolean {
  return (
    isNode(node) && node.type === 'MemberExpression' && nameOf(node['property']) === 'url' && isMeta(node['object'])
  );
}

function isMeta(node: unknown): boolean {
  return isNode(node) && node.type === 'MetaProperty';
}

function nameOf(node: unknown): unknown {
  return isNode(node) ? node['name'] : undefined;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

function visit(value: unknown, see: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, see);
  } else if (typeof value === 'object' && value !== null) {
    if (isNode(value)) see(value);
    for (const field of Object.values(value)) visit(field, see);
  }
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
