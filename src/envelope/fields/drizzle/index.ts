/**
 * Field encryption for Drizzle: `claviger/fields/drizzle`.
 *
 * @module
 */
export {
  Encrypted,
  IndexTerm,
  pgEncrypted,
  pgIndexTerm,
  sqliteEncrypted,
  sqliteIndexTerm,
  type EncryptedOptions,
} from './columns.ts';
export { DrizzleFields, drizzleFields, type Plain, type WhereOptions } from './table.ts';
