/**
 * The key of a ciphertext, where nobody named one.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { keyOfCiphertext } from '../wire/index.ts';

/**
 * The key that a ciphertext blob names.
 *
 * @throws INVALID_ARGUMENT for bytes that are no blob
 */
export function keyOf(ciphertext: Uint8Array): string {
  const key = keyOfCiphertext(ciphertext);
  if (key !== null) return key;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    'the input is not a ciphertext of a symmetric key, which names its key; for one of an RSA key say --key',
  );
}
