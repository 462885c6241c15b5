/**
 * Rows of a declared table, sealed and opened once their keys are there: what is wanted of which keys, and then, without
 * waiting for anything, the cryptography.
 *
 * @module
 */
import { ClavigerError, toClavigerError } from '../../errors.ts';
import type { Random } from '../../ports/random.ts';
import { indexTerm } from './blind-index.ts';
import { columnName, NAME_BYTES_MAX, type FieldColumn, type FieldIndex, type FieldTable } from './declaration.ts';
import type { FieldKey } from './field-key.ts';
import {
  columnAad,
  encodeHeader,
  parseField,
  rowAad,
  toStored,
  type NoField,
  type ParsedField,
  type Stored,
} from './field-value.ts';
import { shredded, type HeldKey, type Lease, type Wants } from './key-cache.ts';
import { namedScope, type NamedScope } from './key-store.ts';
import { decodeValue, encodeValue, ValueError } from './typed-value.ts';

export type Row = Readonly<Record<string, unknown>>;

/** Whose a row is, as texts: empty where there is none, or nothing in the row is bound to it. */
export interface Place {
  readonly tenant: string;
  readonly row: string;
  readonly subject: string;
}

/** A row and what is known of it before its keys are there. */
export interface PlannedRow {
  readonly row: Row;
  readonly given: readonly FieldColumn[];
  readonly place: Place;
  /** Of a row that is to be decrypted: its values, in the order of `given`. */
  readonly parsed: readonly ParsedField[];
}

const NOTHING_PARSED: readonly ParsedField[] = [];

const NO_FIELD_WORDS: Readonly<Record<NoField, string>> = {
  plaintext:
    'it holds no encrypted value but, it seems, plaintext; rows that were there before encryption are taken in by ' +
    '`claviger fields rotate --adopt`',
  malformed: 'it was cut off or changed',
  version: 'it is of a version that this program does not know; a newer one may',
};

/** What the values of a column under one key have in common. */
interface ColumnPrefix {
  readonly number: number;
  readonly tenant: string;
  readonly header: Buffer;
  readonly aad: Buffer;
}

export class RowCipher {
  readonly table: FieldTable;
  readonly #columns: readonly FieldColumn[];
  readonly #indexProperties: readonly string[];
  readonly #random: Random;
  /** The last of each column: rows in a batch mostly share it. */
  readonly #prefixes = new Map<FieldColumn, ColumnPrefix>();
  #setScope: NamedScope;
  #subjectScope: NamedScope;

  constructor(table: FieldTable, random: Random) {
    this.table = table;
    this.#columns = [...table.columns.values()];
    this.#indexProperties = this.#columns.flatMap(({ indexes }) => indexes.map(({ property }) => property));
    this.#random = random;
    this.#setScope = namedScope(table.keySet, '', '');
    this.#subjectScope = this.#setScope;
  }

  /** A row that is to be encrypted, and in `wants` the keys that takes. @throws INVALID_ARGUMENT */
  planEncryption(row: Row, wants: Wants): PlannedRow {
    const given = this.given(row);
    if (given.length > 0) this.#requirePlain(row);
    const place = this.placeOf(row, given);
    for (const column of given) {
      wants.add(this.scopeOf(column, place), 'write');
      if (column.indexes.length > 0) wants.add(this.setScope(place.tenant), 'write');
    }
    return { row, given, place, parsed: NOTHING_PARSED };
  }

  /** A row that is to be decrypted, and in `wants` the keys that takes. @throws INVALID_ARGUMENT, INVALID_CIPHERTEXT */
  planDecryption(row: Row, wants: Wants): PlannedRow {
    const given = this.given(row);
    const place = this.placeOf(row, given);
    const parsed: ParsedField[] = [];
    for (const column of given) {
      const one = this.parse(column, row[column.property], place);
      wants.addNumber(this.scopeOf(column, place), one.number);
      parsed.push(one);
    }
    return { row, given, place, parsed };
  }

  /** Declared columns that stand in the row and are not null. */
  given(row: Row): FieldColumn[] {
    const given: FieldColumn[] = [];
    for (const column of this.#columns) {
      const value = row[column.property];
      if (value !== undefined && value !== null) given.push(column);
    }
    return given;
  }

