/**
 * The message representative mu of ML-DSA, which is signed in place of a message.
 *
 * @module
 */
import { createHash, createPublicKey } from 'node:crypto';

/** FIPS 204, algorithm 7, line 6, with an empty context. */
export function muOf(spki: Uint8Array, message: Uint8Array): Buffer {
  const shake = (...parts: Uint8Array[]): Buffer => {
    const hash = createHash('shake256', { outputLength: 64 });
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  return shake(shake(rawPublicKey(spki)), new Uint8Array([0, 0]), message);
}

/** The key itself, without its SPKI. */
export function rawPublicKey(spki: Uint8Array): Uint8Array {
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  return Buffer.from((key.export({ format: 'jwk' }) as { pub: string }).pub, 'base64url');
}
