/**
 * Field encryption for Prisma: `claviger/fields/prisma`.
 *
 * @module
 */
export { fieldsExtension, plain, type FieldsExtension } from './extension.ts';
