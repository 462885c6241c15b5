/**
 * What a file is, by its first bytes: a message, a ciphertext blob, or one of them as base64 text.
 *
 * @module
 */

export type FileKind = 'message' | 'blob' | 'base64' | 'other';

/** So many bytes tell the kinds apart; an empty file is of none. */
export const KIND_BYTES = 6;

const KINDS: readonly (readonly [kind: FileKind, first: Buffer])[] = [
  ['blob', Buffer.from([0xc1, 0x01])],
  ['message', Buffer.from([0x02, 0x04, 0x78])],
  ['message', Buffer.from([0x02, 0x05, 0x78])],
  // Type 0x80, and a suite below 0x0400.
  ['message', Buffer.from([0x01, 0x80, 0x00])],
  ['message', Buffer.from([0x01, 0x80, 0x01])],
  ['message', Buffer.from([0x01, 0x80, 0x02])],
  ['message', Buffer.from([0x01, 0x80, 0x03])],
];

/** @param first bytes of a file, at least `KIND_BYTES` of them where it has so many */
export function kindOf(first: Uint8Array): FileKind {
  const bytes = Buffer.from(first.buffer, first.byteOffset, first.length);
  const raw = rawKindOf(bytes);
  if (raw !== null) return raw;
  const text = bytes.toString('latin1', 0, KIND_BYTES);
  const isBase64 = /^[A-Za-z0-9+/]{4}/.test(text) && rawKindOf(Buffer.from(text, 'base64')) !== null;
  return isBase64 ? 'base64' : 'other';
}

function rawKindOf(bytes: Buffer): FileKind | null {
  return KINDS.find(([, start]) => bytes.subarray(0, start.length).equals(start))?.[0] ?? null;
}
