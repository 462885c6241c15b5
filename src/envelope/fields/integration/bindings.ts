/**
 * What the values of a row are bound to: its id and its subject where they are randomised, its tenant in any case. An
 * integration must know these wherever it encrypts or decrypts.
 *
 * @module
 */
import type { FieldColumn, FieldTable, NamedProperty } from '../declaration.ts';

/** Each once, though row, subject and tenant may be one column. */
export function bindingsOf(table: FieldTable, columns: Iterable<FieldColumn>): NamedProperty[] {
  const found = new Map<string, NamedProperty>();
  const add = (binding: NamedProperty): void => void found.set(binding.property, binding);
  if (typeof table.tenant !== 'string') add(table.tenant);
  for (const { kind } of columns) {
    if (kind === 'deterministic') continue;
    add(table.row);
    if (table.subject !== null) add(table.subject);
  }
  return [...found.values()];
}

/** All that a declared table has: what it encrypts, what its indexes make, and what its values are bound to. */
export function allBindings(table: FieldTable): NamedProperty[] {
  return bindingsOf(table, table.columns.values());
}

export function indexesOf(table: FieldTable): NamedProperty[] {
  return [...table.columns.values()].flatMap(({ indexes }) => indexes);
}
