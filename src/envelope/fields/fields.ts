/**
 * Columns of an application's tables, encrypted before they are stored and decrypted after they were read.
 *
 * Rows are plain objects. What is declared is replaced, the terms of blind indexes stand in columns of their own, and
 * everything else passes through. spec/field-value.md has the format, docs/guides/fields.md what it hides and what it
 * does not.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises';
import { ClavigerError, invalidCiphertext, toClavigerError } from '../../errors.ts';
import { systemRandom } from '../../crypto/random.ts';
import { systemClock, type Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { KeyService } from '../key-service.ts';
import { indexTerm } from './blind-index.ts';
import {
  columnName,
  declare,
  NAME_BYTES_MAX,
  type ColumnDeclarations,
  type FieldColumn,
  type FieldTable,
  type TableDeclaration,
} from './declaration.ts';
import { encodeHeader, fieldAad, parseField, toStored, type NoField, type Place, type Stored } from './field-value.ts';
import {
  FieldKeys,
  KEYS_MAX_DEFAULT,
  KEYS_MAX_MAX,
  SCOPES_A_QUERY_MAX,
  shredded,
  TTL_MS_DEFAULT,
  TTL_MS_MAX,
  type HeldKey,
  type Lease,
  type Want,
} from './key-cache.ts';
import { scopeName, type FieldKeyScope, type FieldKeyStore } from './key-store.ts';
import { decodeValue, encodeValue, ValueError, type FieldType, type ValueTypes } from './typed-value.ts';

export interface FieldsOptions<Columns extends ColumnDeclarations> extends TableDeclaration<Columns> {
  /** The key of Claviger that wraps the field keys: id, alias (`alias:customers`) or ARN. */
  readonly key: string;
  /** Keys that wrapped field keys before `key` did, where some still are. */
  readonly olderKeys?: readonly string[];
  /** The table with the wrapped field keys. */
  readonly keys: FieldKeyStore;
  readonly cache?: {
    /** How long an unwrapped key may be kept, 1 s to 1 h; 5 min where it is not given. The same in every program. */
    readonly ttlMs?: number;
    /** How many may be kept; 1,000 where it is not given. */
    readonly keysMax?: number;
  };
  /** What `decrypt` gives for values of a shredded subject: it throws KEY_STATE by default. */
  readonly shredded?: 'throw' | 'null';
  readonly clock?: Clock;
  readonly random?: Random;
}

type TypeOf<Declared> = Declared extends FieldType
  ? Declared
  : Declared extends { readonly type: infer Type extends FieldType }
    ? Type
    : never;
type ValueOf<Declared> = ValueTypes[TypeOf<Declared>];

/** A row as it is stored: declared columns hold ciphertexts, and those of indexes are added. */
export type EncryptedRow<Row, Columns> = {
  [Name in keyof Row]: Name extends keyof Columns ? Stored | Extract<Row[Name], null | undefined> : Row[Name];
} & Readonly<Record<string, unknown>>;

/** A row as the application sees it. */
export type DecryptedRow<Row, Columns> = {
  [Name in keyof Row]: Name extends keyof Columns
    ? ValueOf<Columns[Name]> | Extract<Row[Name], null | undefined>
    : Row[Name];
};

export interface SearchOptions {
  /** Whose rows are searched, where the tenant stands in a column. */
  readonly tenant?: string;
  /** Property of the index, where the column has several; the first where it is not given. */
  readonly index?: string;
}

type Row = Readonly<Record<string, unknown>>;

/** Rows that are worked on without letting others have a turn: some milliseconds. */
const ROWS_A_TURN = 500;

/**
 * Field encryption of one table.
 *
 * @example
 * const customers = fields(claviger, {
 *   key: 'alias:customers', keys: sqlKeyStore(database), table: 'customers', row: 'id', columns: { email: 'string' },
 * });
 */
export function fields<const Columns extends ColumnDeclarations>(
  service: KeyService,
  options: FieldsOptions<Columns>,
): Fields<Columns> {
  return new Fields(service, options);
}

