/**
 * Fields made into one byte string from which each can be had back: no two lists of fields give the same bytes.
 *
 * A field is its length, 32 bits big-endian, then its bytes. spec/ciphertext.md and spec/audit-log.md build on this.
 *
 * @module
 */

const LENGTH_BYTES = 4;
const NO_PAIRS = Buffer.alloc(LENGTH_BYTES);

/** Each field behind its length. */
export function lengthPrefixed(...fields: readonly Uint8Array[]): Buffer {
  let size = 0;
  for (const field of fields) size += LENGTH_BYTES + field.length;
  return writeFields(Buffer.allocUnsafe(size), 0, fields);
}

/**
 * An encryption context: the number of pairs, then name and value of each, sorted by the UTF-8 bytes of the names.
 *
 * Injective for well-formed Unicode, which the caller has checked: a lone surrogate would become U+FFFD.
 */
export function encodeContext(context: Readonly<Record<string, string>>): Buffer {
  const names = Object.keys(context);
  if (names.length === 0) return Buffer.from(NO_PAIRS);
  const pairs = names.map((name) => [Buffer.from(name), Buffer.from(context[name]!)] as const);
  const fields = pairs.toSorted(([a], [b]) => a.compare(b)).flat();
  let size = LENGTH_BYTES;
  for (const field of fields) size += LENGTH_BYTES + field.length;
  const encoded = Buffer.allocUnsafe(size);
  return writeFields(encoded, encoded.writeUInt32BE(names.length, 0), fields);
}

function writeFields(target: Buffer, start: number, fields: readonly Uint8Array[]): Buffer {
  let at = start;
  for (const field of fields) {
    at = target.writeUInt32BE(field.length, at);
    target.set(field, at);
    at += field.length;
  }
  return target;
}
