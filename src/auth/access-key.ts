/**
 * Pairs of access key id and secret, for clients of the AWS protocol. They look like those of AWS, since clients check
 * their shape; the id begins with `CLAV` so that nobody takes one for the other.
 *
 * @module
 */
import type { Random } from '../ports/random.ts';

const PREFIX = 'CLAV';
const ID_CHARS = 16;
/** RFC 4648, section 6. */
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** 40 characters of base64, without padding. */
const SECRET_BYTES = 30;

export interface NewAccessKey {
  /** 20 characters: `CLAV` and 80 random bits. */
  readonly accessKeyId: string;
  /** 40 characters: 240 random bits. */
  readonly secret: string;
}

export function newAccessKey(random: Random): NewAccessKey {
  // 32 divides 256, so the low five bits of a random byte choose evenly.
  const letters = Array.from(random.bytes(ID_CHARS), (byte) => BASE32[byte & 31]);
  return { accessKeyId: PREFIX + letters.join(''), secret: random.bytes(SECRET_BYTES).toString('base64') };
}
