/**
 * A table of Drizzle with its declaration: rows on their way in and out, conditions, and searches.
 *
 * @module
 */
import {
  and,
  eq,
  getTableColumns,
  getTableName,
  inArray,
  sql,
  type Column,
  type InferInsertModel,
  type SQL,
  type Table,
} from 'drizzle-orm';
import { bindingsOf } from '../integration/bindings.ts';
import { invalid, refused } from '../integration/refusals.ts';
import { comparisonOf, type AnyFields, type Comparison } from '../integration/search.ts';
import type { FieldColumn, NamedProperty } from '../declaration.ts';
import type { SearchOptions } from '../fields.ts';
import { Encrypted, type Holds, type IndexTerm } from './columns.ts';

/** With plaintext in the place of ciphertexts, and without the terms of indexes. */
export type Plain<Row> = {
  [Name in keyof Row as [Exclude<Row[Name], null | undefined>] extends [IndexTerm] ? never : Name]:
    PlainOf<Exclude<Row[Name], null | undefined>> | Extract<Row[Name], null | undefined>;
};
type PlainOf<Value> = Value extends Encrypted<infer T> ? T : Value;

/** Properties of the encrypted columns of a table. */
type EncryptedName<T extends Table> = {
  [Name in keyof T['$inferSelect']]: Exclude<T['$inferSelect'][Name], null> extends IndexTerm
    ? never
    : Exclude<T['$inferSelect'][Name], null> extends Encrypted<unknown>
      ? Name
      : never;
}[keyof T['$inferSelect']] &
  string;
type ValueIn<T extends Table, Name extends EncryptedName<T>> = PlainOf<Exclude<T['$inferSelect'][Name], null>>;

export type WhereOptions = Pick<SearchOptions, 'tenant'>;

type Row = Readonly<Record<string, unknown>>;

/**
 * Binds a table to its declaration.
 *
 * @param fields what `fields(…)` gave; its properties are those of the table
 * @throws INVALID_ARGUMENT where table and declaration do not agree
 * @example
 * const customers = drizzleFields(customersTable, fields(claviger, { table: 'customers', row: 'id', columns: { … }, … }));
 * await db.insert(customersTable).values(await customers.encrypt({ id, email: 'ada@example.org' }));
 */
export function drizzleFields<T extends Table>(table: T, fields: AnyFields): DrizzleFields<T> {
  requireAgreement(table, fields);
  return new DrizzleFields(table, fields);
}

export class DrizzleFields<T extends Table> {
  readonly #table: T;
  readonly #columns: Readonly<Record<string, Column>>;
  readonly #fields: AnyFields;

  /** By `drizzleFields`. @internal */
  constructor(table: T, fields: AnyFields) {
    this.#table = table;
    this.#columns = getTableColumns(table);
    this.#fields = fields;
  }

  /** A row for `insert().values(…)`. @throws as `fields.encrypt` */
  async encrypt(row: Plain<InferInsertModel<T>>): Promise<InferInsertModel<T>> {
    const [encrypted] = await this.encryptMany([row]);
    return encrypted!;
  }

