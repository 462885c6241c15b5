/**
 * From the data key of a message to the key that encrypts it (AWS Encryption SDK, "Algorithm suites", key derivation):
 * HKDF (RFC 5869) with the id of the message, so that one data key serves many messages.
 *
 * Suites of format 2 derive a second value, the commitment, which stands in the header: who holds another data key finds
 * out before anything is decrypted.
 *
 * @module
 */
import { timingSafeEqual } from 'node:crypto';
import type { GcmDecryption, GcmEncryption } from '../../crypto/gcm-engine.ts';
import { gcm } from '../../crypto/gcm.ts';
import { SecretBytes } from '../../crypto/secret-bytes.ts';
import { invalidCiphertext } from '../../errors.ts';
import { COMMITMENT_BYTES, ZERO_IV, type ParsedHeader } from './header.ts';
import { hkdf } from './hkdf.ts';
import { SUITES, type Suite } from './suites.ts';

const COMMIT_INFO = Buffer.from('COMMITKEY\x01');
const DERIVE_LABEL = Buffer.from('DERIVEKEY');
const COUNTER_1 = Buffer.of(1);
const NOTHING = Buffer.alloc(0);
/** Of the key and of the commitment; only the salt differs from message to message. */
const COMMITTING_INFOS = new Map(
  [...SUITES.keys()].map((id) => [id, [infoOf(id, DERIVE_LABEL), COMMIT_INFO]] as const),
);

export interface MessageKeys {
  /** Belongs to whoever asked. */
  readonly key: SecretBytes;
  /** Empty where the suite does not commit. */
  readonly commitment: Buffer;
}

/** The keys of a message under a data key of the length that its suite wants. */
export function messageKeys(suite: Suite, dataKey: Uint8Array, messageId: Uint8Array): MessageKeys {
  if (suite.kdfHash === null) return { key: new SecretBytes(Buffer.from(dataKey)), commitment: NOTHING };
  const [key, commitment] = suite.committing
    ? hkdf(suite.kdfHash, messageId, dataKey, COMMITTING_INFOS.get(suite.id)!)
    : hkdf(suite.kdfHash, NOTHING, dataKey, [infoOf(suite.id, messageId)]);
  key!.fill(0, suite.keyBytes);
  return {
    key: new SecretBytes(key!.subarray(0, suite.keyBytes)),
    commitment: commitment?.subarray(0, COMMITMENT_BYTES) ?? NOTHING,
  };
}

/** The number of the suite and what follows it, with the counter of HKDF behind. */
function infoOf(suiteId: number, rest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(suiteId >> 8, suiteId & 0xff), rest, COUNTER_1]);
}

/**
 * The key of a message that is to be read, once its header is known to be what was written under this data key and with
 * these pairs.
 *
 * @param authenticated encoded pairs that the tag of the header covers though they are not in it
 * @throws INVALID_CIPHERTEXT
 */
export function openHeader(parsed: ParsedHeader, dataKey: Uint8Array, authenticated: Uint8Array): GcmDecryption {
  const { header, body, commitment, iv, tag } = parsed;
  const { suite, messageId } = header;
  if (dataKey.length !== suite.keyBytes) throw invalidCiphertext();
  const keys = messageKeys(suite, dataKey, messageId);
  const decryption = gcm.decryption(suite.cipher, keys.key);
  try {
    if (!timingSafeEqual(keys.commitment, commitment)) throw invalidCiphertext();
    decryption.begin(iv);
    decryption.aad(body);
    decryption.aad(authenticated);
    if (!decryption.isGenuine(tag)) throw invalidCiphertext();
    return decryption;
  } catch (error) {
    decryption[Symbol.dispose]();
    throw error;
  }
}

/** The tag of a header that is written in format 2. */
export function headerTag(encryption: GcmEncryption, body: Uint8Array, authenticated: Uint8Array): Buffer {
  encryption.begin(ZERO_IV);
  encryption.aad(body);
  encryption.aad(authenticated);
  return encryption.tag();
}
