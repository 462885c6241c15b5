/**
 * Field encryption: `claviger/fields`.
 *
 * @module
 */
export type {
  ColumnDeclaration,
  ColumnDeclarations,
  FieldColumn,
  FieldIndex,
  FieldTable,
  IndexDeclaration,
  TableDeclaration,
} from './declaration.ts';
export type { Storage, Stored } from './field-value.ts';
export {
  fields,
  Fields,
  type DecryptedRow,
  type EncryptedRow,
  type FieldsOptions,
  type SearchOptions,
} from './fields.ts';
export type { FieldKeyRow, FieldKeyScope, FieldKeyStore } from './key-store.ts';
export type { Normalizer, NormalizerName } from './normalize.ts';
export {
  postgresDatabase,
  sqliteDatabase,
  type SqlDatabase,
  type SqlDialect,
  type SqlResult,
  type SqlValue,
} from './sql/database.ts';
export { createFieldKeyTables, FIELD_KEYS_DDL, sqlKeyStore } from './sql/key-store.ts';
export type { FieldType, JsonValue, ValueTypes } from './typed-value.ts';
export type { FieldFailure, MaintenanceOptions, MaintenanceProgress } from './maintenance/options.ts';
export { rotateFields, type RotatedTable, type RotateOptions, type RotateReport } from './maintenance/rotate.ts';
export {
  readmitSubject,
  shredSubject,
  type ShreddedTable,
  type ShredOptions,
  type ShredReceipt,
} from './maintenance/shred.ts';
export { verifyFields, type VerifiedTable, type VerifyReport } from './maintenance/verify.ts';
