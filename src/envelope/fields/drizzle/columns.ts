/**
 * Column types for what is encrypted: they carry ciphertexts and nothing else.
 *
 * Drizzle maps the value of a column synchronously and without the row it stands in, which an encrypted value is bound to.
 * So encryption is a step of its own, and these types see to it that it is not left out: a plaintext that gets as far as the
 * driver is an error, and TypeScript does not let it get there.
 *
 * @module
 */
import { customType as pgCustomType } from 'drizzle-orm/pg-core';
import { customType as sqliteCustomType } from 'drizzle-orm/sqlite-core';
import { ClavigerError } from '../../../errors.ts';
import type { Storage, Stored } from '../field-value.ts';
import type { FieldType, ValueTypes } from '../typed-value.ts';

/** What a column holds: the type of a value, or the terms of an index. */
export type Holds = FieldType | 'term';

/** A value of the type `T` as the database has it. */
export class Encrypted<T> {
  declare readonly plain: T;
  readonly holds: Holds;
  readonly stored: Stored;

  /** For what the database gave, or `encrypt`; it encrypts nothing. @internal */
  constructor(holds: Holds, stored: Stored) {
    this.holds = holds;
    this.stored = stored;
  }
}

/** The term of an index. */
export class IndexTerm extends Encrypted<never> {
  declare readonly term: true;

  constructor(stored: Stored) {
    super('term', stored);
  }
}

export interface EncryptedOptions {
  /** As `fields` has it: `text` by default. */
  readonly storage?: Storage;
}

function toDriver(value: unknown): Stored {
  if (value instanceof Encrypted) {
    const { stored } = value;
    // `pg` wants a Buffer, and whoever takes bytes takes one.
    return typeof stored === 'string' ? stored : Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  }
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    'an encrypted column takes what `encrypt` gives, and is compared by `where` and `find`: it was given plaintext',
  );
}

const SQL_TYPES = {
  postgres: { text: 'text', bytes: 'bytea' },
  sqlite: { text: 'text', bytes: 'blob' },
} as const;

interface EncryptedType<Type extends FieldType> {
  data: Encrypted<ValueTypes[Type]>;
  driverData: Stored;
}

interface TermType {
  data: IndexTerm;
  driverData: Stored;
}

/** How Drizzle maps an encrypted column, whichever the database. */
function encryptedAs<Type extends FieldType>(sqlType: string, type: Type) {
  return {
    dataType: () => sqlType,
    toDriver,
    fromDriver: (stored: Stored) => new Encrypted<ValueTypes[Type]>(type, stored),
  };
}

/** How it maps the terms of an index. */
function termAs(sqlType: string) {
  return { dataType: () => sqlType, toDriver, fromDriver: (stored: Stored) => new IndexTerm(stored) };
}

/**
 * An encrypted column of a table of PostgreSQL.
 *
 * @param name in SQL
 * @param type as it is declared
 */
export function pgEncrypted<Name extends string, const Type extends FieldType>(
  name: Name,
  type: Type,
  { storage = 'text' }: EncryptedOptions = {},
) {
  return pgCustomType<EncryptedType<Type>>(encryptedAs(SQL_TYPES.postgres[storage], type))(name);
}

/** The terms of an index, in a table of PostgreSQL. */
export function pgIndexTerm<Name extends string>(name: Name, { storage = 'text' }: EncryptedOptions = {}) {
  return pgCustomType<TermType>(termAs(SQL_TYPES.postgres[storage]))(name);
}

/**
 * An encrypted column of a table of SQLite.
 *
 * @param name in SQL
 * @param type as it is declared
 */
export function sqliteEncrypted<Name extends string, const Type extends FieldType>(
  name: Name,
  type: Type,
  { storage = 'text' }: EncryptedOptions = {},
) {
  return sqliteCustomType<EncryptedType<Type>>(encryptedAs(SQL_TYPES.sqlite[storage], type))(name);
}

/** The terms of an index, in a table of SQLite. */
export function sqliteIndexTerm<Name extends string>(name: Name, { storage = 'text' }: EncryptedOptions = {}) {
  return sqliteCustomType<TermType>(termAs(SQL_TYPES.sqlite[storage]))(name);
}
