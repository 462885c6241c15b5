/**
 * Nothing that a service answers is believed unseen: which key did it, how long it is, what shape it has.
 *
 * A part that is wrong is KMS's fault, or somebody's on the way: PROVIDER_INTEGRITY. Where a part is not there at all, as in
 * whatever JSON a proxy has for everybody, KMS has not answered: PROVIDER_UNAVAILABLE.
 *
 * @module
 */
import { foreignCiphertext, integrityError, unreadableError } from './errors.ts';
import type { KeyArn } from './arn.ts';

/** Whose answer, to what. */
export interface Asked {
  readonly provider: string;
  readonly operation: string;
}

/**
 * The answer names the key that was asked for: by its ARN, or by its id, as some servers have it.
 *
 * @throws PROVIDER_INTEGRITY for another key's, PROVIDER_UNAVAILABLE where no key is named
 */
export function requireSameKey({ provider, operation }: Asked, { arn, keyId }: KeyArn, said: unknown): void {
  if (said === arn || said === keyId) return;
  if (typeof said !== 'string') throw unreadableError(provider, operation, 'it names no key');
  throw integrityError(provider, operation, 'it is of another key');
}

/**
 * As `requireSameKey`, of an answer that opened something: where another key opened it, it is not one of this key.
 *
 * @throws INVALID_CIPHERTEXT for another key's, PROVIDER_UNAVAILABLE where no key is named
 */
export function requireOpenedBy(asked: Asked, key: KeyArn, said: unknown): void {
  if (typeof said === 'string' && said !== key.arn && said !== key.keyId) throw foreignCiphertext(asked.provider);
  requireSameKey(asked, key, said);
}

/**
 * Bytes with a length between the two, as a buffer of their own.
 *
 * @throws PROVIDER_INTEGRITY for another length, PROVIDER_UNAVAILABLE where there are no bytes
 */
export function requireBytes(
  { provider, operation }: Asked,
  value: unknown,
  { min = 1, max }: { readonly min?: number; readonly max: number },
): Buffer {
  if (!(value instanceof Uint8Array)) throw unreadableError(provider, operation, 'it lacks what was asked for');
  if (value.length >= min && value.length <= max) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  throw integrityError(provider, operation, `it has ${value.length} bytes`);
}

/** Bytes of exactly this length. @throws as `requireBytes` */
export function requireExactly(asked: Asked, value: unknown, bytes: number): Buffer {
  return requireBytes(asked, value, { min: bytes, max: bytes });
}
