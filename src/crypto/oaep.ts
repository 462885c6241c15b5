/**
 * RSAES-OAEP (RFC 8017, section 7.1) with an empty label and MGF1 over the same hash.
 *
 * @module
 */
import { constants, publicEncrypt, subtle, type KeyObject, type webcrypto } from 'node:crypto';
import { ClavigerError, invalidCiphertext } from '../errors.ts';
import { ENCRYPTION_ALGORITHMS, type EncryptionAlgorithmName } from '../model/algorithm.ts';
import { algorithmsOf, type Spec } from '../model/spec.ts';
import { isModulusLong, loadPublic, modulusBytes, type PrivateHandle } from './key-material.ts';
import { slowTurns } from './slow.ts';

interface HashRow {
  readonly bytes: number;
  readonly webName: string;
  /** Private keys as `subtle` takes them, for as long as the key lives. */
  readonly openers: WeakMap<KeyObject, webcrypto.CryptoKey>;
}

const HASHES: Readonly<Record<'sha1' | 'sha256', HashRow>> = {
  sha1: { bytes: 20, webName: 'SHA-1', openers: new WeakMap() },
  sha256: { bytes: 32, webName: 'SHA-256', openers: new WeakMap() },
};

/**
 * As long as the modulus.
 *
 * @param spki SPKI DER of the recipient
 * @throws KEY_USAGE where the spec has no such algorithm
 * @throws INVALID_ARGUMENT where the plaintext is longer than key and hash allow
 */
export function oaepEncrypt(
  spki: Uint8Array,
  spec: Spec,
  algorithm: EncryptionAlgorithmName,
  plaintext: Uint8Array,
): Buffer {
  const hash = hashOf(spec, algorithm);
  const key = loadPublic(spec, spki);
  const bytesMax = modulusBytes(key) - 2 * HASHES[hash].bytes - 2;
  if (plaintext.length > bytesMax) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`${algorithm}\` with a key of spec \`${spec}\` takes at most ${bytesMax} bytes, not ${plaintext.length}`,
    );
  }
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash }, plaintext);
}

/**
 * The plaintext, opened on the thread pool.
 *
 * @throws KEY_USAGE where the spec has no such algorithm
 * @throws INVALID_CIPHERTEXT, in one way for every failure: what it was is what Manger's attack asks for
 */
export async function oaepDecrypt(
  { key, spec }: PrivateHandle,
  algorithm: EncryptionAlgorithmName,
  ciphertext: Uint8Array,
): Promise<Buffer> {
  const opener = openerOf(key, HASHES[hashOf(spec, algorithm)]);
  if (!isModulusLong(key, ciphertext)) throw invalidCiphertext();
  return slowTurns.run(async () => {
    try {
      return Buffer.from(await subtle.decrypt({ name: 'RSA-OAEP' }, opener, ciphertext as Uint8Array<ArrayBuffer>));
    } catch {
      throw invalidCiphertext();
    }
  });
}

/** Of node:crypto only its web interface decrypts RSA on the thread pool; it wants the hash tied to the key. */
function openerOf(key: KeyObject, { webName, openers }: HashRow): webcrypto.CryptoKey {
  const known = openers.get(key);
  if (known !== undefined) return known;
  const opener = key.toCryptoKey({ name: 'RSA-OAEP', hash: webName }, false, ['decrypt']);
  openers.set(key, opener);
  return opener;
}

/** @throws KEY_USAGE where the spec has no such algorithm */
function hashOf(spec: Spec, algorithm: EncryptionAlgorithmName): keyof typeof HASHES {
  const { hash } = ENCRYPTION_ALGORITHMS[algorithm];
  if (hash !== null && algorithmsOf(spec, 'encrypt-decrypt').includes(algorithm)) return hash;
  throw new ClavigerError('KEY_USAGE', `a key of spec \`${spec}\` does not decrypt with \`${algorithm}\``);
}
