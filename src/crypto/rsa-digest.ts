/**
 * RSA signatures over a digest: RSASSA-PKCS1-v1_5 and RSASSA-PSS of RFC 8017, sections 8 and 9.
 *
 * node:crypto signs messages only. The RSA operation is OpenSSL's; what stands here is the encoding around it, for PSS
 * with a salt as long as the hash and MGF1 with the same hash.
 *
 * @module
 */
import { constants, hash as hashOf, privateEncrypt, publicDecrypt, timingSafeEqual, type KeyObject } from 'node:crypto';
import { modulusBytes } from './key-material.ts';
import { systemRandom } from './random.ts';

export type RsaHash = 'sha256' | 'sha384' | 'sha512';

const HASH_BYTES: Readonly<Record<RsaHash, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** DigestInfo up to the digest itself: RFC 8017, section 9.2, note 1. */
export const DIGEST_INFO: Readonly<Record<RsaHash, Buffer>> = {
  sha256: Buffer.from('3031300d060960864801650304020105000420', 'hex'),
  sha384: Buffer.from('3041300d060960864801650304020205000430', 'hex'),
  sha512: Buffer.from('3051300d060960864801650304020305000440', 'hex'),
};

const PSS_PADDING = Buffer.alloc(8);
const PSS_TRAILER = 0xbc;
/** Modulus sizes are multiples of 8, so the encoding is one bit shorter than its bytes. */
const TOP_BIT = 0x80;

export function signPkcs1(key: KeyObject, hash: RsaHash, digest: Uint8Array): Buffer {
  const digestInfo = Buffer.concat([DIGEST_INFO[hash], digest]);
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digestInfo);
}

export function verifyPkcs1(key: KeyObject, hash: RsaHash, digest: Uint8Array, signature: Uint8Array): boolean {
  const opened = publicOperation(key, constants.RSA_PKCS1_PADDING, signature);
  const digestInfo = Buffer.concat([DIGEST_INFO[hash], digest]);
  return opened !== null && opened.length === digestInfo.length && timingSafeEqual(opened, digestInfo);
}

export function signPss(key: KeyObject, hash: RsaHash, digest: Uint8Array): Buffer {
  const encoded = encodePss(hash, digest, systemRandom.bytes(HASH_BYTES[hash]), modulusBytes(key));
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded);
}

export function verifyPss(key: KeyObject, hash: RsaHash, digest: Uint8Array, signature: Uint8Array): boolean {
  const encoded = publicOperation(key, constants.RSA_NO_PADDING, signature);
  if (encoded === null) return false;
  const dbBytes = encoded.length - HASH_BYTES[hash] - 1;
  const db = mgf1(hash, encoded.subarray(dbBytes, -1), dbBytes);
  xorInto(db, encoded);
  const salt = db.subarray(-HASH_BYTES[hash]);
  // Encoding again with the salt that was found compares everything at once: padding, top bit, trailer and hash.
  return timingSafeEqual(encoded, encodePss(hash, digest, salt, encoded.length));
}

/** EMSA-PSS-ENCODE: RFC 8017, section 9.1.1. */
function encodePss(hash: RsaHash, digest: Uint8Array, salt: Uint8Array, encodedBytes: number): Buffer {
  const h = hashOf(hash, Buffer.concat([PSS_PADDING, digest, salt]), 'buffer');
  const db = Buffer.alloc(encodedBytes - h.length - 1);
  db[db.length - salt.length - 1] = 0x01;
  db.set(salt, db.length - salt.length);
  xorInto(db, mgf1(hash, h, db.length));
  db[0]! &= ~TOP_BIT;
  return Buffer.concat([db, h, Buffer.of(PSS_TRAILER)]);
}

/** RFC 8017, appendix B.2.1. */
function mgf1(hash: RsaHash, seed: Uint8Array, length: number): Buffer {
  const blocks: Buffer[] = [];
  const counted = Buffer.concat([seed, Buffer.alloc(4)]);
  for (let counter = 0; counter * HASH_BYTES[hash] < length; counter += 1) {
    counted.writeUInt32BE(counter, seed.length);
    blocks.push(hashOf(hash, counted, 'buffer'));
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function xorInto(target: Uint8Array, mask: Uint8Array): void {
  for (let at = 0; at < target.length; at += 1) target[at]! ^= mask[at]!;
}

/** Null where the signature has not the length of the modulus, is not less than it, or is not padded so. */
function publicOperation(key: KeyObject, padding: number, signature: Uint8Array): Buffer | null {
  if (signature.length !== modulusBytes(key)) return null;
  try {
    return publicDecrypt({ key, padding }, signature);
  } catch {
    return null;
  }
}