  /** As `encrypt`, of many rows, with one lookup of their keys. */
  async encryptMany(rows: readonly Plain<InferInsertModel<T>>[]): Promise<InferInsertModel<T>[]> {
    const encrypted = (await this.#fields.encryptMany(rows)) as readonly Row[];
    return encrypted.map((row) => this.#sealed(row)) as InferInsertModel<T>[];
  }

  /**
   * What `update().set(…).where(…)` takes to change one row.
   *
   * @param key the row's id, and its subject and tenant where they are declared
   * @example
   * const { set, where } = await customers.update({ id }, { email: 'ada@example.org' });
   * await db.update(customersTable).set(set).where(where);
   */
  async update(
    key: Partial<Plain<InferInsertModel<T>>>,
    values: Partial<Plain<InferInsertModel<T>>>,
  ): Promise<{ readonly set: Partial<InferInsertModel<T>>; readonly where: SQL }> {
    const { declared } = this.#fields;
    const given = values as Row;
    const written = [...declared.columns.values()].filter(({ property }) => (given[property] ?? null) !== null);
    const bindings = bindingsOf(declared, written);
    for (const { property } of bindings) {
      if ((key as Row)[property] === undefined) {
        throw invalid(`an update of \`${declared.table}\` names what its values are bound to: give \`${property}\``);
      }
      if (given[property] !== undefined && given[property] !== (key as Row)[property]) {
        throw invalid(`\`${declared.table}.${property}\` cannot be changed: encrypted values are bound to it`);
      }
    }
    const [encrypted] = await this.#fields.encryptMany([{ ...given, ...key }]);
    const set = this.#sealed(encrypted as Row);
    for (const property of Object.keys(key)) delete set[property];
    const conditions = Object.entries(key).map(([property, value]) => eq(this.#column(property), value));
    const guards = bindings.map((binding) => this.#spelled(binding, (key as Row)[binding.property]));
    const where = and(...conditions, ...guards);
    if (where === undefined) throw invalid('an update of one row names it: give its id');
    return { set: set as Partial<InferInsertModel<T>>, where };
  }

  /**
   * For `onConflictDoUpdate({ target, set })`: columns get what was to be inserted, with their indexes.
   *
   * The target is the row's id (and its subject and tenant, where they are declared), so that the row that is updated is
   * the one which the values are bound to.
   */
  excluded(...names: readonly EncryptedName<T>[]): Partial<InferInsertModel<T>> {
    const columns = names.map((name) => this.#declared(name));
    const set = columns
      .flatMap((column) => [column, ...column.indexes])
      .map(({ property }) => {
        return [property, sql`excluded.${sql.identifier(this.#column(property).name)}`] as const;
      });
    return Object.fromEntries(set) as Partial<InferInsertModel<T>>;
  }

  /**
   * A row that was selected, with plaintext in the place of its ciphertexts; null where it is null, as after a left join.
   *
   * @throws INVALID_CIPHERTEXT where a value does not open
   */
  async decrypt<R extends object | null>(row: R): Promise<R extends null ? null : Plain<R>> {
    const [decrypted] = await this.decryptMany([row]);
    return decrypted!;
  }

  /** As `decrypt`, of many rows, with one lookup of their keys. */
  async decryptMany<R extends object | null>(rows: readonly R[]): Promise<(R extends null ? null : Plain<R>)[]> {
    const there = rows.filter((row) => row !== null);
    const decrypted = await this.#fields.decryptMany(there.map((row) => this.#opened(row as Row)));
    let at = 0;
    return rows.map((row) => (row === null ? null : decrypted[at++])) as (R extends null ? null : Plain<R>)[];
  }

  /**
   * A condition by which an encrypted column is one of these values, for any place in a query.
   *
   * @throws UNSUPPORTED where the index is truncated, and what it finds has to be checked: that is what `find` is for
   */
  async where<Name extends EncryptedName<T>>(
    name: Name,
    value: ValueIn<T, Name> | readonly ValueIn<T, Name>[],
    options: WhereOptions = {},
  ): Promise<SQL> {
    const column = this.#declared(name);
    const comparison = comparisonOf(this.#fields, column);
    if (!comparison.isExact) throw refused(this.#fields.declared, column, 'unchecked');
    return this.#condition(comparison, valuesOf(value), options);
  }

  /**
   * The rows whose encrypted columns have these values, decrypted. What a truncated index finds by mistake is left out, so
   * a limit belongs behind it.
   *
   * @param query gets the condition, and selects all that the values are bound to
   * @example
   * const found = await customers.find({ email }, (where) => db.select().from(customersTable).where(where));
   */
  async find<R extends object>(
    wanted: { readonly [Name in EncryptedName<T>]?: ValueIn<T, Name> },
    query: (where: SQL) => PromiseLike<readonly R[]>,
    options: WhereOptions = {},
  ): Promise<Plain<R>[]> {
    const searches = Object.entries(wanted).map(([name, value]) => {
      const comparison = comparisonOf(this.#fields, this.#declared(name));
      return { name, value, comparison, matches: comparison.matcher(valuesOf(value)) };
    });
    const conditions = await Promise.all(
      searches.map(({ comparison, value }) => this.#condition(comparison, valuesOf(value), options)),
    );
    const where = and(...conditions);
    if (where === undefined) throw invalid('a search has at least one value');
    const rows = await query(where);
    for (const { name } of searches) {
      if (rows.some((row) => !(name in row)))
        throw invalid(`a search by \`${name}\` selects it, so that it can be checked`);
    }
    const decrypted = (await this.decryptMany(rows)) as Row[];
    return decrypted.filter((row) => searches.every(({ name, matches }) => matches(row[name]))) as Plain<R>[];
  }

  async #condition(comparison: Comparison, values: readonly unknown[], { tenant }: WhereOptions): Promise<SQL> {
    if (values.includes(null) || values.includes(undefined)) {
      throw invalid(`\`${comparison.column.property}\` is compared with null by \`isNull\``);
    }
    const { property } = comparison.by;
    const terms = await comparison.terms(values, tenant);
    if (terms.length === 0) return sql`1 = 0`;
    const holds = comparison.by === comparison.column ? comparison.column.type : 'term';
    return inArray(
      this.#column(property),
      terms.map((term) => new Encrypted(holds, term)),
    );
  }

  /**
   * What the database finds equal need not be the same text, which values are bound to. An expression has no collation of
   * the column's.
   */
  #spelled({ property }: NamedProperty, value: unknown): SQL {
    if (value instanceof Uint8Array) return sql`1 = 1`;
    return sql`cast(${this.#column(property)} as text) || '' = ${String(value)}`;
  }

  #declared(name: string): FieldColumn {
    const column = this.#fields.declared.columns.get(name);
    if (column === undefined)
      throw invalid(`\`${getTableName(this.#table)}\` declares no encrypted column \`${name}\``);
    return column;
  }

  #column(property: string): Column {
    const column = this.#columns[property];
    if (column === undefined) throw invalid(`\`${getTableName(this.#table)}\` has no column \`${property}\``);
    return column;
  }

  #sealed(row: Row): Record<string, unknown> {
    const sealed: Record<string, unknown> = { ...row };
    for (const column of this.#fields.declared.columns.values()) {
      for (const [{ property }, holds] of [
        [column, column.type] as const,
        ...column.indexes.map((index) => [index, 'term'] as const),
      ]) {
        const stored = row[property];
        if (stored !== undefined && stored !== null) sealed[property] = new Encrypted(holds, stored as string);
      }
    }
    return sealed;
  }

  #opened(row: Row): Row {
    const opened: Record<string, unknown> = { ...row };
    for (const { property } of this.#fields.declared.columns.values()) {
      const value = row[property];
      if (value instanceof Encrypted) opened[property] = value.stored;
    }
    return opened;
  }
}

function valuesOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** @throws INVALID_ARGUMENT */
function requireAgreement(table: Table, { declared }: AnyFields): void {
  const name = getTableName(table);
  const columns: Readonly<Record<string, Column>> = getTableColumns(table);
  const refuse = (words: string): Error => invalid(`table \`${name}\` is not as it is declared: ${words}`);
  if (declared.table.slice(declared.table.lastIndexOf('.') + 1) !== name) {
    throw refuse(`that is a declaration of \`${declared.table}\``);
  }
  const expected = new Map<string, NamedProperty & { readonly holds: Holds | null }>();
  for (const column of declared.columns.values()) {
    expected.set(column.property, { ...column, holds: column.type });
    for (const index of column.indexes) expected.set(index.property, { ...index, holds: 'term' });
  }
  const { row, subject, tenant } = declared;
  for (const bound of [row, subject, tenant]) {
    if (bound !== null && typeof bound !== 'string') expected.set(bound.property, { ...bound, holds: null });
  }
  for (const [property, { sqlName, holds }] of expected) {
    const column = columns[property];
    if (column === undefined) throw refuse(`it has no column \`${property}\``);
    if (!column.keyAsName && column.name !== sqlName) {
      throw refuse(
        `\`${property}\` is \`${column.name}\` in SQL, so declare \`names: { ${property}: '${column.name}' }\``,
      );
    }
    if (holds !== null) requireHolds(column, property, holds, declared.storage, refuse);
  }
  const undeclared = Object.keys(columns).find((property) => {
    return holdsOf(columns[property]!) !== null && (expected.get(property)?.holds ?? null) === null;
  });
  if (undeclared !== undefined) throw refuse(`\`${undeclared}\` is encrypted, and not declared`);
}

function requireHolds(
  column: Column,
  property: string,
  holds: Holds,
  storage: string,
  refuse: (words: string) => Error,
): void {
  const found = holdsOf(column);
  if (found !== holds) {
    const wanted = holds === 'term' ? 'an index term' : `encrypted, of the type \`${holds}\``;
    throw refuse(`\`${property}\` is declared as ${wanted}`);
  }
  if ((column.getSQLType() === 'text') !== (storage === 'text')) {
    throw refuse(`\`${property}\` is \`${column.getSQLType()}\`, and declared with the storage \`${storage}\``);
  }
}

/** null of a column that is not encrypted. */
function holdsOf(column: Column): Holds | null {
  let value: unknown = null;
  try {
    value = column.mapFromDriverValue('');
  } catch {
    // A type that cannot make anything of an empty text is none of ours.
  }
  return value instanceof Encrypted ? value.holds : null;
}
