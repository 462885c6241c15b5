/**
 * Bytes that are kept for long, in memory of their own.
 *
 * A small `Buffer` is mostly a slice of Node's pool, and keeps all of that (64 KiB) alive. What a cache or a tree holds of such
 * slices comes to a thousand times its size.
 *
 * @module
 */

/** A copy that shares its memory with nothing. Not for secrets: V8 moves what is small, and leaves copies; see `SecretBytes.kept`. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
