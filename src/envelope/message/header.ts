/**
 * The header of a message, taken apart and put together (AWS Encryption SDK, "Message header"): which suite, which
 * context, and the data key as each home has wrapped it. spec/esdk-profile.md has an example.
 *
 * Nothing of it is known to be true before its tag is verified, under a key that is derived from the data key.
 *
 * @module
 */
import { GCM_IV_BYTES, GCM_TAG_BYTES } from '../../crypto/gcm-engine.ts';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import type { EncryptedDataKey } from '../keyring.ts';
import { decodeMessageContext, encodeMessageContext, utf8Text } from './context.ts';
import { ENCRYPTED_DATA_KEYS_MAX, FIELD_BYTES_MAX, FRAME_BYTES_MAX, HEADER_BYTES_MAX } from './limits.ts';
import { COMMITTING_SUITE, SUITES, type Suite } from './suites.ts';

export const IV_BYTES = GCM_IV_BYTES;
export const TAG_BYTES = GCM_TAG_BYTES;
export const COMMITMENT_BYTES = 32;
export const MESSAGE_ID_BYTES = 32;

const TYPE_V1 = 0x80;
const MESSAGE_ID_BYTES_V1 = 16;
const NON_FRAMED = 1;
const FRAMED = 2;
/** Format 2 has no IV in its header: its key is of this message only, and has no other use under this IV. */
export const ZERO_IV = Buffer.alloc(IV_BYTES);

export interface MessageHeader {
  readonly formatVersion: 1 | 2;
  readonly suite: Suite;
  /** 32 random bytes, 16 in format 1. */
  readonly messageId: Uint8Array;
  /** As stored; required pairs that are authenticated only are not among it. */
  readonly context: EncryptionContext;
  readonly encryptedDataKeys: readonly EncryptedDataKey[];
  readonly contentType: 'framed' | 'non-framed';
  /** Of every frame but the final one; 0 where there are none. */
  readonly frameBytes: number;
  /** Length of the whole header. */
  readonly headerBytes: number;
}

/** A header with what authenticates it. */
export interface ParsedHeader {
  readonly header: MessageHeader;
  /** What the tag covers. */
  readonly body: Buffer;
  /** Empty in format 1. */
  readonly commitment: Buffer;
  readonly iv: Buffer;
  readonly tag: Buffer;
}

/** So many bytes, counted from the first, are needed before more can be said. */
export interface Incomplete {
  readonly needs: number;
}

/**
 * The header at the beginning of a message, for whoever wants to look: no key is needed, and nothing of it is
 * authenticated.
 *
 * @returns null where more bytes are needed
 * @throws INVALID_CIPHERTEXT for what is no message; LIMIT_EXCEEDED for one that asks too much
 */
export function readMessageHeader(
  bytes: Uint8Array,
): { readonly header: MessageHeader; readonly headerBytes: number } | null {
  const parsed = parseHeader(bytes, ENCRYPTED_DATA_KEYS_MAX);
  return 'needs' in parsed ? null : { header: parsed.header, headerBytes: parsed.header.headerBytes };
}

/**
 * Takes a header apart.
 *
 * @throws INVALID_CIPHERTEXT, LIMIT_EXCEEDED
 */
export function parseHeader(bytes: Uint8Array, encryptedDataKeysMax: number): ParsedHeader | Incomplete {
  const fields = new Fields(bytes);
  try {
    return parse(fields, encryptedDataKeysMax);
  } catch (error) {
    if (error !== SHORT) throw error;
    return { needs: fields.needs };
  }
}

function parse(fields: Fields, encryptedDataKeysMax: number): ParsedHeader {
  const formatVersion = fields.u8();
  if (formatVersion !== 1 && formatVersion !== 2) throw invalidCiphertext();
  if (formatVersion === 1 && fields.u8() !== TYPE_V1) throw invalidCiphertext();
  const suite = SUITES.get(fields.u16());
  if (suite?.formatVersion !== formatVersion) throw invalidCiphertext();
  const messageId = fields.take(formatVersion === 1 ? MESSAGE_ID_BYTES_V1 : MESSAGE_ID_BYTES);
  const context = decodeMessageContext(fields.field());
  const encryptedDataKeys = parseEncryptedDataKeys(fields, encryptedDataKeysMax);
  const contentType = fields.u8();
  if (contentType !== FRAMED && contentType !== NON_FRAMED) throw invalidCiphertext();
  // Format 1 has four reserved bytes here, and the length of the IV.
  if (formatVersion === 1 && (fields.u32() !== 0 || fields.u8() !== IV_BYTES)) throw invalidCiphertext();
  const frameBytes = fields.u32();
  if ((contentType === NON_FRAMED) !== (frameBytes === 0)) throw invalidCiphertext();
  if (frameBytes > FRAME_BYTES_MAX) {
    throw new ClavigerError(
      'LIMIT_EXCEEDED',
      `the message has frames of ${frameBytes} bytes; at most ${FRAME_BYTES_MAX} are read`,
    );
  }
  const commitment = fields.take(suite.committing ? COMMITMENT_BYTES : 0);
  const body = fields.taken();
  const iv = formatVersion === 1 ? fields.take(IV_BYTES) : ZERO_IV;
  const tag = fields.take(TAG_BYTES);
  const header: MessageHeader = {
    formatVersion,
    suite,
    messageId,
    context,
    encryptedDataKeys,
    contentType: contentType === FRAMED ? 'framed' : 'non-framed',
    frameBytes,
    headerBytes: fields.at,
  };
  return { header, body, commitment, iv, tag };
}

