/**
 * What a table is declared to be, checked and made complete: columns, indexes, and how they are called in SQL.
 *
 * Additional data and index keys are made of SQL's names, never of the properties': so a program that calls the column
 * `emailAddress` and the command line, which knows only `email_address`, open each other's values.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import { PAD_BYTES_MAX, type FieldKind, type Storage } from './field-value.ts';
import { isNormalizerName, type Normalizer } from './normalize.ts';
import { isFieldType, type FieldType } from './typed-value.ts';

/** A blind index of a column. */
export interface IndexDeclaration {
  /** Property with the terms, and the column unless `names` says otherwise; `<column>_index` where it is not given. */
  readonly column?: string;
  /** Of strings; `none` where it is not given. */
  readonly normalize?: Normalizer;
  /** Bits of a term, 1 to 256: docs/guides/fields.md says how many. */
  readonly bits: number;
  /** Another number for each change of `normalize` or `bits`, from 1, which it is where it is not given. */
  readonly version?: number;
  /** Earlier versions that are still searched for, until a rotation has replaced them. */
  readonly older?: readonly { readonly version: number; readonly normalize?: Normalizer; readonly bits: number }[];
}

export interface ColumnDeclaration {
  readonly type: FieldType;
  /** Equal values give equal ciphertexts, which can be compared and must not repeat often. */
  readonly deterministic?: boolean;
  readonly index?: IndexDeclaration | readonly IndexDeclaration[];
  /** Plaintexts are padded to multiples of so many bytes, 2 to 1,024, so that lengths say less; 0, none, by default. */
  readonly padTo?: number;
}

export type ColumnDeclarations = Readonly<Record<string, FieldType | ColumnDeclaration>>;

export interface TableDeclaration<Columns extends ColumnDeclarations = ColumnDeclarations> {
  /** Name of the table in SQL; a schema before it is part of the name. */
  readonly table: string;
  /** Property with the row's id, which is known before the row is inserted. */
  readonly row: string;
  readonly columns: Columns;
  /** Property with the data subject: each has field keys of its own. */
  readonly subject?: string;
  /** The tenant of every row, or the property that has it; none where it is not given. */
  readonly tenant?: string | { readonly column: string };
  /** Tables with the same key set share field keys, and a subject of theirs is one person. The table's name by default. */
  readonly keySet?: string;
  /** How values and terms stand in the database: `text` (base64url) by default, or `bytes`. */
  readonly storage?: Storage;
  /** SQL's names of properties that are called otherwise. */
  readonly names?: Readonly<Record<string, string>>;
}

export interface FieldIndex {
  /** Property with the terms. */
  readonly property: string;
  readonly sqlName: string;
  /** The first is written, all are searched for. */
  readonly versions: readonly FieldIndexVersion[];
}

export interface FieldIndexVersion {
  readonly version: number;
  readonly normalize: Normalizer;
  readonly bits: number;
}

export interface FieldColumn {
  readonly property: string;
  readonly sqlName: string;
  readonly type: FieldType;
  readonly kind: FieldKind;
  readonly indexes: readonly FieldIndex[];
  readonly padTo: number;
}

/** A declaration with nothing left open. */
export interface FieldTable {
  readonly table: string;
  readonly keySet: string;
  readonly storage: Storage;
  readonly row: NamedProperty;
  readonly subject: NamedProperty | null;
  /** Text: the tenant of every row; empty where there is none. */
  readonly tenant: string | NamedProperty;
  /** By property. */
  readonly columns: ReadonlyMap<string, FieldColumn>;
}

export interface NamedProperty {
  readonly property: string;
  readonly sqlName: string;
}

/** UTF-8 bytes of the name of a table, column or key set, of a tenant and a subject: they stand in encryption contexts. */
export const NAME_BYTES_MAX = 512;
const COLUMNS_MAX = 256;
const INDEXES_MAX = 8;
const INDEX_VERSIONS_MAX = 8;
const INDEX_VERSION_MAX = 2 ** 31 - 1;
const INDEX_BITS_MAX = 256;

/** @throws INVALID_ARGUMENT for a declaration that contradicts itself */
export function declare(declaration: TableDeclaration): FieldTable {
  const { table, storage = 'text', names = {} } = declaration;
  requireName('table', table);
  const refuse = (words: string): ClavigerError =>
    new ClavigerError('INVALID_ARGUMENT', `cannot declare the fields of \`${table}\`: ${words}`);
  if (storage !== 'text' && storage !== 'bytes') throw refuse('`storage` is `text` or `bytes`');

  const named = (property: string): NamedProperty => {
    requireName('property', property);
    const sqlName = Object.hasOwn(names, property) ? names[property]! : property;
    requireName('column', sqlName);
    return { property, sqlName };
  };
  const entries = Object.entries(declaration.columns);
  if (entries.length === 0 || entries.length > COLUMNS_MAX) throw refuse(`there are 1 to ${COLUMNS_MAX} columns`);
  const columns = entries.map(([property, given]) => declareColumn(named, property, given, refuse));
  const { keySet = table, tenant = '', subject } = declaration;
  requireName('key set', keySet);
  if (tenant === '' && declaration.tenant !== undefined) throw refuse('a tenant has a name');
  if (typeof tenant === 'string' && tenant !== '') requireName('tenant', tenant);

  const found: FieldTable = {
    table,
    keySet,
    storage,
    row: named(declaration.row),
    subject: subject === undefined ? null : named(subject),
    tenant: typeof tenant === 'string' ? tenant : named(tenant.column),
    columns: new Map(columns.map((column) => [column.property, column])),
  };
  requireDistinct(found, refuse);
  return found;
}