  /** @throws INVALID_ARGUMENT where the row lacks what its values are bound to */
  placeOf(row: Row, columns: readonly FieldColumn[]): Place {
    const { table, tenant, subject, row: id } = this.table;
    // Deterministic values are bound to no row and no subject.
    const bound = columns.some(({ kind }) => kind === 'random');
    return {
      tenant: typeof tenant === 'string' ? tenant : ownerText(table, tenant.property, row[tenant.property]),
      row: bound ? rowText(table, id.property, row[id.property]) : '',
      subject: bound && subject !== null ? ownerText(table, subject.property, row[subject.property]) : '',
    };
  }

  /** The key set's own keys, which indexes and deterministic values are under. */
  setScope(tenant: string): NamedScope {
    if (this.#setScope.tenant !== tenant) this.#setScope = namedScope(this.table.keySet, tenant, '');
    return this.#setScope;
  }

  /** Whose keys the values of a column are under. */
  scopeOf({ kind }: FieldColumn, { tenant, subject }: Place): NamedScope {
    if (kind === 'deterministic' || subject === '') return this.setScope(tenant);
    const last = this.#subjectScope;
    if (last.subject !== subject || last.tenant !== tenant) {
      this.#subjectScope = namedScope(this.table.keySet, tenant, subject);
    }
    return this.#subjectScope;
  }

  /** @throws INVALID_ARGUMENT where a row that is to be encrypted has been encrypted already */
  #requirePlain(row: Row): void {
    for (const property of this.#indexProperties) {
      if (row[property] === undefined) continue;
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        `\`${property}\` of \`${this.table.table}\` is made by \`encrypt\`: leave it out, and encrypt no row twice`,
      );
    }
  }

  /** @throws INVALID_ARGUMENT for a value of another type than declared */
  encrypt({ row, given, place }: PlannedRow, lease: Lease): Row {
    const encrypted: Record<string, unknown> = { ...row };
    for (const column of given) {
      const value = row[column.property];
      encrypted[column.property] = this.seal(column, value, place, lease.of(this.scopeOf(column, place)).write!);
      for (const index of column.indexes) {
        const held = lease.of(this.setScope(place.tenant)).write!;
        encrypted[index.property] = this.term(column, index, index.versions[0]!, value, held);
      }
    }
    for (const { property, indexes } of this.#columns) {
      if (row[property] === null) for (const index of indexes) encrypted[index.property] = null;
    }
    return encrypted;
  }

  /**
   * @param shreddedIsNull values of a shredded subject are null
   * @throws KEY_STATE where the subject was shredded; INVALID_CIPHERTEXT
   */
  decrypt({ row, given, place, parsed }: PlannedRow, lease: Lease, shreddedIsNull: boolean): Row {
    const decrypted = this.#withoutTerms(row);
    given.forEach((column, at) => {
      const gone = shreddedIsNull && lease.of(this.scopeOf(column, place)).shreddedAtMs !== null;
      decrypted[column.property] = gone ? null : this.open(column, parsed[at]!, place, lease);
    });
    return decrypted;
  }

  /** @throws INVALID_ARGUMENT for a value of another type than declared */
  seal(column: FieldColumn, value: unknown, place: Place, { number, key }: HeldKey): Stored {
    const deterministic = column.kind === 'deterministic';
    const plaintext = this.#named(column, () =>
      // SQL and everybody else take -0 and 0 to be equal.
      encodeValue(column.type, deterministic && value === 0 ? 0 : value, column.padTo),
    );
    const { header, aad } = this.#prefix(column, number, place.tenant);
    const sealed = deterministic
      ? key.sealDeterministic(header, plaintext, aad)
      : key.sealRandom(header, plaintext, rowAad(aad, place.row, place.subject), this.#random);
    return toStored(sealed, this.table.storage);
  }

  /** @throws INVALID_ARGUMENT for a value of another type than declared */
  term(
    column: FieldColumn,
    index: FieldIndex,
    version: FieldIndex['versions'][number],
    value: unknown,
    { number, key }: HeldKey,
  ): Stored {
    return this.#named(column, () => indexTerm(this.table, column, index, version, number, key, value));
  }

  /** @throws INVALID_CIPHERTEXT where it is no value of this column */
  parse(column: FieldColumn, stored: unknown, place: Place): ParsedField {
    const parsed = parseField(stored);
    if (typeof parsed === 'string') throw this.#unopened(column, place, NO_FIELD_WORDS[parsed]);
    if (parsed.kind === column.kind) return parsed;
    throw this.#unopened(column, place, `it is ${parsed.kind}, and the column is declared to be ${column.kind}`);
  }

  /** @throws KEY_STATE where the subject was shredded; INVALID_CIPHERTEXT */
  open(column: FieldColumn, parsed: ParsedField, place: Place, lease: Lease): unknown {
    const scope = this.scopeOf(column, place);
    const { byNumber, shreddedAtMs } = lease.of(scope);
    if (shreddedAtMs !== null) throw shredded(scope, shreddedAtMs);
    const key = byNumber.get(parsed.number);
    if (key === undefined) throw this.#unopened(column, place, 'there is no such field key');
    let opened;
    try {
      opened = decodeValue(this.#openWith(key, column, parsed, place));
    } catch (error) {
      const why = 'it was changed, or belongs to another row, column, table, tenant or subject';
      throw this.#unopened(column, place, why, toClavigerError(error));
    }
    if (opened.type === column.type) return opened.value;
    throw this.#unopened(column, place, `it is of type ${opened.type}, and the column is declared as ${column.type}`);
  }

  /** A row without the columns of indexes. */
  #withoutTerms(row: Row): Record<string, unknown> {
    if (this.#indexProperties.length === 0) return { ...row };
    return Object.fromEntries(Object.entries(row).filter(([property]) => !this.#indexProperties.includes(property)));
  }

  #openWith(key: FieldKey, column: FieldColumn, { kind, number, body }: ParsedField, place: Place): Buffer {
    const { aad } = this.#prefix(column, number, place.tenant);
    return kind === 'random'
      ? key.openRandom(body, rowAad(aad, place.row, place.subject))
      : key.openDeterministic(body, aad);
  }

  #prefix(column: FieldColumn, number: number, tenant: string): ColumnPrefix {
    const last = this.#prefixes.get(column);
    if (last !== undefined && last.number === number && last.tenant === tenant) return last;
    const header = encodeHeader(column.kind, number);
    const prefix = { number, tenant, header, aad: columnAad(header, tenant, this.table.table, column.sqlName) };
    this.#prefixes.set(column, prefix);
    return prefix;
  }

  /** Has the column named by what goes wrong with a value of it. */
  #named<T>(column: FieldColumn, action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      throw new ClavigerError('INVALID_ARGUMENT', `column ${columnName(this.table, column)} ${error.message}`);
    }
  }

  #unopened(column: FieldColumn, { row }: Place, why: string, cause?: Error): ClavigerError {
    const where = row === '' ? '' : ` of row \`${row}\``;
    const words = `${columnName(this.table, column)}${where} does not open: ${why}`;
    return new ClavigerError('INVALID_CIPHERTEXT', words, cause === undefined ? {} : { cause });
  }
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
      : `\`${property}\` of a row of \`${table}\` is no id: ids are texts, safe integers, bigints or bytes`,
  );
}

/** Tenant or subject as text. */
export function ownerText(table: string, property: string, owner: unknown): string {
  const text = idText(owner);
  if (text !== null) return text;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `a row of \`${table}\` has no \`${property}\` that says whose it is: a text, safe integer, bigint or bytes, at most ` +
      `${NAME_BYTES_MAX} bytes; select it with what you decrypt`,
  );
}

/** null where it cannot be one. */
function idText(id: unknown): string | null {
  if (typeof id === 'string') {
    const wellFormed = id !== '' && id.isWellFormed();
    return wellFormed && (id.length <= SHORT_ID || Buffer.byteLength(id) <= NAME_BYTES_MAX) ? id : null;
  }
  if (typeof id === 'bigint' || (typeof id === 'number' && Number.isSafeInteger(id))) return String(id);
  if (!(id instanceof Uint8Array) || id.length === 0 || id.length > NAME_BYTES_MAX / 2) return null;
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('hex');
}

/** Texts so short that their bytes need not be counted. */
const SHORT_ID = NAME_BYTES_MAX / 3;
