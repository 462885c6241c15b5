/**
 * Configuration of a vault or a Managed HSM in Azure.
 *
 * @module
 */
import { z } from 'zod';
import { commonFields, filePath, secret } from '../config.ts';

/** Azure lets a rotation policy act on the 7th day at the earliest; more than ten years is a mistake. */
const ROTATE_DAYS_MIN = 7;
const ROTATE_DAYS_MAX = 3650;

/** The clouds, each with its sign-in service and the resources that its tokens are for. */
export const CLOUDS = {
  public: {
    authorityHost: 'https://login.microsoftonline.com',
    vaults: 'https://vault.azure.net',
    managedHsms: 'https://managedhsm.azure.net',
  },
  government: {
    authorityHost: 'https://login.microsoftonline.us',
    vaults: 'https://vault.usgovcloudapi.net',
    managedHsms: 'https://managedhsm.usgovcloudapi.net',
  },
  china: {
    authorityHost: 'https://login.chinacloudapi.cn',
    vaults: 'https://vault.azure.cn',
    managedHsms: 'https://managedhsm.azure.cn',
  },
} as const;

const tenantId = z.string().regex(/^[0-9A-Za-z.-]+$/, 'must be the id or the domain of a tenant');
const clientId = z.string().min(1);
const authorityHost = z
  .string()
  .refine((text) => httpsUrl(text) !== null, 'must be an `https://` address')
  .optional()
  .describe('Address of the sign-in service, where it is not the one of `cloud`.');

const credential = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('client-secret'),
    tenantId: tenantId.describe('Tenant of the application.'),
    clientId: clientId.describe('Client id of the application.'),
    clientSecret: secret.describe('Secret of the application.'),
    authorityHost,
  }),
  z.strictObject({
    kind: z.literal('managed-identity'),
    clientId: clientId
      .optional()
      .describe('Client id of a user-assigned identity; the system-assigned one where it is not given.'),
  }),
  z.strictObject({
    kind: z.literal('workload-identity'),
    tenantId: tenantId.describe('Tenant of the identity.'),
    clientId: clientId.describe('Client id of the identity.'),
    tokenFile: filePath.describe('File with the token of the platform, which renews it: Kubernetes, for one.'),
    authorityHost,
  }),
  z.strictObject({
    kind: z.literal('azure-cli'),
    tenantId: tenantId.optional().describe('Tenant to ask for; the one that the vault names where it is not given.'),
  }),
]);

export const azureKeyVaultSchema = z.strictObject({
  kind: z.literal('azure-key-vault'),
  ...commonFields,
  vaultUrl: z
    .string()
    .refine(isOrigin, 'must be `https://HOST` or `https://HOST:PORT`')
    .transform((text) => new URL(text).origin)
    .describe(
      'Address of the vault or Managed HSM. Every call goes there, whatever host the ids of keys name: behind a private endpoint the two differ.',
    ),
  managedHsm: z.boolean().default(false).describe('The address is a Managed HSM, not a vault.'),
  credential: credential.describe('How we prove who we are.'),
  cloud: z.enum(['public', 'government', 'china']).default('public').describe('Which Azure it is.'),
  caFile: filePath
    .optional()
    .describe(
      'PEM of authorities that are trusted beside those that Node trusts, for the vault and for the sign-in service.',
    ),
  disableChallengeResourceVerification: z
    .boolean()
    .default(false)
    .describe(
      'Take a token for whatever resource the vault names. Only where its address is not below the domain of its cloud: a private name, an emulator.',
    ),
  apiVersion: z
    .string()
    .regex(/^\d[0-9A-Za-z.-]{0,31}$/, 'must be a version of the REST API')
    .default('7.6')
    .describe('Version of the REST API.'),
  protection: z
    .enum(['software', 'hsm'])
    .default('software')
    .describe('Where new keys of a vault are kept; `hsm` needs the premium tier. A Managed HSM is always one.'),
  wrapKeyBits: z
    .literal([2048, 3072, 4096])
    .default(3072)
    .describe('Size of the RSA key that stands in a vault for an AES key, which a vault does not have.'),
  wrapAlgorithm: z
    .enum(['A256GCM', 'A256KW'])
    .default('A256GCM')
    .describe(
      'How an AES key of a Managed HSM wraps data keys. `A256GCM` binds them to their context. What one has wrapped, the other does not open.',
    ),
  rotateEveryDays: z
    .int()
    .min(ROTATE_DAYS_MIN)
    .max(ROTATE_DAYS_MAX)
    .optional()
    .describe(
      'Rotation policy of new keys: days after which Azure makes a new version by itself. Keys here keep their version until they are rotated here.',
    ),
  purge: z
    .boolean()
    .default(false)
    .describe('Purge a key when it is destroyed, which nobody can take back, instead of leaving it soft-deleted.'),
});

export type AzureKeyVaultConfig = z.output<typeof azureKeyVaultSchema>;

function isOrigin(text: string): boolean {
  const url = httpsUrl(text);
  return url !== null && url.pathname === '/' && url.search === '' && url.hash === '';
}

function httpsUrl(text: string): URL | null {
  const url = URL.parse(text);
  return url?.protocol === 'https:' && url.username === '' && url.password === '' ? url : null;
}
