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
import { ClavigerError } from '../../errors.ts';
import { systemRandom } from '../../crypto/random.ts';
import { systemClock, type Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { KeyService } from '../key-service.ts';
import {
  columnName,
  declare,
  type ColumnDeclarations,
  type FieldColumn,
  type FieldTable,
  type TableDeclaration,
} from './declaration.ts';
import type { Stored } from './field-value.ts';
import {
  FieldKeys,
  KEYS_MAX_DEFAULT,
  KEYS_MAX_MAX,
  SCOPES_A_QUERY_MAX,
  TTL_MS_DEFAULT,
  TTL_MS_MAX,
  Wants,
  type HeldKey,
  type Lease,
} from './key-cache.ts';
import type { FieldKeyStore } from './key-store.ts';
import { ownerText, RowCipher, type PlannedRow, type Row } from './row-cipher.ts';
import type { FieldType, ValueTypes } from './typed-value.ts';

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

/** That of a row's subject, and that of the set. */
const SCOPES_A_ROW = 2;
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
  /** For jobs and integrations: the field keys in memory, and the cryptography once they are there. */
  readonly fieldKeys: FieldKeys;
  readonly cipher: RowCipher;
  readonly #shredded: 'throw' | 'null';
  readonly #clock: Clock;

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
    this.cipher = new RowCipher(this.declared, random);
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
    const { cipher } = this;
    const plan = (row: Row, wants: Wants): PlannedRow => cipher.planEncryption(row, wants);
    const work = (row: PlannedRow, lease: Lease): Row => cipher.encrypt(row, lease);
    return this.#inTurns(rows as readonly Row[], plan, work) as Promise<EncryptedRow<R, Columns>[]>;
  }

  /** As `decrypt`, of many rows, with one lookup of their keys. */
  decryptMany<R extends object>(rows: readonly R[]): Promise<DecryptedRow<R, Columns>[]> {
    const { cipher } = this;
    const plan = (row: Row, wants: Wants): PlannedRow => cipher.planDecryption(row, wants);
    const work = (row: PlannedRow, lease: Lease): Row => cipher.decrypt(row, lease, this.#shredded === 'null');
    return this.#inTurns(rows as readonly Row[], plan, work) as Promise<DecryptedRow<R, Columns>[]>;
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
    return this.#search(this.#searchedTenant(options), (held) =>
      index.versions.map((version) => this.cipher.term(column, index, version, value, held)),
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
    return this.#search(tenant, (held) => [this.cipher.seal(column, value, { tenant, row: '', subject: '' }, held)]);
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

  async #search(tenant: string, terms: (held: HeldKey) => Stored[]): Promise<Stored[]> {
    const scope = this.cipher.setScope(tenant);
    const wants = new Wants();
    wants.add(scope, 'search');
    using lease = await this.fieldKeys.lease(wants);
    return lease.of(scope).search.flatMap(terms);
  }

  #searchedTenant({ tenant }: SearchOptions): string {
    const { table, tenant: declared } = this.declared;
    if (typeof declared === 'string') {
      if (tenant === undefined || tenant === declared) return declared;
      throw new ClavigerError('INVALID_ARGUMENT', `\`${table}\` is declared with a tenant, and it is not this one`);
    }
    if (tenant !== undefined) return ownerText(table, declared.property, tenant);
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `a search in \`${table}\` needs \`tenant\`: each tenant has other keys`,
    );
  }

  /** So many rows at a time that neither the keys of their subjects nor the time without a turn for others grow. */
  async #inTurns(
    rows: readonly Row[],
    plan: (row: Row, wants: Wants) => PlannedRow,
    work: (row: PlannedRow, lease: Lease) => Row,
  ): Promise<Row[]> {
    const done: Row[] = [];
    while (done.length < rows.length) {
      const wants = new Wants();
      const planned: PlannedRow[] = [];
      while (planned.length < ROWS_A_TURN && wants.size + SCOPES_A_ROW <= SCOPES_A_QUERY_MAX) {
        const row = rows[done.length + planned.length];
        if (row === undefined) break;
        planned.push(plan(row, wants));
      }
      if (done.length > 0) await setImmediate();
      using lease = await this.fieldKeys.lease(wants);
      for (const row of planned) done.push(work(row, lease));
    }
    return done;
  }
}

function requireWithin(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new ClavigerError('INVALID_ARGUMENT', `\`${name}\` is ${min} to ${max}`);
}
