/**
 * The adapter for AWS KMS.
 *
 * @module
 */
import type { Adapter } from '../adapter.ts';
import { openClient } from './client.ts';
import { awsKmsSchema, type AwsKmsConfig } from './config.ts';
import { AwsKmsProvider } from './provider.ts';

export { AwsKmsProvider } from './provider.ts';
export { awsKmsSchema, type AwsKmsConfig } from './config.ts';

export const awsKms: Adapter<AwsKmsConfig> = {
  kind: 'aws-kms',
  schema: awsKmsSchema,
  open: async (config, ports) => new AwsKmsProvider(await openClient(config), config, ports),
};
