/**
 * The encryption context in the encoding of a message header: the number of pairs, then name and value of each behind
 * their lengths, 16 bits big-endian, sorted by the UTF-8 bytes of the names (AWS Encryption SDK, "Structures",
 * encryption context).
 *
 * @module
 */
import { isUtf8 } from 'node:buffer';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import { requireContext, type EncryptionContext } from '../../model/encryption-context.ts';

/** Names with this prefix are the format's own. */
const RESERVED_PREFIX = 'aws-crypto-';
/** Under this name a signed message carries its public key. */
export const PUBLIC_KEY_NAME = 'aws-crypto-public-key';

const NOTHING = Buffer.alloc(0);

/**
 * Checks what a caller gives as context.
 *
 * @throws INVALID_ARGUMENT
 */
export function requireCallersContext(context: EncryptionContext): EncryptionContext {
  for (const name of Object.keys(requireContext(context))) {
    if (!name.startsWith(RESERVED_PREFIX)) continue;
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `an encryption context has no names that begin with \`${RESERVED_PREFIX}\`: the message format has them for itself`,
    );
  }
  return context;
}

/** No bytes at all for a context without pairs. */
export function encodeMessageContext(context: EncryptionContext): Buffer {
  const names = Object.keys(context);
  if (names.length === 0) return NOTHING;
  if (names.length > 1) names.sort(byUtf8);
  let size = 2;
  for (const name of names) size += 4 + Buffer.byteLength(name) + Buffer.byteLength(context[name]!);
  const encoded = Buffer.allocUnsafe(size);
  let at = encoded.writeUInt16BE(names.length, 0);
  for (const name of names) at = writeText(encoded, writeText(encoded, at, name), context[name]!);
  return encoded;
}

/** Behind its length, which the context's own limit keeps below 16 bits. */
function writeText(target: Buffer, at: number, text: string): number {
  const bytes = target.write(text, at + 2);
  return target.writeUInt16BE(bytes, at) + bytes;
}

/**
 * The order of the UTF-8 bytes of two texts, found in their UTF-16 units: the two orders differ in that surrogates, which
 * stand for what is beyond U+FFFF, come before U+E000 in the latter.
 */
function byUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x1_0000 : unit;
}

/**
 * The text of bytes that are UTF-8.
 *
 * @throws INVALID_CIPHERTEXT for any others
 */
export function utf8Text(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end);
  // What is no UTF-8 is decoded to this character; so is the character itself.
  if (text.includes('\uFFFD') && !isUtf8(bytes.subarray(start, end))) throw invalidCiphertext();
  return text;
}

/**
 * The context of a header. Any order is taken: the tag of the header covers its bytes.
 *
 * @throws INVALID_CIPHERTEXT for lengths that do not meet, a name twice, bytes that are no UTF-8
 */
export function decodeMessageContext(encoded: Buffer): EncryptionContext {
  if (encoded.length === 0) return {};
  if (encoded.length < 2) throw invalidCiphertext();
  const pairs: [name: string, value: string][] = [];
  let at = 2;
  for (let left = encoded.readUInt16BE(0); left > 0; left--) {
    const nameEnd = textEnd(encoded, at);
    const valueEnd = textEnd(encoded, nameEnd);
    pairs.push([utf8Text(encoded, at + 2, nameEnd), utf8Text(encoded, nameEnd + 2, valueEnd)]);
    at = valueEnd;
  }
  const context = Object.fromEntries(pairs);
  if (at !== encoded.length || Object.keys(context).length < pairs.length) throw invalidCiphertext();
  return context;
}

/** Where a text ends whose length stands here. */
function textEnd(encoded: Buffer, at: number): number {
  if (at + 2 > encoded.length) throw invalidCiphertext();
  const end = at + 2 + encoded.readUInt16BE(at);
  if (end > encoded.length) throw invalidCiphertext();
  return end;
}
