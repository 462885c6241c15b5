/**
 * The key that a ciphertext blob says it was made under, for callers that do not know it. See spec/ciphertext.md; what
 * is read here is believed by nobody before the blob has opened.
 *
 * @module
 */

/** Format, format version and kind: a blob that a key encrypted directly, or whose data key its homes wrapped. */
const STARTS = ['c10101', 'c10102'];
const KEY_AT = 19;
const KEY_END = KEY_AT + 16;

/** Id of the key; null where this is no ciphertext blob. */
export function keyOfCiphertext(ciphertext: Uint8Array): string | null {
  if (ciphertext.length < KEY_END || !STARTS.includes(ciphertext.subarray(0, 3).toHex())) return null;
  const hex = ciphertext.subarray(KEY_AT, KEY_END).toHex();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
