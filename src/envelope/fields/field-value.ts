/**
 * An encrypted field, taken apart and put together: magic ‖ kind ‖ number of the field key ‖ body. spec/field-value.md has
 * an example of each kind. Nothing here needs a key.
 *
 * @module
 */
import { lengthPrefixed } from '../../bytes/length-prefixed.ts';
import { VALUE_BYTES_MAX } from './typed-value.ts';

const MAGIC = 0xcf;
const KINDS = { random: 0x01, deterministic: 0x02 } as const;
export type FieldKind = keyof typeof KINDS;
const KIND_OF: ReadonlyMap<number, FieldKind> = new Map([
  [KINDS.random, 'random'],
  [KINDS.deterministic, 'deterministic'],
]);
/** Bytes of a body beside the plaintext: nonce and tag, or the synthetic IV. */
const OVERHEAD_BYTES: Readonly<Record<FieldKind, number>> = { random: 24 + 16, deterministic: 16 };
/** Largest number of a field key: one that is rotated every second lives 68 years. */
export const KEY_NUMBER_MAX = 2 ** 31 - 1;
const NUMBER_BYTES_MAX = 5;
const U32_BYTES = 4;
const HEADER_BYTES_MAX = 2 + NUMBER_BYTES_MAX;
/** Longest padding, so that a value of the greatest length can be padded. */
export const PAD_BYTES_MAX = 1024;
const STORED_BYTES_MAX = HEADER_BYTES_MAX + OVERHEAD_BYTES.random + VALUE_BYTES_MAX + 2 + PAD_BYTES_MAX;
const STORED_TEXT_MAX = Math.ceil((STORED_BYTES_MAX * 4) / 3);
const LABEL = Buffer.from('claviger/field/v1');

/** How values and index terms stand in the database: base64url in a text column, or bytes. */
export type Storage = 'text' | 'bytes';
export type Stored = string | Uint8Array;

export interface ParsedField {
  readonly kind: FieldKind;
  /** Number of the field key, from 1. */
  readonly number: number;
  readonly body: Buffer;
}

/** Why something is no field value. */
export type NoField = 'plaintext' | 'malformed' | 'version';

export function encodeHeader(kind: FieldKind, number: number): Buffer {
  return Buffer.concat([Buffer.of(MAGIC, KINDS[kind]), encodeNumber(number)]);
}

/**
 * What the additional data of a column's values begin with; of deterministic values it is all, because they are bound to no
 * row and no subject, or equal ones would differ.
 */
export function columnAad(header: Uint8Array, tenant: string, table: string, column: string): Buffer {
  return lengthPrefixed(LABEL, header, Buffer.from(tenant), Buffer.from(table), Buffer.from(column));
}

/** The additional data of a randomised value. */
export function rowAad(column: Buffer, row: string, subject: string): Buffer {
  const rowBytes = Buffer.byteLength(row);
  const aad = Buffer.allocUnsafe(column.length + 2 * U32_BYTES + rowBytes + Buffer.byteLength(subject));
  aad.set(column);
  let at = aad.writeUInt32BE(rowBytes, column.length);
  at += aad.write(row, at);
  at = aad.writeUInt32BE(aad.length - at - U32_BYTES, at);
  aad.write(subject, at);
  return aad;
}

export function toStored(value: Buffer, storage: Storage): Stored {
  return storage === 'text' ? value.toString('base64url') : value;
}

/**
 * The bytes of what stood in a column, as either storage has it; null where it is neither.
 */
export function storedBytes(stored: unknown): Buffer | null {
  if (stored instanceof Uint8Array) return Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  if (typeof stored !== 'string' || stored.length > STORED_TEXT_MAX) return null;
  const bytes = Buffer.from(stored, 'base64url');
  // One text for each value: Node passes over what is no base64url, and over bits that are too many.
  return bytes.toString('base64url') === stored ? bytes : null;
}

/** Takes apart what stood in a column; why it cannot be where it is no field value. */
export function parseField(stored: unknown): ParsedField | NoField {
  const bytes = storedBytes(stored);
  if (bytes === null || bytes[0] !== MAGIC) return 'plaintext';
  if (bytes.length > STORED_BYTES_MAX) return 'malformed';
  const kind = KIND_OF.get(bytes[1] ?? 0);
  if (kind === undefined) return 'version';
  const number = decodeNumber(bytes, 2);
  if (number === null) return 'malformed';
  const body = bytes.subarray(number.end);
  // A plaintext has at least the byte of its type.
  if (body.length <= OVERHEAD_BYTES[kind]) return 'malformed';
  return { kind, number: number.value, body };
}

/** Unsigned LEB128, in as few bytes as can be. */
export function encodeNumber(number: number): Buffer {
  const bytes: number[] = [];
  let rest = number;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}

/** null where it is cut off, longer than it need be, 0, or too large. */
export function decodeNumber(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } | null {
  let value = 0;
  for (let index = 0; index < NUMBER_BYTES_MAX; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) return null;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte >= 0x80) continue;
    const shortest = byte !== 0;
    return shortest && value <= KEY_NUMBER_MAX ? { value, end: at + index + 1 } : null;
  }
  return null;
}
