/**
 * Every kind of provider that can be configured.
 *
 * @module
 */
import { z } from 'zod';
import { ClavigerError } from '../errors.ts';
import type { ProviderPorts } from './adapter.ts';
import { awsKmsSchema } from './aws-kms/config.ts';
import { awsKms } from './aws-kms/index.ts';
import { azureKeyVaultSchema } from './azure-key-vault/config.ts';
import { azureKeyVault } from './azure-key-vault/index.ts';
import { fakeSchema } from './fake/config.ts';
import { fake } from './fake/index.ts';
import { gcpKmsSchema } from './gcp-kms/config.ts';
import { gcpKms } from './gcp-kms/index.ts';
import { pemSchema } from './pem/config.ts';
import { pem } from './pem/index.ts';
import { pkcs11Schema } from './pkcs11/config.ts';
import { pkcs11 } from './pkcs11/index.ts';
import type { Provider } from './provider.ts';
import { vaultTransitSchema } from './vault-transit/config.ts';
import { vaultTransit } from './vault-transit/index.ts';

/** The one table of adapters, by kind. */
const ADAPTERS = {
  'aws-kms': awsKms,
  'azure-key-vault': azureKeyVault,
  'gcp-kms': gcpKms,
  'vault-transit': vaultTransit,
  pkcs11,
  pem,
  fake,
} as const;

export const providerConfig = z.discriminatedUnion('kind', [
  awsKmsSchema,
  azureKeyVaultSchema,
  gcpKmsSchema,
  vaultTransitSchema,
  pkcs11Schema,
  pemSchema,
  fakeSchema,
]);

export type ProviderConfig = z.output<typeof providerConfig>;

/**
 * Opens a configured provider.
 *
 * @throws PROVIDER_MISCONFIGURED
 */
export async function openProvider(config: ProviderConfig, ports: ProviderPorts): Promise<Provider> {
  try {
    return await ADAPTERS[config.kind].open(config as never, ports);
  } catch (cause) {
    if (cause instanceof ClavigerError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ClavigerError('PROVIDER_MISCONFIGURED', `cannot open provider \`${config.name}\`: ${why}`, { cause });
  }
}
