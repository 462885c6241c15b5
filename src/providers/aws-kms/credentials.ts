/**
 * Where the credentials come from: an access key, a profile, the surroundings; and a role taken on with them.
 *
 * @module
 */
import type { KMSClientConfig } from '@aws-sdk/client-kms';
import type * as Providers from '@aws-sdk/credential-providers';
import { loadPackages } from '../packages.ts';
import type { AwsKmsConfig } from './config.ts';
import { NOTHING_AMBIENT } from './sdk.ts';

type Credentials = NonNullable<KMSClientConfig['credentials']>;

/** Of temporary credentials, AWS's client asks for new ones some minutes before they end. */
export async function openCredentials(config: AwsKmsConfig): Promise<Credentials> {
  const { assumeRole, region, timeoutMs } = config;
  const own = await ownCredentials(config);
  if (assumeRole === undefined) return own;
  const { fromTemporaryCredentials } = await loadProviders(config.name);
  return fromTemporaryCredentials({
    masterCredentials: own,
    params: {
      RoleArn: assumeRole.roleArn,
      RoleSessionName: assumeRole.sessionName,
      ...(assumeRole.externalId === undefined ? {} : { ExternalId: assumeRole.externalId }),
    },
    clientConfig: {
      region,
      ...(assumeRole.endpoint === undefined ? {} : { endpoint: assumeRole.endpoint }),
      useFipsEndpoint: config.fips,
      maxAttempts: 1,
      requestHandler: { requestTimeout: timeoutMs, connectionTimeout: timeoutMs, throwOnRequestTimeout: true },
      ...NOTHING_AMBIENT,
    },
  });
}

async function ownCredentials({ name, credentials, profile, region }: AwsKmsConfig): Promise<Credentials> {
  if (credentials !== undefined) {
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  }
  const { fromIni, fromNodeProviderChain } = await loadProviders(name);
  const clientConfig = { region };
  return profile === undefined ? fromNodeProviderChain({ clientConfig }) : fromIni({ profile, clientConfig });
}

function loadProviders(provider: string): Promise<typeof Providers> {
  return loadPackages(provider, ['@aws-sdk/credential-providers'], () => import('@aws-sdk/credential-providers'));
}
