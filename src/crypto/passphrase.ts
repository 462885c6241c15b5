/**
 * A key from a passphrase: Argon2id, version 1.3 (RFC 9106).
 *
 * @module
 */
import { argon2 } from 'node:crypto';
import { promisify } from 'node:util';
import { ClavigerError } from '../errors.ts';
import { SecretBytes } from './secret-bytes.ts';

export interface PassphraseParameters {
  readonly memoryKib: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** Four times the memory of the second recommendation of RFC 9106, section 4; about a second, once at each start. */
export const PASSPHRASE_PARAMETERS: PassphraseParameters = Object.freeze({
  memoryKib: 262_144,
  passes: 3,
  parallelism: 4,
});

/**
 * What a file may ask for. Below, the passphrase would be cheap to guess; above, a forged file could take the memory or
 * the time of the host.
 */
export const PASSPHRASE_BOUNDS = {
  memoryKib: [19_456, 1_048_576],
  passes: [1, 16],
  parallelism: [1, 16],
  saltBytes: [16, 64],
} as const;

const KEY_BYTES = 32;
const argon2Async = promisify(argon2);

/**
 * 32 bytes; the same for the same passphrase, salt and parameters.
 *
 * @throws SEALED where the passphrase is empty, or a parameter is out of its bounds
 */
export async function derivePassphraseKey(
  passphrase: SecretBytes,
  salt: Uint8Array,
  { memoryKib, passes, parallelism }: PassphraseParameters,
): Promise<SecretBytes> {
  if (passphrase.length === 0) throw new ClavigerError('SEALED', 'the passphrase is empty');
  requireBounds({ memoryKib, passes, parallelism, saltBytes: salt.length });
  return new SecretBytes(
    await argon2Async('argon2id', {
      message: passphrase.reveal(),
      nonce: salt,
      parallelism,
      tagLength: KEY_BYTES,
      memory: memoryKib,
      passes,
    }),
  );
}

function requireBounds(values: Readonly<Record<keyof typeof PASSPHRASE_BOUNDS, number>>): void {
  for (const [name, [min, max]] of Object.entries(PASSPHRASE_BOUNDS)) {
    const value = values[name as keyof typeof PASSPHRASE_BOUNDS];
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new ClavigerError('SEALED', `Argon2id takes \`${name}\` from ${min} to ${max}, not ${value}`);
    }
  }
}
