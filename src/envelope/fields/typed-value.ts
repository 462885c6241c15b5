/**
 * A typed value as bytes and back: one byte for its type, then one canonical encoding for each value, then padding where
 * the column asks for it. spec/field-value.md, "The plaintext".
 *
 * @module
 */
import { isUtf8 } from 'node:buffer';
import { invalidCiphertext } from '../../errors.ts';

export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue | undefined };

/** What a column of each type takes and gives. */
export interface ValueTypes {
  readonly string: string;
  readonly number: number;
  readonly bigint: bigint;
  readonly date: Date;
  readonly json: JsonValue;
  readonly bytes: Uint8Array;
  readonly boolean: boolean;
}

export type FieldType = keyof ValueTypes;

/** Why a value cannot be encrypted, in words that say nothing of it: ``takes a finite number``. */
export class ValueError extends Error {}

/** Longest encoding of a value: what is larger belongs into a message. */
export const VALUE_BYTES_MAX = 1024 * 1024;
/** Deepest JSON: nothing that people store in a column comes near. */
const JSON_DEPTH_MAX = 64;
/** Longest bigint, far beyond any that a database keeps. */
const BIGINT_BYTES_MAX = 1024;
/** Set in the byte of the type where padding follows. */
const PADDED = 0x80;
/** Begins the padding, as in ISO/IEC 9797-1, method 2. */
const PAD_START = 0x80;
const NUMBER_BYTES = 8;

interface Codec {
  readonly tag: number;
  /** One byte that is free for the type, then the encoding. @throws ValueError */
  readonly encode: (value: unknown) => Buffer;
  /** @throws INVALID_CIPHERTEXT where the encoding is not the canonical one */
  readonly decode: (bytes: Buffer) => unknown;
}

const CODECS: Readonly<Record<FieldType, Codec>> = {
  string: { tag: 1, encode: (value) => encodeText(textOf(value)), decode: decodeText },
  number: { tag: 2, encode: encodeNumber, decode: decodeNumber },
  bigint: { tag: 3, encode: encodeBigint, decode: decodeBigint },
  date: { tag: 4, encode: encodeDate, decode: decodeDate },
  json: { tag: 5, encode: encodeJson, decode: decodeJson },
  bytes: { tag: 6, encode: encodeBytes, decode: (bytes) => new Uint8Array(bytes) },
  boolean: { tag: 7, encode: encodeBoolean, decode: decodeBoolean },
};

const TYPES = Object.keys(CODECS) as readonly FieldType[];
const BY_TAG: ReadonlyMap<number, FieldType> = new Map(TYPES.map((type) => [CODECS[type].tag, type]));

export function isFieldType(name: unknown): name is FieldType {
  return typeof name === 'string' && Object.hasOwn(CODECS, name);
}

/**
 * The plaintext of a field.
 *
 * @param padTo the encoding is made a multiple of so many bytes, type and padding included; 0 for none
 * @throws ValueError
 */
export function encodeValue(type: FieldType, value: unknown, padTo: number): Buffer {
  const { tag, encode } = CODECS[type];
  const encoded = encode(value);
  if (encoded.length - 1 > VALUE_BYTES_MAX) throw new ValueError(`takes values of at most ${VALUE_BYTES_MAX} bytes`);
  encoded[0] = tag;
  if (padTo === 0) return encoded;
  const plaintext = Buffer.alloc(Math.ceil((encoded.length + 1) / padTo) * padTo);
  plaintext.set(encoded);
  plaintext[0] = tag | PADDED;
  plaintext[encoded.length] = PAD_START;
  encoded.fill(0);
  return plaintext;
}

/**
 * The value of an authenticated plaintext, and its type.
 *
 * @throws INVALID_CIPHERTEXT where it is not one that `encodeValue` makes
 */
export function decodeValue(plaintext: Buffer): { readonly type: FieldType; readonly value: unknown } {
  const [first] = plaintext;
  if (first === undefined) throw invalidCiphertext();
  const type = BY_TAG.get(first & ~PADDED);
  if (type === undefined) throw invalidCiphertext();
  const end = (first & PADDED) === 0 ? plaintext.length : paddingStart(plaintext);
  return { type, value: CODECS[type].decode(plaintext.subarray(1, end)) };
}

function paddingStart(plaintext: Buffer): number {
  let at = plaintext.length - 1;
  while (at > 0 && plaintext[at] === 0) at -= 1;
  if (at < 1 || plaintext[at] !== PAD_START) throw invalidCiphertext();
  return at;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new ValueError(`takes a string, not ${kindOf(value)}`);
  if (!value.isWellFormed()) throw new ValueError('takes well-formed Unicode: a lone surrogate would not come back');
  return value;
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(text));
  bytes.write(text, 1);
  return bytes;
}

