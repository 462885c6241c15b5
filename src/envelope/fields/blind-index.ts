/**
 * Blind indexes: terms that are equal for equal values, and say nothing else of them to whoever lacks the key.
 * spec/field-value.md, "Index terms".
 *
 * @module
 */
import type { FieldColumn, FieldIndex, FieldIndexVersion, FieldTable } from './declaration.ts';
import type { FieldKey } from './field-key.ts';
import { decodeNumber, encodeNumber, storedBytes, toStored, type Stored } from './field-value.ts';
import { NORMALIZERS } from './normalize.ts';
import { encodeValue, ValueError } from './typed-value.ts';

/**
 * The term of a value: number of the field key ‖ version of the index ‖ the first bits of the HMAC.
 *
 * @throws ValueError
 */
export function indexTerm(
  { table, storage }: FieldTable,
  column: FieldColumn,
  index: FieldIndex,
  { version, normalize, bits }: FieldIndexVersion,
  number: number,
  key: FieldKey,
  value: unknown,
): Stored {
  // The type first: a normaliser gets strings only.
  encodeValue(column.type, value, 0).fill(0);
  const normalized = typeof value === 'string' ? normalizedBy(normalize, value) : value;
  const input = encodeValue(column.type, normalized === 0 ? 0 : normalized, 0);
  const mac = key.indexOf([table, column.sqlName, index.sqlName], version, input);
  input.fill(0);
  const term = mac.subarray(0, Math.ceil(bits / 8));
  if (bits % 8 > 0) term[term.length - 1]! &= 0xff << (8 - (bits % 8));
  return toStored(Buffer.concat([encodeNumber(number), encodeNumber(version), term]), storage);
}

function normalizedBy(normalize: FieldIndexVersion['normalize'], value: string): string {
  if (typeof normalize !== 'function') return NORMALIZERS[normalize](value);
  const normalized: unknown = normalize(value);
  if (typeof normalized === 'string') return normalized;
  throw new ValueError('has an index whose normaliser gave no string');
}

/** Under which field key and version a term was made; null where it is none. */
export function readTerm(stored: unknown): { readonly number: number; readonly version: number } | null {
  const bytes = storedBytes(stored);
  if (bytes === null) return null;
  const number = decodeNumber(bytes, 0);
  const version = number === null ? null : decodeNumber(bytes, number.end);
  return number === null || version === null ? null : { number: number.value, version: version.value };
}
