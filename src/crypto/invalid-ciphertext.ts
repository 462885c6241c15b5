/**
 * The one refusal of whatever does not open: its words say nothing of where it failed, which an attacker could use.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';

export function invalidCiphertext(): ClavigerError {
  return new ClavigerError(
    'INVALID_CIPHERTEXT',
    'the ciphertext does not open: it was changed, or key or encryption context are not the ones it was made with',
  );
}