function decodeText(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw invalidCiphertext();
  return bytes.toString();
}

function encodeNumber(value: unknown): Buffer {
  if (typeof value !== 'number') throw new ValueError(`takes a number, not ${kindOf(value)}`);
  if (!Number.isFinite(value)) throw new ValueError('takes finite numbers: neither NaN nor an infinity');
  const bytes = Buffer.allocUnsafe(1 + NUMBER_BYTES);
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function decodeNumber(bytes: Buffer): number {
  if (bytes.length !== NUMBER_BYTES) throw invalidCiphertext();
  const value = bytes.readDoubleBE();
  if (!Number.isFinite(value)) throw invalidCiphertext();
  return value;
}

/** Two's complement, big-endian, in as few bytes as keep the sign. */
function encodeBigint(value: unknown): Buffer {
  if (typeof value !== 'bigint') throw new ValueError(`takes a bigint, not ${kindOf(value)}`);
  const bits = (value < 0n ? ~value : value).toString(2).length + (value === 0n || value === -1n ? 0 : 1);
  const length = Math.max(1, Math.ceil(bits / 8));
  if (length > BIGINT_BYTES_MAX) throw new ValueError(`takes bigints of at most ${BIGINT_BYTES_MAX} bytes`);
  const digits = BigInt.asUintN(8 * length, value).toString(16);
  return Buffer.from(digits.padStart(2 * (1 + length), '0'), 'hex');
}

function decodeBigint(bytes: Buffer): bigint {
  if (bytes.length === 0 || bytes.length > BIGINT_BYTES_MAX) throw invalidCiphertext();
  const value = BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`));
  if (!encodeBigint(value).subarray(1).equals(bytes)) throw invalidCiphertext();
  return value;
}

/** Milliseconds since the epoch, as a signed integer of 64 bits. */
function encodeDate(value: unknown): Buffer {
  if (!(value instanceof Date)) throw new ValueError(`takes a Date, not ${kindOf(value)}`);
  const ms = value.getTime();
  if (Number.isNaN(ms)) throw new ValueError('takes valid dates');
  const bytes = Buffer.allocUnsafe(1 + NUMBER_BYTES);
  bytes.writeBigInt64BE(BigInt(ms), 1);
  return bytes;
}

function decodeDate(bytes: Buffer): Date {
  if (bytes.length !== NUMBER_BYTES) throw invalidCiphertext();
  const date = new Date(Number(bytes.readBigInt64BE()));
  if (Number.isNaN(date.getTime())) throw invalidCiphertext();
  return date;
}

function encodeJson(value: unknown): Buffer {
  requireJson(value, 0);
  return encodeText(JSON.stringify(value));
}

function decodeJson(bytes: Buffer): unknown {
  const text = decodeText(bytes);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw invalidCiphertext();
  }
}

/** What JSON.stringify would change on the way (dates, NaN, holes, classes) is refused instead. */
function requireJson(value: unknown, depth: number): void {
  if (depth > JSON_DEPTH_MAX) throw new ValueError(`takes JSON of at most ${JSON_DEPTH_MAX} levels`);
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') return void textOf(value);
  if (typeof value === 'number') return void encodeNumber(value);
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) requireJson(item, depth + 1);
    return;
  }
  if (typeof value !== 'object') throw new ValueError(`takes JSON, in which there is no ${kindOf(value)}`);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new ValueError('takes JSON of plain objects and arrays: a Date, Map or other object would not come back');
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') throw new ValueError('takes JSON without `toJSON`');
  for (const [name, item] of Object.entries(value)) {
    textOf(name);
    // As JSON has it: a property that is undefined is not there.
    if (item !== undefined) requireJson(item, depth + 1);
  }
}

function encodeBytes(value: unknown): Buffer {
  if (!(value instanceof Uint8Array)) throw new ValueError(`takes a Uint8Array, not ${kindOf(value)}`);
  const bytes = Buffer.allocUnsafe(1 + value.length);
  bytes.set(value, 1);
  return bytes;
}

function encodeBoolean(value: unknown): Buffer {
  if (typeof value !== 'boolean') throw new ValueError(`takes a boolean, not ${kindOf(value)}`);
  return Buffer.of(0, value ? 1 : 0);
}

function decodeBoolean(bytes: Buffer): boolean {
  if (bytes.length !== 1 || bytes[0]! > 1) throw invalidCiphertext();
  return bytes[0] === 1;
}

/** `a number`, `an array`: never the value. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Date) return 'a Date';
  if (value instanceof Uint8Array) return 'bytes';
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}
