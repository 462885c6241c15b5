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
  const pairs = names.map((name) => [Buffer.from(name), Buffer.from(context[name]!)] as const);
  if (pairs.length > 1) pairs.sort(([a], [b]) => a.compare(b));
  let size = 2;
  for (const [name, value] of pairs) size += 4 + name.length + value.length;
  const encoded = Buffer.allocUnsafe(size);
  let at = encoded.writeUInt16BE(pairs.length, 0);
  for (const pair of pairs) {
    for (const text of pair) {
      at = encoded.writeUInt16BE(text.length, at);
      at += text.copy(encoded, at);
    }
  }
  return encoded;
}

/**
 * The context of a header. Any order is taken: the tag of the header covers its bytes.
 *
 * @throws INVALID_CIPHERTEXT for lengths that do not meet, a name twice, bytes that are no UTF-8
 */
export function decodeMessageContext(encoded: Buffer): EncryptionContext {
  if (encoded.length === 0) return {};
  const pairs = new Map<string, string>();
  let at = 2;
  const text = (): string => {
    if (at + 2 > encoded.length) throw invalidCiphertext();
    const start = at + 2;
    at = start + encoded.readUInt16BE(at);
    if (at > encoded.length) throw invalidCiphertext();
    const bytes = encoded.subarray(start, at);
    if (!isUtf8(bytes)) throw invalidCiphertext();
    return bytes.toString();
  };
  if (encoded.length < at) throw invalidCiphertext();
  for (let left = encoded.readUInt16BE(0); left > 0; left--) {
    const name = text();
    if (pairs.has(name)) throw invalidCiphertext();
    pairs.set(name, text());
  }
  if (at !== encoded.length) throw invalidCiphertext();
  return Object.fromEntries(pairs);
}
