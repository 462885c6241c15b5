/**
 * The signature of a message (AWS Encryption SDK, "Message footer"): ECDSA over header and body, whose public key stands
 * in the encryption context.
 *
 * @module
 */
import { createPublicKey, createVerify, type KeyObject } from 'node:crypto';
import { invalidCiphertext } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { PUBLIC_KEY_NAME } from './context.ts';
import type { SignatureScheme } from './suites.ts';

/** SubjectPublicKeyInfo (RFC 5480) of a compressed point, up to the point. */
const SPKI_START = {
  'P-256': Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
  'P-384': Buffer.from('3046301006072a8648ce3d020106052b81040022033200', 'hex'),
} as const;

export class SignatureCheck {
  readonly #key: KeyObject;
  readonly #verify: ReturnType<typeof createVerify>;
  /** Longest DER of a signature: two integers of a coordinate each, with a zero before. */
  readonly signatureBytesMax: number;

  /** @throws INVALID_CIPHERTEXT where the context has no public key of the scheme */
  constructor(scheme: SignatureScheme, context: EncryptionContext) {
    this.#key = publicKeyOf(scheme, context[PUBLIC_KEY_NAME]);
    this.#verify = createVerify(scheme.hash);
    this.signatureBytesMax = 2 + 2 * (2 + 1 + scheme.fieldBytes);
  }

  update(bytes: Uint8Array): void {
    this.#verify.update(bytes);
  }

  /** Whether all that came before was signed so. */
  accepts(signature: Uint8Array): boolean {
    return this.#verify.verify({ key: this.#key, dsaEncoding: 'der' }, signature);
  }
}

function publicKeyOf({ curve, fieldBytes }: SignatureScheme, encoded: string | undefined): KeyObject {
  const point = Buffer.from(encoded ?? '', 'base64');
  // Compressed, in canonical base64: there is one way to write a key.
  if (point.length !== 1 + fieldBytes || point.toString('base64') !== encoded) throw invalidCiphertext();
  try {
    return createPublicKey({ key: Buffer.concat([SPKI_START[curve], point]), format: 'der', type: 'spki' });
  } catch {
    throw invalidCiphertext();
  }
}
