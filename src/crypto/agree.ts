/**
 * Key agreement: ECDH over the NIST curves and secp256k1 (SP 800-56A rev. 3, section 5.7.1.2) and X25519 (RFC 7748).
 *
 * @module
 */
import { diffieHellman } from 'node:crypto';
import { ClavigerError } from '../errors.ts';
import { loadPublic, type PrivateHandle } from './key-material.ts';

/**
 * The raw shared secret, which the caller owns: the x-coordinate for a curve, 32 bytes for X25519. It is not a key yet;
 * a key derivation function makes one of it.
 *
 * @param peer SPKI DER of the other side
 * @throws INVALID_ARGUMENT where that is of another curve, not on the curve, or gives an all-zero secret
 */
export function deriveSharedSecret({ key, spec }: PrivateHandle, peer: Uint8Array): Buffer {
  const publicKey = loadPublic(spec, peer);
  try {
    return diffieHellman({ privateKey: key, publicKey });
  } catch (cause) {
    // OpenSSL refuses the all-zero secret of a point of small order: RFC 7748, section 6.1.
    throw new ClavigerError('INVALID_ARGUMENT', `the public key of the other side is not a safe \`${spec}\` key`, {
      cause,
    });
  }
}
