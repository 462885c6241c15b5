/**
 * The ciphertext blob, taken apart and put together. spec/ciphertext.md has the format and an example of each kind:
 *
 * - direct: header ‖ nonce ‖ ciphertext ‖ tag, encrypted by the version's own software key;
 * - wrapped: header ‖ salt ‖ commitment ‖ wraps ‖ ciphertext ‖ tag, encrypted under a data key that each home of the
 *   version has wrapped. `wrapped.ts` has its cryptography.
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
const KINDS = { direct: 0x01, wrapped: 0x02 } as const;
export type BlobKind = keyof typeof KINDS;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
export const HEADER_BYTES = 3 + 16 + 16 + 4;
/** Bytes that a direct blob is longer than its plaintext. */
export const OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;
export const SALT_BYTES = 32;
export const COMMITMENT_BYTES = 32;
/** The seal of a wrap, made by ourselves. */
export const WRAP_SEAL_BYTES = 32;
/** Homes of one version, and so wraps of one blob. */
export const HOMES_MAX = 16;
/** Longest wrap that is taken: RSA-4096 gives 512 bytes, no service known gives 1,024. */
export const WRAP_BYTES_MAX = 1024;
/** Longest direct blob that is looked at, as at AWS; ours have at most 4,096 bytes of text, or a private key of less. */
export const DIRECT_BYTES_MAX = 6144;
/**
 * Longest blob that is looked at: 4,096 bytes of text, or a private key of less, and the wraps of all homes.
 */
export const BLOB_BYTES_MAX = 24_576;

export interface BlobHeader {
  readonly kind: BlobKind;
  readonly tenantId: string;
  readonly keyId: string;
  readonly keyVersion: number;
}

/** A data key as one home has wrapped it. */
export interface WrapEntry {
  /** Number of the home within its key version, 1 to 255. */
  readonly home: number;
  /** As the home gave it, 1 to 1,024 bytes. */
  readonly wrap: Uint8Array;
  /** HMAC over the header, the home and the wrap: ours, whoever the home is. */
  readonly seal: Uint8Array;
}

export interface DirectBlob extends BlobHeader {
  readonly kind: 'direct';
  readonly header: Uint8Array;
  /** nonce ‖ ciphertext ‖ tag */
  readonly sealed: Uint8Array;
}

export interface WrappedBlob extends BlobHeader {
  readonly kind: 'wrapped';
  readonly header: Uint8Array;
  readonly salt: Uint8Array;
  readonly commitment: Uint8Array;
  /** By ascending home, at least one. */
  readonly wraps: readonly WrapEntry[];
  /** ciphertext ‖ tag */
  readonly sealed: Uint8Array;
}

export type ParsedBlob = DirectBlob | WrappedBlob;

export function encodeHeader({ kind, tenantId, keyId, keyVersion }: BlobHeader): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = FORMAT;
  header[1] = FORMAT_VERSION;
  header[2] = KINDS[kind];
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
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.length);
  const wrong =
    bytes.length < OVERHEAD_BYTES ||
    bytes.length > (bytes[2] === KINDS.direct ? DIRECT_BYTES_MAX : BLOB_BYTES_MAX) ||
    bytes[0] !== FORMAT ||
    bytes[1] !== FORMAT_VERSION ||
    (bytes[2] !== KINDS.direct && bytes[2] !== KINDS.wrapped);
  if (wrong) throw invalidCiphertext();
  const header = bytes.subarray(0, HEADER_BYTES);
  const named = {
    header,
    tenantId: uuidText(header.subarray(3, 19)),
    keyId: uuidText(header.subarray(19, 35)),
    keyVersion: header.readUInt32BE(35),
  };
  if (bytes[2] === KINDS.direct) return { kind: 'direct', ...named, sealed: bytes.subarray(HEADER_BYTES) };
  return { kind: 'wrapped', ...named, ...parseWrapped(bytes) };
}

/** Whether bytes begin as a wrapped blob does. */
export function isWrapped(bytes: Uint8Array): boolean {
  return bytes[0] === FORMAT && bytes[1] === FORMAT_VERSION && bytes[2] === KINDS.wrapped;
}

/** The blob of these parts; `parseBlob` gives them back. */
export function encodeWrapped({
  header,
  salt,
  commitment,
  wraps,
  sealed,
}: Pick<WrappedBlob, 'header' | 'salt' | 'commitment' | 'wraps' | 'sealed'>): Buffer {
  const entries = wraps.flatMap(({ home, wrap, seal }) => {
    const start = Buffer.alloc(ENTRY_BYTES);
    start[0] = home;
    start.writeUInt16BE(wrap.length, 1);
    return [start, wrap, seal];
  });
  return Buffer.concat([header, salt, commitment, Buffer.from([wraps.length]), ...entries, sealed]);
}

/** home ‖ length of the wrap */
const ENTRY_BYTES = 1 + 2;

function parseWrapped(bytes: Buffer): Pick<WrappedBlob, 'salt' | 'commitment' | 'wraps' | 'sealed'> {
  let at = HEADER_BYTES;
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw invalidCiphertext();
    at += length;
    return bytes.subarray(at - length, at);
  };
  const salt = take(SALT_BYTES);
  const commitment = take(COMMITMENT_BYTES);
  const count = take(1)[0]!;
  if (count < 1 || count > HOMES_MAX) throw invalidCiphertext();
  const wraps: WrapEntry[] = [];
  for (let previous = 0; wraps.length < count; previous = wraps.at(-1)!.home) {
    const entry = take(ENTRY_BYTES);
    const home = entry[0]!;
    const length = entry.readUInt16BE(1);
    // Ascending, so that there is one encoding of a set of wraps, and no home has two.
    if (home <= previous || length < 1 || length > WRAP_BYTES_MAX) throw invalidCiphertext();
    wraps.push({ home, wrap: take(length), seal: take(WRAP_SEAL_BYTES) });
  }
  if (bytes.length - at < TAG_BYTES) throw invalidCiphertext();
  return { salt, commitment, wraps, sealed: bytes.subarray(at) };
}

/** What the tag of a blob covers beside the text: a label, the header and the encryption context. */
export function blobAad(header: Uint8Array, context: EncryptionContext): Buffer {
  return lengthPrefixed(AAD_LABEL, header, encodeContext(context));
}

const AAD_LABEL = Buffer.from('claviger/ciphertext/v1');
