/**
 * Configuration of a provider `gcp-kms`.
 *
 * @module
 */
import { z } from 'zod';
import { commonFields, filePath, secret } from '../config.ts';
import { KEY_RING } from './names.ts';

/** `host`, `host:port`, `[::1]:port`; no scheme and no path. */
const ENDPOINT = /^(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9.-]+)(?::[0-9]{1,5})?$/;

export const gcpKmsSchema = z
  .strictObject({
    kind: z.literal('gcp-kms'),
    ...commonFields,
    keyRing: z
      .string()
      .regex(KEY_RING, 'must be `projects/P/locations/L/keyRings/R`, with the id of the project, not its number')
      .describe('Key ring for new keys and short names; it is made with the first key where it is not there.'),
    apiEndpoint: z
      .string()
      .regex(ENDPOINT, 'must be `host` or `host:port`, without `https://`')
      .optional()
      .describe("Where the service is, as `host` or `host:port`; Google's own where it is not given."),
    insecure: z
      .boolean()
      .default(false)
      .describe('Speaks plain text and shows no credentials, to an emulator at `apiEndpoint`.'),
    credentialsFile: filePath
      .optional()
      .describe('JSON file of a service account, of workload identity federation, or of an authorized user.'),
    credentials: secret.optional().describe('What such a file holds, from the environment or a secret file.'),
    ambient: z
      .boolean()
      .default(false)
      .describe(
        "Lets Google's library find credentials by itself (environment, gcloud, metadata server), and proxies too.",
      ),
    caFile: filePath
      .optional()
      .describe('PEM file of the authorities that vouch for the server; the usual ones otherwise.'),
    universeDomain: z
      .string()
      .regex(/^[a-z0-9.-]+$/)
      .default('googleapis.com')
      .describe('Domain of the service and of its credentials, in clouds that partners run.'),
    protectionLevel: z
      .enum(['software', 'hsm', 'external'])
      .default('software')
      .describe('Where keys live that are made here. External ones are made by hand, and adopted.'),
    symmetricKeys: z
      .enum(['google', 'raw'])
      .default('google')
      .describe(
        'What AES keys are here: `google` for Encrypt and Decrypt, `raw` for AES-256-GCM by RawEncrypt and RawDecrypt.',
      ),
    rsaSigning: z
      .enum(['pss-sha256', 'pss-sha512', 'pkcs1-sha256', 'pkcs1-sha512'])
      .default('pss-sha256')
      .describe('What RSA keys sign with here: a key has one algorithm, for good. Those with SHA-512 have 4096 bits.'),
    rsaEncryption: z
      .enum(['oaep-sha256', 'oaep-sha1'])
      .default('oaep-sha256')
      .describe('What RSA keys decrypt with here.'),
    destroyAfterDays: z
      .int()
      .min(1)
      .max(120)
      .default(30)
      .describe('Days between the destruction of a version and its end, for keys that are made here.'),
  })
  .superRefine((config, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    const given = [config.insecure, config.credentialsFile, config.credentials, config.ambient].filter(Boolean).length;
    if (given !== 1)
      refuse('credentials', 'give one of credentialsFile, credentials, `ambient: true`, `insecure: true`');
    if (config.insecure && config.apiEndpoint === undefined)
      refuse('apiEndpoint', 'must be given with `insecure: true`');
    if (config.symmetricKeys === 'raw' && config.protectionLevel === 'external')
      refuse('symmetricKeys', 'external keys are `google` ones');
    if (config.insecure && config.caFile !== undefined) refuse('caFile', 'says nothing with `insecure: true`');
  });

export type GcpKmsConfig = z.output<typeof gcpKmsSchema>;
