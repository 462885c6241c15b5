/**
 * The configuration of a PKCS#11 token.
 *
 * @module
 */
import { z } from 'zod';
import { commonFields, filePath, secret } from '../config.ts';
import { PROFILE_NAMES } from './profiles.ts';

const FINGERPRINT = /^[0-9a-f]{64}$/;

export const pkcs11Schema = z.strictObject({
  kind: z.literal('pkcs11').describe('A token behind a PKCS#11 library: an HSM, or SoftHSM.'),
  ...commonFields,
  profile: z
    .enum(PROFILE_NAMES)
    .describe('What is known of the vendor; `softhsm` alone was tried on the module itself.'),
  library: filePath.optional().describe('The PKCS#11 library; where it is not given, the usual place of the profile.'),
  tokenLabel: z.string().min(1).max(32).describe('Label of the token; slots have no fixed numbers.'),
  tokenSerial: z.string().min(1).max(16).optional().describe('Its serial number, where several have the label.'),
  pin: secret.describe('PIN of the user. A PIN that was refused is not tried again before the server starts anew.'),
  hosts: z
    .int()
    .min(1)
    .max(64)
    .optional()
    .describe('Processes that load the library; with one there is no other to go on while it starts anew.'),
  lanes: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe('Sessions of each process: calls a second × seconds of a call, and 30 % more.'),
  deadlineMs: z
    .int()
    .min(50)
    .max(600_000)
    .optional()
    .describe('Milliseconds after which an operation hangs, and its process is killed.'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
    .default({})
    .describe('Environment of those processes; they see nothing of the server’s own but PATH, HOME, LANG and TZ.'),
  canary: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Whether a canary key is used at all.'),
      fingerprint: z
        .string()
        .regex(FINGERPRINT, 'must be SHA-256 in 64 lower-case hexadecimal digits')
        .optional()
        .describe('SHA-256 of its public key; without it the first one seen is pinned, and made where there is none.'),
      everySeconds: z.int().min(1).max(3600).default(10).describe('How often it signs.'),
    })
    .prefault({})
    .describe('A key that shows that the token is still the one it was.'),
});

export type Pkcs11Config = z.output<typeof pkcs11Schema>;