export class Fields<Columns extends ColumnDeclarations = ColumnDeclarations> implements Disposable {
  /** The declaration, complete. */
  readonly declared: FieldTable;
  /** For maintenance. @internal */
  readonly fieldKeys: FieldKeys;
  readonly #shredded: 'throw' | 'null';
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #indexProperties: ReadonlySet<string>;

  /** @throws INVALID_ARGUMENT for a declaration that contradicts itself */
  constructor(service: KeyService, options: FieldsOptions<Columns>) {
    const { key, keys: store, cache = {}, olderKeys = [], clock = systemClock, random = systemRandom } = options;
    this.declared = declare(options);
    const { ttlMs = TTL_MS_DEFAULT, keysMax = KEYS_MAX_DEFAULT } = cache;
    requireWithin('cache.ttlMs', ttlMs, 1000, TTL_MS_MAX);
    requireWithin('cache.keysMax', keysMax, 1, KEYS_MAX_MAX);
    this.fieldKeys = new FieldKeys({ service, store, key, olderKeys: [...olderKeys], ttlMs, keysMax, clock });
    this.#shredded = options.shredded ?? 'throw';
    this.#clock = clock;
    this.#random = random;
    const indexes = [...this.declared.columns.values()].flatMap((column) => column.indexes);
    this.#indexProperties = new Set(indexes.map(({ property }) => property));
  }

  get clock(): Clock {
    return this.#clock;
  }

  /**
   * A row as it is to be stored. Columns that are not in the row are not made up: so part of a row can be updated.
   *
   * @throws INVALID_ARGUMENT for a value of another type than declared, and a row without id, subject or tenant;
   *   KEY_STATE where the subject was shredded; what the key service refuses with
   */
  async encrypt<R extends object>(row: R): Promise<EncryptedRow<R, Columns>> {
    const [encrypted] = await this.encryptMany([row]);
    return encrypted!;
  }

  /**
   * A row as it was given to `encrypt`. The columns of indexes are left out.
   *
   * @throws INVALID_CIPHERTEXT where a value does not open: it was changed, or belongs to another row, column, table,
   *   tenant or subject; KEY_STATE where the subject was shredded
   */
  async decrypt<R extends object>(row: R): Promise<DecryptedRow<R, Columns>> {
    const [decrypted] = await this.decryptMany([row]);
    return decrypted!;
  }

  /** As `encrypt`, of many rows, with one lookup of their keys. */
  encryptMany<R extends object>(rows: readonly R[]): Promise<EncryptedRow<R, Columns>[]> {
    const wants = (row: Row): readonly Want[] => this.#wantsToEncrypt(row);
    const encrypt = (row: Row, lease: Lease): Row => this.#encryptRow(row, lease);
    return this.#inTurns(rows as readonly Row[], wants, encrypt) as Promise<EncryptedRow<R, Columns>[]>;
  }

  /** As `decrypt`, of many rows, with one lookup of their keys. */
  decryptMany<R extends object>(rows: readonly R[]): Promise<DecryptedRow<R, Columns>[]> {
    const wants = (row: Row): readonly Want[] => this.#wantsToDecrypt(row);
    const decrypt = (row: Row, lease: Lease): Row => this.#decryptRow(row, lease);
    return this.#inTurns(rows as readonly Row[], wants, decrypt) as Promise<DecryptedRow<R, Columns>[]>;
  }

