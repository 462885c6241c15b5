/**
 * Field encryption for Kysely: `claviger/fields/kysely`.
 *
 * @module
 */
export { fieldsDialect } from './dialect.ts';
