/**
 * Keys in PEM (RFC 7468) and DER, both ways: people have them in either.
 *
 * @module
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { ClavigerError } from '../errors.ts';

const LINE_CHARS = 64;
const BEGIN = /-----BEGIN ([A-Z0-9 ]+)-----/;

export function pemOf(label: string, der: Uint8Array): string {
  const lines = der.toBase64().match(new RegExp(`.{1,${LINE_CHARS}}`, 'g')) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** The label of a PEM text, or null for anything else. */
export function pemLabel(bytes: Buffer): string | null {
  return BEGIN.exec(bytes.toString('latin1'))?.[1] ?? null;
}

/**
 * A private key as PKCS#8 DER; DER is passed on as it is.
 *
 * @throws INVALID_ARGUMENT for PEM that is no private key, or an encrypted one
 */
export function pkcs8Of(bytes: Buffer): Buffer {
  const label = pemLabel(bytes);
  if (label === null) return bytes;
  if (label.includes('ENCRYPTED') || bytes.includes('Proc-Type: 4,ENCRYPTED')) {
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
