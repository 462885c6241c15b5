/**
 * Signatures looked at without our own code: node:crypto, and @noble/curves for Ed25519ph, which node:crypto does not
 * have.
 *
 * @module
 */
import { ed25519ph } from '@noble/curves/ed25519.js';
import { constants, createHash, hash, verify, type KeyObject } from 'node:crypto';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../../model/algorithm.ts';

const INTEGER = 0x02;
const SEQUENCE = 0x30;

/** What a caller would give instead of the message. */
export function digestOf(algorithm: SigningAlgorithmName, publicKey: KeyObject, message: Uint8Array): Buffer {
  const { scheme, hash: name } = SIGNING_ALGORITHMS[algorithm];
  if (scheme === 'ml-dsa') return externalMu(publicKey, message);
  return hash(name ?? 'sha512', message, 'buffer');
}

/** Whether the signature is one over the message; how long the salt of a PSS signature is does not matter here. */
export function verifies(
  algorithm: SigningAlgorithmName,
  publicKey: KeyObject,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { scheme, hash: name } = SIGNING_ALGORITHMS[algorithm];
  switch (scheme) {
    case 'rsa-pss':
      return verifiesPss(algorithm, publicKey, message, signature, constants.RSA_PSS_SALTLEN_AUTO);
    case 'rsa-pkcs1':
      return verify(name, message, { key: publicKey, padding: constants.RSA_PKCS1_PADDING }, signature);
    case 'ecdsa':
      return verify(name, message, { key: publicKey, dsaEncoding: 'der' }, signature);
    case 'ed25519ph':
      return ed25519ph.verify(signature, message, publicKey.export({ format: 'raw-public' }));
    default:
      return verify(null, message, publicKey, signature);
  }
}

/** As `verifies`, for RSA-PSS with a salt of so many bytes. */
export function verifiesPss(
  algorithm: SigningAlgorithmName,
  key: KeyObject,
  message: Uint8Array,
  signature: Uint8Array,
  saltLength: number,
): boolean {
  const { hash: name } = SIGNING_ALGORITHMS[algorithm];
  return verify(name, message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
}

/**
 * Whether bytes are an ECDSA signature in DER (RFC 3279, section 2.2.3): one SEQUENCE of two positive INTEGERs in their
 * shortest form, and nothing else. OpenSSL alone would take less strict ones.
 */
export function isDerSignature(bytes: Uint8Array): boolean {
  const [tag, length = 0] = bytes;
  // 139 bytes for P-521 are the longest: the length is one byte, or two that begin with 0x81.
  const contentAt = length < 0x80 ? 2 : 3;
  const contentBytes = length < 0x80 ? length : bytes[2]!;
  const isShortest = length < 0x80 || (length === 0x81 && contentBytes >= 0x80);
  if (tag !== SEQUENCE || !isShortest || contentAt + contentBytes !== bytes.length) return false;
  const r = integerEnd(bytes, contentAt);
  return r !== null && integerEnd(bytes, r) === bytes.length;
}

/** Where a positive INTEGER in its shortest form ends; null where none stands there. */
function integerEnd(bytes: Uint8Array, at: number): number | null {
  const [tag, length = 0, first = 0, second = 0] = bytes.subarray(at);
  const end = at + 2 + length;
  if (tag !== INTEGER || length === 0 || length >= 0x80 || end > bytes.length || first >= 0x80) return null;
  const hasLeadingZero = first === 0 && (length === 1 || second < 0x80);
  return hasLeadingZero ? null : end;
}

/** FIPS 204, algorithm 7, line 6, with the empty context. */
function externalMu(publicKey: KeyObject, message: Uint8Array): Buffer {
  const tr = shake256(publicKey.export({ format: 'raw-public' }));
  return shake256(Buffer.concat([tr, Buffer.of(0, 0), message]));
}

function shake256(bytes: Uint8Array): Buffer {
  return createHash('shake256', { outputLength: 64 }).update(bytes).digest();
}
