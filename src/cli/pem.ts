/**
 * Keys that a person gives, in PEM (RFC 7468) or DER: people have them in either.
 *
 * @module
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { pemBlocks, pemLabel } from '../bytes/pem.ts';
import { ClavigerError } from '../errors.ts';

/**
 * A private key as PKCS#8 DER; DER is passed on as it is.
 *
 * @throws INVALID_ARGUMENT for PEM that is no private key, or an encrypted one
 */
export function pkcs8Of(bytes: Buffer): Buffer {
  const label = pemLabel(bytes);
  if (label === null) return bytes;
  if (pemBlocks(bytes.toString('latin1')).some(({ isEncrypted }) => isEncrypted)) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      'the private key is encrypted; take the passphrase off first: openssl pkcs8 -in FILE | claviger keys import …',
    );
  }
  try {
    return createPrivateKey(bytes).export({ format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw new ClavigerError('INVALID_ARGUMENT', `the input is PEM, but no private key (${label})`, { cause });
  }
}

/**
 * A public key as SPKI DER; DER is passed on as it is.
 *
 * @throws INVALID_ARGUMENT for PEM that is no public key
 */
export function spkiOf(bytes: Buffer): Buffer {
  const label = pemLabel(bytes);
  if (label === null) return bytes;
  try {
    return createPublicKey(bytes).export({ format: 'der', type: 'spki' });
  } catch (cause) {
    throw new ClavigerError('INVALID_ARGUMENT', `the input is PEM, but no public key (${label})`, { cause });
  }
}