function declareColumn(
  named: (property: string) => NamedProperty,
  property: string,
  given: FieldType | ColumnDeclaration,
  refuse: (words: string) => ClavigerError,
): FieldColumn {
  const { type, deterministic = false, index = [], padTo = 0 } = typeof given === 'string' ? { type: given } : given;
  if (!isFieldType(type)) throw refuse(`column \`${property}\` is of no type that there is`);
  const indexes = Array.isArray(index) ? (index as readonly IndexDeclaration[]) : [index as IndexDeclaration];
  if (type === 'json' && (deterministic || indexes.length > 0)) {
    throw refuse(`column \`${property}\` is JSON, which has no one way of being written: it cannot be compared`);
  }
  if (!Number.isInteger(padTo) || padTo < 0 || padTo === 1 || padTo > PAD_BYTES_MAX) {
    throw refuse(`\`padTo\` of column \`${property}\` is 2 to ${PAD_BYTES_MAX}, or 0 for no padding`);
  }
  if (indexes.length > INDEXES_MAX) throw refuse(`column \`${property}\` has at most ${INDEXES_MAX} indexes`);
  return {
    ...named(property),
    type,
    kind: deterministic ? 'deterministic' : 'random',
    indexes: indexes.map((each) => declareIndex(named, property, type, each, refuse)),
    padTo,
  };
}

function declareIndex(
  named: (property: string) => NamedProperty,
  property: string,
  type: FieldType,
  { column = `${property}_index`, normalize = 'none', bits, version = 1, older = [] }: IndexDeclaration,
  refuse: (words: string) => ClavigerError,
): FieldIndex {
  const versions = [{ version, normalize, bits }, ...older].map((each) => ({ normalize: 'none' as const, ...each }));
  if (versions.length > INDEX_VERSIONS_MAX || new Set(versions.map((each) => each.version)).size < versions.length) {
    throw refuse(`an index of column \`${property}\` has at most ${INDEX_VERSIONS_MAX} versions, each once`);
  }
  for (const each of versions) {
    if (!Number.isInteger(each.bits) || each.bits < 1 || each.bits > INDEX_BITS_MAX) {
      throw refuse(`\`bits\` of an index of column \`${property}\` is 1 to ${INDEX_BITS_MAX}`);
    }
    if (!Number.isInteger(each.version) || each.version < 1 || each.version > INDEX_VERSION_MAX) {
      throw refuse(`\`version\` of an index of column \`${property}\` is a number from 1`);
    }
    if (typeof each.normalize !== 'function' && !isNormalizerName(each.normalize)) {
      throw refuse(`\`normalize\` of an index of column \`${property}\` is a function or the name of a normaliser`);
    }
    if (each.normalize !== 'none' && type !== 'string') {
      throw refuse(`column \`${property}\` is no string, so its index has nothing to normalise`);
    }
  }
  return { ...named(column), versions };
}

/** A column is one thing only: an id that is encrypted would find no row. */
function requireDistinct(table: FieldTable, refuse: (words: string) => ClavigerError): void {
  const { row, subject, tenant, columns } = table;
  const indexes = [...columns.values()].flatMap((column) => column.indexes);
  const plain = [row, ...(subject === null ? [] : [subject]), ...(typeof tenant === 'string' ? [] : [tenant])];
  const encrypted = [...columns.values(), ...indexes];
  for (const key of ['property', 'sqlName'] as const) {
    const names = encrypted.map((each) => each[key]);
    const seen = new Set<string>();
    for (const name of names) {
      if (seen.has(name)) throw refuse(`\`${name}\` is declared twice`);
      seen.add(name);
    }
    // Row, subject and tenant may be one column: a table of one row for each customer.
    const both = plain.find((each) => seen.has(each[key]));
    if (both !== undefined) throw refuse(`\`${both[key]}\` tells whose the row is, and cannot be encrypted`);
  }
}

function requireName(what: string, name: unknown): void {
  if (typeof name === 'string' && name !== '' && name.isWellFormed() && !name.includes('\0')) {
    if (Buffer.byteLength(name) <= NAME_BYTES_MAX) return;
  }
  throw new ClavigerError('INVALID_ARGUMENT', `the name of a ${what} is a text of 1 to ${NAME_BYTES_MAX} bytes`);
}

/** `` `customers.email` ``, as errors name a column. */
export function columnName(table: FieldTable, column: { readonly property: string }): string {
  return `\`${table.table}.${column.property}\``;
}