  /**
   * Search terms of a value in a blind index, for `WHERE email_index IN (…)`: one for each field key and version of the
   * index under which it may stand. What is found shares the term, not always the value: decrypt and compare.
   *
   * @throws INVALID_ARGUMENT for a column without that index, and a value of another type
   */
  async index<Name extends keyof Columns & string>(
    name: Name,
    value: ValueOf<Columns[Name]>,
    options: SearchOptions = {},
  ): Promise<Stored[]> {
    const column = this.#column(name);
    const { indexes } = column;
    const index = options.index === undefined ? indexes[0] : indexes.find((each) => each.property === options.index);
    if (index === undefined) throw this.#refuse(column, 'has no such index: declare it with `index`');
    return this.#search(options, ({ number, key }) =>
      index.versions.map((version) =>
        this.#inColumn(column, () => indexTerm(this.declared, column, index, version, number, key, value)),
      ),
    );
  }

  /**
   * The ciphertexts of a value of a deterministic column, for `WHERE iban IN (…)`: one for each field key under which it
   * may stand.
   *
   * @throws INVALID_ARGUMENT for a column that is not deterministic, and a value of another type
   */
  async value<Name extends keyof Columns & string>(
    name: Name,
    value: ValueOf<Columns[Name]>,
    options: Omit<SearchOptions, 'index'> = {},
  ): Promise<Stored[]> {
    const column = this.#column(name);
    if (column.kind !== 'deterministic') {
      throw this.#refuse(column, 'is not deterministic, so equal values differ: search by an index of it');
    }
    const tenant = this.#searchedTenant(options);
    const place = { tenant, table: this.declared.table, column: column.sqlName, row: '', subject: '' };
    return this.#search(options, (held) => [this.#seal(column, value, place, held)]);
  }

  /** Zeroes the field keys in memory; those in use when their calls end. */
  clear(): void {
    this.fieldKeys.clear();
  }

  [Symbol.dispose](): void {
    this.fieldKeys[Symbol.dispose]();
  }

  /** @throws INVALID_ARGUMENT */
  #column(name: string): FieldColumn {
    const column = this.declared.columns.get(name);
    if (column !== undefined) return column;
    throw new ClavigerError('INVALID_ARGUMENT', `\`${this.declared.table}\` declares no encrypted column \`${name}\``);
  }

  #refuse(column: FieldColumn, words: string): ClavigerError {
    return new ClavigerError('INVALID_ARGUMENT', `column ${columnName(this.declared, column)} ${words}`);
  }

  /** Has the column named by what goes wrong with a value of it. */
  #inColumn<T>(column: FieldColumn, action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof ValueError) throw this.#refuse(column, error.message);
      throw error;
    }
  }

  async #search(options: SearchOptions, terms: (held: HeldKey) => Stored[]): Promise<Stored[]> {
    const scope = this.#scope(this.#searchedTenant(options), '');
    using lease = await this.fieldKeys.lease([{ scope, numbers: new Set(), also: 'search' }]);
    return lease.of(scope).search.flatMap(terms);
  }

  #searchedTenant({ tenant }: SearchOptions): string {
    const declared = this.declared.tenant;
    if (typeof declared === 'string') {
      if (tenant === undefined || tenant === declared) return declared;
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        `the tenant of \`${this.declared.table}\` is declared, and not this one`,
      );
    }
    if (tenant !== undefined) return ownerText(this.declared.table, declared.property, tenant);
    throw new ClavigerError('INVALID_ARGUMENT', 'a search needs `tenant`: each tenant has other keys');
  }

  #scope(tenant: string, subject: string): FieldKeyScope {
    return { set: this.declared.keySet, tenant, subject };
  }

  /** Where the values of a row belong. The row's id only where a randomised value needs it. */
  #placeOf(row: Row, needsRow: boolean): Omit<Place, 'column'> {
    const { table, tenant, subject, row: id } = this.declared;
    return {
      table,
      tenant: typeof tenant === 'string' ? tenant : ownerText(table, tenant.property, row[tenant.property]),
      row: needsRow ? rowText(table, id.property, row[id.property]) : '',
      subject: needsRow && subject !== null ? ownerText(table, subject.property, row[subject.property]) : '',
    };
  }

  /** The key of the subject for randomised values; that of the set for what is compared over all subjects. */
  #scopeOf(column: FieldColumn, place: Omit<Place, 'column'>): FieldKeyScope {
    return this.#scope(place.tenant, column.kind === 'random' ? place.subject : '');
  }

  #wantsToEncrypt(row: Row): readonly Want[] {
    const given = this.#given(row);
    if (given.length === 0) return [];
    for (const property of this.#indexProperties) {
      if (row[property] === undefined) continue;
      const words = `\`${property}\` is made by \`encrypt\`: leave it out; a row that was encrypted is not encrypted again`;
      throw new ClavigerError('INVALID_ARGUMENT', `${words} (\`${this.declared.table}\`)`);
    }
    const place = this.#placeOf(row, needsRow(given));
    const scopes = given.flatMap((column) => [
      this.#scopeOf(column, place),
      ...(column.indexes.length > 0 ? [this.#scope(place.tenant, '')] : []),
    ]);
    return scopes.map((scope) => ({ scope, numbers: NO_NUMBERS, also: 'write' }));
  }

  #encryptRow(row: Row, lease: Lease): Row {
    const encrypted: Record<string, unknown> = { ...row };
    const given = this.#given(row);
    const place = this.#placeOf(row, needsRow(given));
    for (const column of given) {
      const value = row[column.property];
      const held = lease.of(this.#scopeOf(column, place)).write!;
      encrypted[column.property] = this.#seal(column, value, { ...place, column: column.sqlName }, held);
      for (const index of column.indexes) {
        const { number, key } = lease.of(this.#scope(place.tenant, '')).write!;
        const [written] = index.versions;
        encrypted[index.property] = this.#inColumn(column, () =>
          indexTerm(this.declared, column, index, written!, number, key, value),
        );
      }
    }
    for (const column of this.declared.columns.values()) {
      if (row[column.property] === null) for (const { property } of column.indexes) encrypted[property] = null;
    }
    return encrypted;
  }

  #seal(column: FieldColumn, value: unknown, place: Place, { number, key }: HeldKey): Stored {
    const plaintext = this.#inColumn(column, () =>
      encodeValue(column.type, column.kind === 'deterministic' && value === 0 ? 0 : value, column.padTo),
    );
    const header = encodeHeader(column.kind, number);
    const aad = fieldAad(column.kind, header, place);
    const sealed =
      column.kind === 'random'
        ? key.sealRandom(header, plaintext, aad, this.#random)
        : key.sealDeterministic(header, plaintext, aad);
    plaintext.fill(0);
    return toStored(sealed, this.declared.storage);
  }

  #wantsToDecrypt(row: Row): readonly Want[] {
    const given = this.#given(row);
    if (given.length === 0) return [];
    const place = this.#placeOf(row, needsRow(given));
    return given.map((column) => {
      const parsed = parseField(row[column.property]);
      if (typeof parsed === 'string') throw this.#noField(column, place, parsed);
      return { scope: this.#scopeOf(column, place), numbers: new Set([parsed.number]), also: null };
    });
  }

  #decryptRow(row: Row, lease: Lease): Row {
    const decrypted: Record<string, unknown> = { ...row };
    const given = this.#given(row);
    const place = this.#placeOf(row, needsRow(given));
    for (const column of given) {
      decrypted[column.property] = this.#open(column, row[column.property], place, lease);
    }
    for (const property of this.#indexProperties) delete decrypted[property];
    return decrypted;
  }

  #open(column: FieldColumn, stored: unknown, place: Omit<Place, 'column'>, lease: Lease): unknown {
    const parsed = parseField(stored);
    if (typeof parsed === 'string') throw this.#noField(column, place, parsed);
    const scope = this.#scopeOf(column, place);
    if (parsed.kind !== column.kind)
      throw this.#unopened(column, place, `it is ${parsed.kind}, and declared otherwise`);
    const { byNumber, shreddedAtMs } = lease.of(scope);
    if (shreddedAtMs !== null) {
      if (this.#shredded === 'null') return null;
      throw shredded(scope, shreddedAtMs);
    }
    const key = byNumber.get(parsed.number);
    if (key === undefined) throw this.#unopened(column, place, 'there is no such field key any more');
    const aad = fieldAad(parsed.kind, parsed.header, { ...place, column: column.sqlName });
    try {
      const plaintext =
        parsed.kind === 'random' ? key.openRandom(parsed.body, aad) : key.openDeterministic(parsed.body, aad);
      const { type, value } = decodeValue(plaintext);
      plaintext.fill(0);
      if (type === column.type) return value;
      throw this.#unopened(column, place, `it is of type ${type}, and declared as ${column.type}`);
    } catch (error) {
      if (error instanceof ClavigerError && error.message !== invalidCiphertext().message) throw error;
      throw this.#unopened(
        column,
        place,
        'it was changed, or belongs to another row, column, table, tenant or subject',
        toClavigerError(error),
      );
    }
  }

  #noField(column: FieldColumn, place: Omit<Place, 'column'>, why: NoField): ClavigerError {
    return this.#unopened(column, place, NO_FIELD_WORDS[why]);
  }

  #unopened(column: FieldColumn, { row }: Omit<Place, 'column'>, why: string, cause?: Error): ClavigerError {
    const where = row === '' ? '' : ` of row \`${row}\``;
    const words = `${columnName(this.declared, column)}${where} does not open: ${why}`;
    return new ClavigerError('INVALID_CIPHERTEXT', words, cause === undefined ? {} : { cause });
  }

  /** Declared columns that stand in the row and are not null. */
  #given(row: Row): FieldColumn[] {
    const given: FieldColumn[] = [];
    for (const column of this.declared.columns.values()) {
      const value = row[column.property];
      if (value !== undefined && value !== null) given.push(column);
    }
    return given;
  }

  /** So many rows at a time that neither the keys of their subjects nor the time without a turn for others grow. */
  async #inTurns(
    rows: readonly Row[],
    wantsOf: (row: Row) => readonly Want[],
    work: (row: Row, lease: Lease) => Row,
  ): Promise<Row[]> {
    const done: Row[] = [];
    let start = 0;
    while (start < rows.length) {
      const wants = new Map<string, Want & { numbers: Set<number> }>();
      let end = start;
      for (; end < rows.length && wants.size < SCOPES_A_QUERY_MAX - this.declared.columns.size; end += 1) {
        for (const want of wantsOf(rows[end]!)) merge(wants, want);
      }
      using lease = await this.fieldKeys.lease([...wants.values()]);
      for (let at = start; at < end; at += 1) {
        if (at > start && (at - start) % ROWS_A_TURN === 0) await setImmediate();
        done.push(work(rows[at]!, lease));
      }
      start = end;
    }
    return done;
  }
}

