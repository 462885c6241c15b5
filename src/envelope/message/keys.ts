/**
 * From the data key of a message to the key that encrypts it (AWS Encryption SDK, "Algorithm suites", key derivation):
 * HKDF (RFC 5869) with the id of the message, so that one data key serves many messages.
 *
 * Suites of format 2 derive a second value, the commitment, which stands in the header: who holds another data key finds
 * out before anything is decrypted.
 *
 * @module
 */
import { createHmac, createCipheriv, createDecipheriv, timingSafeEqual } from 'node:crypto';
import { SecretBytes } from '../../crypto/secret-bytes.ts';
import { invalidCiphertext } from '../../errors.ts';
import { COMMITMENT_BYTES, TAG_BYTES, type ParsedHeader } from './header.ts';
import type { Suite } from './suites.ts';

const COMMIT_INFO = Buffer.from('COMMITKEY');
const DERIVE_LABEL = Buffer.from('DERIVEKEY');
const COUNTER_1 = Buffer.of(1);
const EMPTY = Buffer.alloc(0);
const HASH_BYTES = { sha256: 32, sha384: 48, sha512: 64 } as const;

export interface MessageKeys {
  /** Belongs to whoever asked. */
  readonly key: SecretBytes;
  /** Empty where the suite does not commit. */
  readonly commitment: Buffer;
}

/** The keys of a message under a data key of the length that its suite wants. */
export function messageKeys(suite: Suite, dataKey: Uint8Array, messageId: Uint8Array): MessageKeys {
  if (suite.kdfHash === null) return { key: new SecretBytes(Buffer.from(dataKey)), commitment: EMPTY };
  const id = Buffer.of(suite.id >> 8, suite.id & 0xff);
  if (!suite.committing) {
    const prk = extract(suite.kdfHash, Buffer.alloc(HASH_BYTES[suite.kdfHash]), dataKey);
    const key = expand(suite.kdfHash, prk, [id, messageId], suite.keyBytes);
    prk.fill(0);
    return { key: new SecretBytes(key), commitment: EMPTY };
  }
  const prk = extract(suite.kdfHash, messageId, dataKey);
  const key = expand(suite.kdfHash, prk, [id, DERIVE_LABEL], suite.keyBytes);
  const commitment = expand(suite.kdfHash, prk, [COMMIT_INFO], COMMITMENT_BYTES);
  prk.fill(0);
  return { key: new SecretBytes(key), commitment };
}

/**
 * The key of a message that is to be read, once its header is known to be what was written under this data key and with
 * these pairs.
 *
 * @param authenticated encoded pairs that the tag of the header covers though they are not in it
 * @throws INVALID_CIPHERTEXT
 */
export function openHeader(parsed: ParsedHeader, dataKey: Uint8Array, authenticated: Uint8Array): SecretBytes {
  const { header, body, commitment, iv, tag } = parsed;
  const { suite, messageId } = header;
  if (dataKey.length !== suite.keyBytes) throw invalidCiphertext();
  const keys = messageKeys(suite, dataKey, messageId);
  try {
    if (!timingSafeEqual(keys.commitment, commitment)) throw invalidCiphertext();
    const decipher = createDecipheriv(suite.cipher, keys.key.reveal(), iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(body);
    if (authenticated.length > 0) decipher.setAAD(authenticated);
    decipher.setAuthTag(tag);
    try {
      decipher.final();
    } catch {
      throw invalidCiphertext();
    }
    return keys.key;
  } catch (error) {
    keys.key[Symbol.dispose]();
    throw error;
  }
}

/** The tag of a header that is written. */
export function headerTag(suite: Suite, key: SecretBytes, body: Uint8Array, authenticated: Uint8Array): Buffer {
  const cipher = createCipheriv(suite.cipher, key.reveal(), HEADER_IV, { authTagLength: TAG_BYTES });
  cipher.setAAD(body);
  if (authenticated.length > 0) cipher.setAAD(authenticated);
  cipher.final();
  return cipher.getAuthTag();
}

const HEADER_IV = Buffer.alloc(12);

function extract(hash: string, salt: Uint8Array, input: Uint8Array): Buffer {
  return createHmac(hash, salt).update(input).digest();
}

/** One block of HKDF-Expand: no suite needs more than its hash gives. */
function expand(hash: string, prk: Uint8Array, info: readonly Uint8Array[], bytes: number): Buffer {
  const hmac = createHmac(hash, prk);
  for (const part of info) hmac.update(part);
  const block = hmac.update(COUNTER_1).digest();
  block.fill(0, bytes);
  return block.subarray(0, bytes);
}
