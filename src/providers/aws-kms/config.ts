/**
 * How a connection to AWS KMS is configured.
 *
 * Nothing is read from the environment, from `~/.aws` or from the machine's metadata service unless a field here says so:
 * a server that runs beside other software would take that software's credentials otherwise.
 *
 * @module
 */
import { z } from 'zod';
import { commonFields, filePath, isBareAddress, isConfidential, secret } from '../config.ts';

/** AWS takes so many grant tokens in one request. */
const GRANT_TOKENS_MAX = 10;
/** Days that AWS waits before it deletes a key, at least and at most. */
const DELETION_DAYS_MIN = 7;
const DELETION_DAYS_MAX = 30;

const address = z
  .url({ protocol: /^https?$/, hostname: /^.+$/ })
  .refine(isBareAddress, 'must have no user, no password, no ? and no #');
const roleArn = z.string().regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/, 'must be the ARN of a role');

const fields = z.strictObject({
  kind: z.literal('aws-kms'),
  ...commonFields,
  region: z
    .string()
    .regex(/^[a-z]{2,8}(?:-[a-z]+)+-\d{1,2}$/, 'must be a region, such as `eu-west-1`')
    .describe('Region of the keys. Keys of another region are refused.'),
  endpoint: address
    .optional()
    .describe('Address to call in place of the one that AWS has for the region: a VPC endpoint, or another server.'),
  allowHttp: z
    .boolean()
    .default(false)
    .describe('Allows http:// to other than loopback addresses: data keys cross the network in the clear.'),
  caFile: filePath
    .optional()
    .describe('Certificate authorities (PEM) that the endpoint is held against, in place of the usual ones.'),
  credentials: z
    .strictObject({
      accessKeyId: z.string().min(1).describe('Id of the access key.'),
      secretAccessKey: secret.describe('Its secret, by reference.'),
      sessionToken: secret.optional().describe('Session token of temporary credentials, by reference.'),
    })
    .optional()
    .describe('An access key. Give this, or `profile`, or `ambient: true`.'),
  profile: z
    .string()
    .min(1)
    .optional()
    .describe("Profile in `~/.aws/config` and `~/.aws/credentials`; AWS's own variables move those files."),
  ambient: z
    .boolean()
    .default(false)
    .describe(
      "Takes credentials where AWS's own programs look: environment, container, instance role, web identity. Only then.",
    ),
  assumeRole: z
    .strictObject({
      roleArn: roleArn.describe('Role to take on.'),
      externalId: z.string().min(2).max(1224).optional().describe('External id that the role asks for.'),
      sessionName: z
        .string()
        .regex(/^[\w+=,.@-]{2,64}$/, 'must be 2 to 64 letters, digits or any of _+=,.@-')
        .default('claviger')
        .describe('Name of the session, as CloudTrail shows it.'),
      endpoint: address.optional().describe('Address of STS, where it is not the one of the region.'),
    })
    .optional()
    .describe('A role that is taken on with the credentials above; renewed before it expires.'),
  fips: z.boolean().default(false).describe("Calls the region's FIPS endpoint."),
  grantTokens: z
    .array(z.string().min(1).max(8192))
    .max(GRANT_TOKENS_MAX)
    .default([])
    .describe('Grant tokens, sent with each call that takes them.'),
  multiRegion: z.boolean().default(false).describe('New keys are multi-Region keys, which can be replicated.'),
  deletionDays: z
    .int()
    .min(DELETION_DAYS_MIN)
    .max(DELETION_DAYS_MAX)
    .default(DELETION_DAYS_MAX)
    .describe('Days between the destruction of a key and its end; until then it can be restored.'),
});

export const awsKmsSchema = fields.superRefine((config, context) => {
  const sources = [config.credentials !== undefined, config.profile !== undefined, config.ambient];
  if (sources.filter(Boolean).length !== 1) {
    context.addIssue({
      code: 'custom',
      path: ['credentials'],
      message: 'say where credentials come from: give one of `credentials`, `profile` and `ambient: true`',
    });
  }
  for (const path of [['endpoint'], ['assumeRole', 'endpoint']]) {
    const given = path.length === 1 ? config.endpoint : config.assumeRole?.endpoint;
    if (given === undefined || config.allowHttp || isConfidential(given)) continue;
    context.addIssue({
      code: 'custom',
      path,
      message: 'must begin with https://; plain HTTP is for loopback addresses, or with `allowHttp`',
    });
  }
  if (config.fips && config.endpoint !== undefined) {
    context.addIssue({
      code: 'custom',
      path: ['fips'],
      message: '`fips` chooses the endpoint, so it does not go with `endpoint`; name the FIPS endpoint there instead',
    });
  }
});

export type AwsKmsConfig = z.output<typeof awsKmsSchema>;
