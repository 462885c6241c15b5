/**
 * Wrapping key material for import: RSAES-OAEP (RFC 8017, section 7.1) of the material itself, or of an AES-256 key that
 * wraps it by AES key wrap with padding (RFC 5649), as PKCS#11 has it under CKM_RSA_AES_KEY_WRAP.
 *
 * @module
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  privateDecrypt,
  publicEncrypt,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import { ClavigerError, invalidCiphertext } from '../errors.ts';
import { IMPORT_ALGORITHMS, type ImportAlgorithmName } from '../model/algorithm.ts';
import type { Random } from '../ports/random.ts';
import { isModulusLong, modulusBytes } from './key-material.ts';
import { SecretBytes } from './secret-bytes.ts';

export type ImportKeyBits = 2048 | 3072 | 4096;

export interface ImportKey {
  /** PKCS#8 DER. */
  readonly privateKey: SecretBytes;
  /** SPKI DER. */
  readonly publicKey: Uint8Array;
}

const AES_KEY_BYTES = 32;
/** RFC 5649, section 3. */
const ALTERNATIVE_IV = Buffer.from('a65959a6', 'hex');
const WRAPPED_BYTES_MIN = 16;
const OAEP_HASH_BYTES = { sha1: 20, sha256: 32 } as const;

const generate = promisify(generateKeyPair);

/** A fresh RSA key that material is wrapped under, once. */
export async function newImportKey(bits: ImportKeyBits): Promise<ImportKey> {
  const { privateKey, publicKey } = await generate('rsa', {
    modulusLength: bits,
    privateKeyEncoding: { format: 'der', type: 'pkcs8' },
    publicKeyEncoding: { format: 'der', type: 'spki' },
  });
  return { privateKey: new SecretBytes(privateKey), publicKey };
}

/**
 * What the owner of material sends: our own clients and the tests use it.
 *
 * @throws INVALID_ARGUMENT where the material is too long to be encrypted by RSA itself
 */
export function wrapForImport(
  algorithm: ImportAlgorithmName,
  wrappingSpki: Uint8Array,
  material: Uint8Array,
  random: Random,
): Buffer {
  const { hash, aesKeyWrap } = IMPORT_ALGORITHMS[algorithm];
  const key = createPublicKey({ key: Buffer.from(wrappingSpki), format: 'der', type: 'spki' });
  const oaep = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash };
  if (!aesKeyWrap) {
    requireFits(algorithm, key, material);
    return publicEncrypt(oaep, material);
  }
  using aesKey = new SecretBytes(random.bytes(AES_KEY_BYTES));
  const cipher = createCipheriv('id-aes256-wrap-pad', aesKey.reveal(), ALTERNATIVE_IV);
  return Buffer.concat([publicEncrypt(oaep, aesKey.reveal()), cipher.update(material), cipher.final()]);
}

/**
 * The material that was wrapped; what it is worth, `importMaterial` says.
 *
 * @throws INVALID_CIPHERTEXT, in one way for every failure
 */
export function unwrapImport(
  algorithm: ImportAlgorithmName,
  privateKeyPkcs8: SecretBytes,
  wrapped: Uint8Array,
): SecretBytes {
  const { hash, aesKeyWrap } = IMPORT_ALGORITHMS[algorithm];
  const key = createPrivateKey({ key: privateKeyPkcs8.reveal(), format: 'der', type: 'pkcs8' });
  const oaep = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash };
  try {
    if (!aesKeyWrap) {
      if (!isModulusLong(key, wrapped)) throw invalidCiphertext();
      return new SecretBytes(privateDecrypt(oaep, wrapped));
    }
    const splitAt = modulusBytes(key);
    using aesKey = new SecretBytes(privateDecrypt(oaep, wrapped.subarray(0, splitAt)));
    return unwrapPadded(aesKey, wrapped.subarray(splitAt));
  } catch {
    throw invalidCiphertext();
  }
}

function unwrapPadded(aesKey: SecretBytes, wrapped: Uint8Array): SecretBytes {
  // Of no bytes at all OpenSSL would say nothing.
  if (wrapped.length < WRAPPED_BYTES_MIN) throw invalidCiphertext();
  const decipher = createDecipheriv('id-aes256-wrap-pad', aesKey.reveal(), ALTERNATIVE_IV);
  using material = new SecretBytes(decipher.update(wrapped));
  return new SecretBytes(Buffer.concat([material.reveal(), decipher.final()]));
}

function requireFits(algorithm: ImportAlgorithmName, key: KeyObject, material: Uint8Array): void {
  const bytesMax = modulusBytes(key) - 2 * OAEP_HASH_BYTES[IMPORT_ALGORITHMS[algorithm].hash] - 2;
  if (material.length <= bytesMax) return;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `\`${algorithm}\` wraps at most ${bytesMax} bytes under this key, not ${material.length}; use RSA_AES_KEY_WRAP_SHA_256`,
  );
}
