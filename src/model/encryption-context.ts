/**
 * Encryption context: the key-value pairs that a ciphertext is bound to. Case-sensitive, order-insensitive, logged.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';

export type EncryptionContext = Readonly<Record<string, string>>;

/** Pairs in a context; each costs a place in the record. */
export const CONTEXT_PAIRS_MAX = 64;
/** UTF-8 bytes of all keys and values: the audit record that carries them must stay under 64 KiB. */
export const CONTEXT_BYTES_MAX = 8192;

export const NO_CONTEXT: EncryptionContext = Object.freeze({});

/**
 * Checks the size of a context.
 *
 * @throws INVALID_ARGUMENT
 */
export function requireContext(context: EncryptionContext): EncryptionContext {
  const pairs = Object.entries(context);
  if (pairs.length > CONTEXT_PAIRS_MAX) {
    throw new ClavigerError('INVALID_ARGUMENT', `an encryption context has at most ${CONTEXT_PAIRS_MAX} pairs`);
  }
  let bytes = 0;
  for (const [name, value] of pairs) {
    if (name === '') throw new ClavigerError('INVALID_ARGUMENT', 'an encryption context has no empty names');
    if (!name.isWellFormed() || !value.isWellFormed()) {
      throw new ClavigerError('INVALID_ARGUMENT', 'an encryption context holds well-formed Unicode only');
    }
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > CONTEXT_BYTES_MAX) {
    throw new ClavigerError('INVALID_ARGUMENT', `an encryption context has at most ${CONTEXT_BYTES_MAX} bytes`);
  }
  return context;
}
