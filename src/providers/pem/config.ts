/**
 * Configuration of keys in PEM.
 *
 * @module
 */
import { z } from 'zod';
import { commonFields, filePath, secret } from '../config.ts';

/** Each is read at the start, and looked at before each use. */
const KEYS_MAX = 1000;

/** Also the name in references. */
const keyName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$/,
    'must be 1 to 127 of A-Z, a-z, 0-9, ., _ and -, not beginning with a sign',
  );

const pemKey = z
  .strictObject({
    name: keyName.describe('Name of the key; references keep it.'),
    file: filePath.optional().describe('File with the key in PEM; a change of it is noticed.'),
    pem: secret.optional().describe('The key in PEM.'),
    base64: secret.optional().describe('The key in PEM or DER, in base64, for variables that hold one line.'),
    passphrase: secret.optional().describe('Of an encrypted private key.'),
    publicKeyOnly: z
      .boolean()
      .default(false)
      .describe('Takes the public key alone, for verifying, although the private one is there.'),
    allowWeak: z
      .boolean()
      .default(false)
      .describe('Takes in an RSA key of less than 2048 bits as well: it is described, and cannot be used.'),
  })
  .refine(({ file, pem, base64 }) => [file, pem, base64].filter((one) => one !== undefined).length === 1, {
    message: 'must have one of `file`, `pem` and `base64`',
  });

export const pemSchema = z.strictObject({
  kind: z.literal('pem').describe('Private and public keys in PEM, while they move to a better home.'),
  ...commonFields,
  keys: z
    .array(pemKey)
    .min(1)
    .max(KEYS_MAX)
    .refine((keys) => new Set(keys.map(({ name }) => name)).size === keys.length, 'two keys must not have one name')
    .describe('The keys.'),
});

export type PemConfig = z.output<typeof pemSchema>;
export type PemKeyConfig = PemConfig['keys'][number];
