/**
 * What the database cannot do with an encrypted column, in words that say what to do instead. The three integrations refuse
 * alike.
 *
 * @module
 */
import { ClavigerError } from '../../../errors.ts';
import { columnName, type FieldColumn, type FieldTable } from '../declaration.ts';

/** What is asked of an encrypted column in vain. */
const ASKED = {
  compare:
    'can only be compared by `=` and `in` with plain values, and with null: `like`, `<`, `<>` and their like see ' +
    'ciphertexts; find rows by other columns and look at the decrypted values',
  unindexed: 'has no index to be searched by: declare an index for it, or declare it deterministic',
  negate: 'cannot be searched under `not`: find rows by other columns, and leave some out after decryption',
  null: 'is compared with null by `is` and `is not`',
  order: 'cannot be ordered by: sort the decrypted rows',
  express:
    'cannot be part of an expression, a grouping, an ordering or a join: the database sees ciphertexts; select it, and ' +
    'compute with the decrypted value',
  raw: 'is named in raw SQL, which sees ciphertexts: use query builder methods for it',
  nested:
    'is selected by a subquery, a `with` or a union, whose rows nobody can decrypt: select it in the query itself, with ' +
    'a join if need be',
  distinct:
    'cannot be selected by `distinct`: equal values have different ciphertexts; drop duplicates after decryption',
  assign: 'is set by an expression: give it a plain value, so that it can be encrypted',
  unchecked:
    'is searched by a truncated index, which also finds others: so only rows that are selected, each alone and with its ' +
    'columns, can be found by it; select their ids first, or declare an index of 128 bits or more',
  either: 'is searched by a truncated index, which cannot stand under `or` or in a join: search for each by itself',
} as const;

export type Asked = keyof typeof ASKED;

export function refused(table: FieldTable, column: FieldColumn, asked: Asked): ClavigerError {
  return new ClavigerError('UNSUPPORTED', `encrypted column ${columnName(table, column)} ${ASKED[asked]}`);
}

export function invalid(words: string): ClavigerError {
  return new ClavigerError('INVALID_ARGUMENT', words);
}
