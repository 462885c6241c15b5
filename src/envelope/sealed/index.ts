/**
 * Sealed configuration: values of JSON, YAML and .env files, encrypted where they stand.
 *
 * @module
 */
export { check, type Checked } from './check.ts';
export { FORMAT_NAMES, type Format, type FormatName } from './format.ts';
export { FORMATS, formatOfFile } from './formats.ts';
export { SEALED_BYTES_MAX, TEXT_BYTES_MAX } from './limits.ts';
export type { Selection } from './metadata.ts';
export { seal, type SealedResult, type SealOptions } from './seal.ts';
export { textOf } from './text.ts';
export { unseal, type UnsealOptions } from './unseal.ts';
export { variablesOf } from './variables.ts';
