/**
 * The ciphertext blob: header ‖ nonce ‖ ciphertext ‖ tag. spec/ciphertext.md has the format and an example.
 *
 * @module
 */
import { invalidCiphertext } from '../errors.ts';
import { encodeContext, lengthPrefixed } from '../bytes/length-prefixed.ts';
import { uuidBytes, uuidText } from '../model/ids.ts';
import type { EncryptionContext } from '../model/encryption-context.ts';

const FORMAT = 0xc1;
const FORMAT_VERSION = 0x01;
/** The version's own software key encrypts directly, with XAES-256-GCM. */
const KIND_DIRECT = 0x01;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
export const HEADER_BYTES = 3 + 16 + 16 + 4;
/** Bytes that a blob is longer than its plaintext. */
export const OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;
/** Longest blob that is looked at, as at AWS; ours have at most 4,096 bytes of text, or a private key of less. */
export const BLOB_BYTES_MAX = 6144;

export interface BlobHeader {
  readonly tenantId: string;
  readonly keyId: string;
  readonly keyVersion: number;
}

export interface ParsedBlob extends BlobHeader {
  readonly header: Uint8Array;
  readonly sealed: Uint8Array;
}

export function encodeHeader({ tenantId, keyId, keyVersion }: BlobHeader): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = FORMAT;
  header[1] = FORMAT_VERSION;
  header[2] = KIND_DIRECT;
  uuidBytes(tenantId).copy(header, 3);
  uuidBytes(keyId).copy(header, 19);
  header.writeUInt32BE(keyVersion, 35);
  return header;
}

/**
 * Takes a blob apart; nothing of it is believed before it opens.
 *
 * @throws INVALID_CIPHERTEXT, with one message for every way in which it can be wrong
 */
export function parseBlob(blob: Uint8Array): ParsedBlob {
  const wrong =
    blob.length < OVERHEAD_BYTES ||
    blob.length > BLOB_BYTES_MAX ||
    blob[0] !== FORMAT ||
    blob[1] !== FORMAT_VERSION ||
    blob[2] !== KIND_DIRECT;
  if (wrong) throw invalidCiphertext();
  const header = blob.subarray(0, HEADER_BYTES);
  return {
    header,
    sealed: blob.subarray(HEADER_BYTES),
    tenantId: uuidText(header.subarray(3, 19)),
    keyId: uuidText(header.subarray(19, 35)),
    keyVersion: Buffer.from(header.buffer, header.byteOffset + 35, 4).readUInt32BE(),
  };
}

/** What the tag of a blob covers beside the text: a label, the header and the encryption context. */
export function blobAad(header: Uint8Array, context: EncryptionContext): Buffer {
  return lengthPrefixed(AAD_LABEL, header, encodeContext(context));
}

const AAD_LABEL = Buffer.from('claviger/ciphertext/v1');
