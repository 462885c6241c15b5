/**
 * HKDF on the hashes of node:crypto in one call each: what `createHmac` and `hkdfSync` cost beside the hash is a third of
 * what a short message costs in all (docs/decisions/0033-one-core-for-messages.md).
 *
 * The digest inside an HMAC (RFC 2104) goes from one hash to the next as a string where it tells nothing without the key
 * that is secret, as those are cheaper; keys never do, for a string cannot be zeroed.
 *
 * @module
 */
import { hash } from 'node:crypto';
import type { HkdfHash } from './hkdf.ts';

const BLOCK_BYTES = { sha256: 64, sha384: 128, sha512: 128 } as const;

const DIGEST_BYTES_MAX = 64;
/** Longest input: a data key, or an info with the id of a message. */
export const INPUT_BYTES_MAX = 64;

/**
 * Key and input of the two hashes of an HMAC. Nothing waits between them, so one of each is enough. A `Buffer` takes a
 * string, a plain array is filled faster; both are the same memory.
 */
const inner = new Uint8Array(128 + INPUT_BYTES_MAX);
const outer = new Uint8Array(128 + DIGEST_BYTES_MAX);
const outerText = Buffer.from(outer.buffer);
/** What begins in them and has a length, made once. */
const innerUpTo: Uint8Array[] = Array.from({ length: inner.length + 1 }, (_, length) => inner.subarray(0, length));
const outerUpTo: Uint8Array[] = Array.from({ length: outer.length + 1 }, (_, length) => outer.subarray(0, length));

/** See `hkdf`. */
export function portableHkdf(
  name: HkdfHash,
  salt: Uint8Array,
  key: Uint8Array,
  infos: readonly Uint8Array[],
): readonly Buffer[] {
  const block = BLOCK_BYTES[name];
  setKey(block, salt);
  inner.set(key, block);
  // The salt is no secret: whoever had this digest would have the key that comes of it.
  const digest = hash(name, innerUpTo[block + key.length]!, 'buffer');
  outer.set(digest, block);
  const outerInput = outerUpTo[block + digest.length]!;
  const prk = hash(name, outerInput, 'buffer');
  setKey(block, prk);
  const outputs: Buffer[] = [];
  for (const info of infos) {
    inner.set(info, block);
    outerText.write(hash(name, innerUpTo[block + info.length]!, 'latin1'), block, 'latin1');
    outputs.push(hash(name, outerInput, 'buffer'));
  }
  for (const secret of [digest, prk, inner, outer]) secret.fill(0);
  return outputs;
}

function setKey(block: number, key: Uint8Array): void {
  inner.fill(0x36, 0, block);
  outer.fill(0x5c, 0, block);
  for (let at = 0; at < key.length; at++) {
    inner[at]! ^= key[at]!;
    outer[at]! ^= key[at]!;
  }
}