const NO_NUMBERS: ReadonlySet<number> = new Set();

const NO_FIELD_WORDS: Readonly<Record<NoField, string>> = {
  plaintext:
    'it holds no encrypted value but, it seems, plaintext; rows that were there before encryption are taken in by ' +
    '`claviger fields rotate --adopt`',
  malformed: 'it was cut off or changed',
  version: 'it is of a version that this program does not know; a newer one may',
};

/** Randomised values are bound to their row, and to its subject. */
function needsRow(columns: readonly FieldColumn[]): boolean {
  return columns.some(({ kind }) => kind === 'random');
}

function merge(wants: Map<string, Want & { numbers: Set<number> }>, { scope, numbers, also }: Want): void {
  const name = scopeName(scope);
  const known = wants.get(name);
  if (known === undefined) wants.set(name, { scope, numbers: new Set(numbers), also });
  else for (const number of numbers) known.numbers.add(number);
}

/** A row's id as text: what it is bound to must not hang on whether a driver gives numbers, bigints or strings. */
function rowText(table: string, property: string, id: unknown): string {
  const text = idText(id);
  if (text !== null) return text;
  const missing = id === undefined || id === null || id === '';
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    missing
      ? `a row of \`${table}\` has no \`${property}\`, which its values are bound to: an id must be known before the ` +
          'insert, so make it yourself (a UUIDv7, say) rather than let the database; and select it with what you decrypt'
      : `\`${property}\` of a row of \`${table}\` is no id: it is text, a safe integer, a bigint or bytes`,
  );
}

function ownerText(table: string, property: string, owner: unknown): string {
  const text = idText(owner);
  if (text !== null) return text;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `a row of \`${table}\` has no \`${property}\` that says whose it is: give text, a safe integer, a bigint or bytes ` +
      `of at most ${NAME_BYTES_MAX} bytes, and select it with what you decrypt`,
  );
}

/** null where it cannot be one. */
function idText(id: unknown): string | null {
  if (typeof id === 'bigint' || (typeof id === 'number' && Number.isSafeInteger(id))) return String(id);
  if (id instanceof Uint8Array && id.length > 0 && id.length <= NAME_BYTES_MAX / 2)
    return Buffer.from(id).toString('hex');
  if (typeof id !== 'string' || id === '' || !id.isWellFormed() || Buffer.byteLength(id) > NAME_BYTES_MAX) return null;
  return id;
}

function requireWithin(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new ClavigerError('INVALID_ARGUMENT', `\`${name}\` is ${min} to ${max}`);
}
