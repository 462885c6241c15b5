/**
 * Configuration of a Transit engine of HashiCorp Vault or OpenBao.
 *
 * @module
 */
import { z } from 'zod';
import { commonFields, filePath, isBareAddress, isConfidential, secret } from '../config.ts';

/** Where Kubernetes puts the token of a pod's service account. */
const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** Path of a mount or a namespace: names between slashes, none of them `.` or `..`. */
const mountPath = z
  .string()
  .max(256)
  .regex(
    /^(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.-]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.-]+)*$/,
    'must be names of A-Z, a-z, 0-9, _, . and -, with / between them',
  );

const auth = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('token').describe('A token that somebody made; it is renewed as long as Vault allows it.'),
    token: secret.describe('The token.'),
  }),
  z.strictObject({
    kind: z.literal('approle').describe('Login with an AppRole.'),
    roleId: z.string().min(1).describe('Id of the role.'),
    secretId: secret.describe('Secret id.'),
    mount: mountPath.default('approle').describe('Where the auth method is mounted.'),
  }),
  z.strictObject({
    kind: z.literal('kubernetes').describe('Login with the service account of the pod.'),
    role: z.string().min(1).describe('Name of the role in Vault.'),
    jwtFile: filePath
      .default(SERVICE_ACCOUNT_TOKEN)
      .describe("File with the service account's token; it is read anew for each login."),
    mount: mountPath.default('kubernetes').describe('Where the auth method is mounted.'),
  }),
]);

export const vaultTransitSchema = z
  .strictObject({
    kind: z.literal('vault-transit').describe('Transit engine of HashiCorp Vault or OpenBao.'),
    ...commonFields,
    address: z
      .url({ protocol: /^https?$/ })
      .refine(isBareAddress, 'must have no user, no password, no ? and no #')
      .describe('Address of the server, such as `https://vault.example.com:8200`.'),
    allowHttp: z
      .boolean()
      .default(false)
      .describe('Allows http:// to other than loopback addresses: for a trusted proxy.'),
    mount: mountPath.default('transit').describe('Where the Transit engine is mounted.'),
    namespace: mountPath.optional().describe('Namespace (Vault Enterprise, OpenBao); sent as `X-Vault-Namespace`.'),
    auth: auth.describe('How Claviger proves itself.'),
    caFile: filePath.optional().describe('File with authorities, PEM, in place of those of the system.'),
  })
  .refine(({ address, allowHttp }) => allowHttp || isConfidential(address), {
    path: ['address'],
    message: 'must begin with https://; plain HTTP is for loopback addresses, or with `allowHttp`',
  });

export type VaultTransitConfig = z.output<typeof vaultTransitSchema>;
