/**
 * Which table a column of a query belongs to.
 *
 * Names are taken as SQL takes them: aliases hide tables, inner queries outer ones. Where it cannot be told, the query is
 * refused rather than guessed at.
 *
 * @module
 */
import {
  AliasNode,
  ColumnNode,
  IdentifierNode,
  ReferenceNode,
  TableNode,
  type OperationNode,
  type SchemableIdentifierNode,
} from 'kysely';
import type { FieldColumn, FieldTable } from '../declaration.ts';
import { invalid } from '../integration/refusals.ts';
import type { AnyFields } from '../integration/search.ts';

/** Something that rows come from: a table, a subquery, raw SQL. */
export interface Source {
  /** By which columns name it; null where it has no name that is known. */
  readonly name: string | null;
  /** null where the table is not declared, or it is none. */
  readonly fields: AnyFields | null;
  readonly table: TableNode | null;
}

export interface Resolved {
  readonly source: Source;
  readonly fields: AnyFields;
  readonly column: FieldColumn;
}

/** The declared tables, by their names in SQL. */
export class DeclaredTables {
  readonly #byName = new Map<string, AnyFields[]>();

  constructor(tables: readonly AnyFields[]) {
    for (const fields of tables) {
      const name = lastPart(fields.declared.table).toLowerCase();
      const known = this.#byName.get(name) ?? [];
      if (known.some((other) => other.declared.table === fields.declared.table)) {
        throw invalid(`table \`${fields.declared.table}\` is declared twice`);
      }
      this.#byName.set(name, [...known, fields]);
    }
  }

  /**
   * A table is the declared one also where only one of them names the schema: plaintext in a table that was meant is worse
   * than a query that is refused.
   */
  find({ schema, identifier }: SchemableIdentifierNode): AnyFields | null {
    const known = this.#byName.get(identifier.name.toLowerCase()) ?? [];
    const found = known.filter(({ declared: { table } }) => {
      const declaredSchema = table.includes('.') ? table.slice(0, table.lastIndexOf('.')) : undefined;
      return schema === undefined || declaredSchema === undefined || schema.name === declaredSchema;
    });
    if (found.length > 1) throw invalid(`table \`${identifier.name}\` is declared in several schemas: name one`);
    const [fields] = found;
    if (fields === undefined) return null;
    const name = lastPart(fields.declared.table);
    if (name !== identifier.name) throw invalid(`write \`${identifier.name}\` as it is declared: \`${name}\``);
    return fields;
  }

  get all(): readonly AnyFields[] {
    return [...this.#byName.values()].flat();
  }

  has(name: string): boolean {
    return this.#byName.has(name.toLowerCase());
  }
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

export function sourceOf(node: OperationNode, tables: DeclaredTables): Source {
  if (TableNode.is(node)) return { name: node.table.identifier.name, fields: tables.find(node.table), table: node };
  if (!AliasNode.is(node) || !IdentifierNode.is(node.alias)) return { name: null, fields: null, table: null };
  const { name } = node.alias;
  const alias = TableNode.create(name);
  return { name, fields: TableNode.is(node.node) ? tables.find(node.node.table) : null, table: alias };
}

/**
 * The encrypted column that a reference names; null where it names none.
 *
 * @param scopes sources of the query and of those around it, innermost first
 * @throws INVALID_ARGUMENT where it may be an encrypted column, or not
 */
export function resolve(node: ReferenceNode, scopes: readonly (readonly Source[])[]): Resolved | null {
  if (!ColumnNode.is(node.column)) return null;
  return resolveName(node.column.column.name, node.table?.table.identifier.name ?? null, scopes);
}

export function resolveName(
  name: string,
  qualifier: string | null,
  scopes: readonly (readonly Source[])[],
): Resolved | null {
  let isHidden = false;
  for (const sources of scopes) {
    const named = qualifier === null ? sources : sources.filter((source) => source.name === qualifier);
    for (const source of named) {
      const column = source.fields === null ? null : columnNamed(source.fields.declared, name);
      if (column === null || source.fields === null) continue;
      if (isHidden) {
        throw invalid(`column \`${name}\` may be that of \`${source.name}\`: write \`${source.name}.${name}\``);
      }
      return { source, fields: source.fields, column };
    }
    if (qualifier !== null && named.length > 0) return null;
    isHidden ||= sources.some(({ fields }) => fields === null);
  }
  return null;
}

/** By its name in SQL. @throws INVALID_ARGUMENT for a name that differs in its case only, which is the same in SQLite */
export function columnNamed(table: FieldTable, name: string): FieldColumn | null {
  for (const column of table.columns.values()) {
    if (column.sqlName === name) return column;
    if (column.sqlName.toLowerCase() === name.toLowerCase()) {
      throw invalid(`write \`${name}\` as it is declared: \`${column.sqlName}\``);
    }
  }
  return null;
}

/** A column of a source, named in full. */
export function referenceTo({ table }: Source, sqlName: string): ReferenceNode {
  return ReferenceNode.create(ColumnNode.create(sqlName), table ?? undefined);
}