function parseEncryptedDataKeys(fields: Fields, encryptedDataKeysMax: number): readonly EncryptedDataKey[] {
  const count = fields.u16();
  if (count === 0) throw invalidCiphertext();
  if (count > encryptedDataKeysMax) {
    throw new ClavigerError(
      'LIMIT_EXCEEDED',
      `the message has ${count} encrypted data keys; at most ${encryptedDataKeysMax} are read`,
    );
  }
  const encryptedDataKeys: EncryptedDataKey[] = [];
  while (encryptedDataKeys.length < count) {
    const providerId = fields.text();
    encryptedDataKeys.push({
      providerId,
      providerInfo: fields.field(),
      ciphertext: fields.field(),
    });
  }
  return encryptedDataKeys;
}

/**
 * The body of the header of a message that is written: suite 0x0478, framed. Its tag comes behind it.
 *
 * @param context of the size that a caller's has
 * @throws LIMIT_EXCEEDED where an encrypted data key does not fit into its fields
 */
export function encodeHeader(
  messageId: Uint8Array,
  context: EncryptionContext,
  encryptedDataKeys: readonly EncryptedDataKey[],
  frameBytes: number,
  commitment: Uint8Array,
): { readonly header: MessageHeader; readonly body: Buffer } {
  const pairs = encodeMessageContext(context);
  let size = 1 + 2 + MESSAGE_ID_BYTES + 2 + pairs.length + 2 + 1 + 4 + COMMITMENT_BYTES;
  for (const { providerId, providerInfo, ciphertext } of encryptedDataKeys) {
    const idBytes = Buffer.byteLength(providerId);
    if (idBytes > FIELD_BYTES_MAX || providerInfo.length > FIELD_BYTES_MAX || ciphertext.length > FIELD_BYTES_MAX) {
      throw new ClavigerError('LIMIT_EXCEEDED', `a part of an encrypted data key has at most ${FIELD_BYTES_MAX} bytes`);
    }
    size += 3 * 2 + idBytes + providerInfo.length + ciphertext.length;
  }
  if (size > HEADER_BYTES_MAX - TAG_BYTES) {
    throw new ClavigerError('LIMIT_EXCEEDED', `the header of a message has at most ${HEADER_BYTES_MAX} bytes`);
  }
  const body = Buffer.allocUnsafe(size);
  body[0] = COMMITTING_SUITE.formatVersion;
  let at = body.writeUInt16BE(COMMITTING_SUITE.id, 1);
  at = write(body, at, messageId);
  at = writeField(body, at, pairs);
  at = body.writeUInt16BE(encryptedDataKeys.length, at);
  for (const { providerId, providerInfo, ciphertext } of encryptedDataKeys) {
    const idBytes = body.write(providerId, at + 2);
    at = body.writeUInt16BE(idBytes, at) + idBytes;
    at = writeField(body, writeField(body, at, providerInfo), ciphertext);
  }
  body[at] = FRAMED;
  at = body.writeUInt32BE(frameBytes, at + 1);
  write(body, at, commitment);
  const header: MessageHeader = {
    formatVersion: COMMITTING_SUITE.formatVersion,
    suite: COMMITTING_SUITE,
    messageId,
    context,
    encryptedDataKeys,
    contentType: 'framed',
    frameBytes,
    headerBytes: size + TAG_BYTES,
  };
  return { header, body };
}

function write(target: Buffer, at: number, bytes: Uint8Array): number {
  target.set(bytes, at);
  return at + bytes.length;
}

function writeField(target: Buffer, at: number, bytes: Uint8Array): number {
  return write(target, target.writeUInt16BE(bytes.length, at), bytes);
}

/** Says that the bytes have come to their end; what it was needed for stands in `needs`. */
const SHORT = new Error('the header is not complete');

/** Reads one field behind the other. */
class Fields {
  readonly #bytes: Buffer;
  at = 0;
  needs = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  take(length: number): Buffer {
    const start = this.#pass(length);
    return this.#bytes.subarray(start, this.at);
  }

  /** All that was read. */
  taken(): Buffer {
    return this.#bytes.subarray(0, this.at);
  }

  u8(): number {
    return this.#bytes[this.#pass(1)]!;
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#pass(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#pass(4));
  }

  /** Bytes behind their length. */
  field(): Buffer {
    return this.take(this.u16());
  }

  /** Text behind its length. */
  text(): string {
    const start = this.#pass(this.u16());
    return utf8Text(this.#bytes, start, this.at);
  }

  /**
   * Goes on by so many bytes.
   *
   * @returns where they begin
   * @throws SHORT where they are not there yet; LIMIT_EXCEEDED where they would make the header too long
   */
  #pass(length: number): number {
    const start = this.at;
    const end = start + length;
    if (end > HEADER_BYTES_MAX) {
      throw new ClavigerError('LIMIT_EXCEEDED', `the message has a header of more than ${HEADER_BYTES_MAX} bytes`);
    }
    this.needs = end;
    if (end > this.#bytes.length) throw SHORT;
    this.at = end;
    return start;
  }
}
