/**
 * The operations of AWS KMS that we use, as an interface of our own, and AWS's client behind it.
 *
 * One client for each provider, with connections that are kept. It never tries again: that is decided elsewhere, with the
 * whole request in view. It reads nothing of the environment: each setting that AWS's client would look up is given.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type * as Sdk from '@aws-sdk/client-kms';
import { ClavigerError } from '../../errors.ts';
import { loadPackages } from '../packages.ts';
import type { AwsKmsConfig } from './config.ts';
import { openCredentials } from './credentials.ts';
import { NOTHING_AMBIENT } from './sdk.ts';

/** Ends a call. */
export interface HttpOptions {
  readonly abortSignal: AbortSignal;
}

type Call<Input, Output> = (input: Input, http: HttpOptions) => Promise<Output>;

export interface KmsClient {
  readonly encrypt: Call<Sdk.EncryptCommandInput, Sdk.EncryptCommandOutput>;
  readonly decrypt: Call<Sdk.DecryptCommandInput, Sdk.DecryptCommandOutput>;
  readonly reEncrypt: Call<Sdk.ReEncryptCommandInput, Sdk.ReEncryptCommandOutput>;
  readonly generateDataKey: Call<Sdk.GenerateDataKeyCommandInput, Sdk.GenerateDataKeyCommandOutput>;
  readonly generateRandom: Call<Sdk.GenerateRandomCommandInput, Sdk.GenerateRandomCommandOutput>;
  readonly sign: Call<Sdk.SignCommandInput, Sdk.SignCommandOutput>;
  readonly generateMac: Call<Sdk.GenerateMacCommandInput, Sdk.GenerateMacCommandOutput>;
  readonly deriveSharedSecret: Call<Sdk.DeriveSharedSecretCommandInput, Sdk.DeriveSharedSecretCommandOutput>;
  readonly decapsulate: Call<Sdk.DecapsulateCommandInput, Sdk.DecapsulateCommandOutput>;
  readonly getPublicKey: Call<Sdk.GetPublicKeyCommandInput, Sdk.GetPublicKeyCommandOutput>;
  readonly describeKey: Call<Sdk.DescribeKeyCommandInput, Sdk.DescribeKeyCommandOutput>;
  readonly listKeys: Call<Sdk.ListKeysCommandInput, Sdk.ListKeysCommandOutput>;
  readonly createKey: Call<Sdk.CreateKeyCommandInput, Sdk.CreateKeyCommandOutput>;
  readonly replicateKey: Call<Sdk.ReplicateKeyCommandInput, Sdk.ReplicateKeyCommandOutput>;
  readonly enableKey: Call<Sdk.EnableKeyCommandInput, Sdk.EnableKeyCommandOutput>;
  readonly disableKey: Call<Sdk.DisableKeyCommandInput, Sdk.DisableKeyCommandOutput>;
  readonly scheduleKeyDeletion: Call<Sdk.ScheduleKeyDeletionCommandInput, Sdk.ScheduleKeyDeletionCommandOutput>;
  readonly cancelKeyDeletion: Call<Sdk.CancelKeyDeletionCommandInput, Sdk.CancelKeyDeletionCommandOutput>;
  readonly getParametersForImport: Call<
    Sdk.GetParametersForImportCommandInput,
    Sdk.GetParametersForImportCommandOutput
  >;
  readonly importKeyMaterial: Call<Sdk.ImportKeyMaterialCommandInput, Sdk.ImportKeyMaterialCommandOutput>;
  readonly tagResource: Call<Sdk.TagResourceCommandInput, Sdk.TagResourceCommandOutput>;
  /** Ends the connections. */
  destroy(): void;
}

/** An idle connection is given up after this time, sooner than a load balancer does, which would reset a request. */
const IDLE_MS = 20_000;

/** The longest answers that we ask for, a public key or an import token in base64, have some 10,000. */
const ANSWER_BYTES_MAX = 65_536;

/**
 * A client, without a call.
 *
 * @throws PROVIDER_MISCONFIGURED where a package or a file is missing
 */
export async function openClient(config: AwsKmsConfig): Promise<KmsClient> {
  const { KMS } = await loadPackages(config.name, ['@aws-sdk/client-kms'], () => import('@aws-sdk/client-kms'));
  const { region, endpoint, fips } = config;
  const pool = { keepAlive: true, maxSockets: config.maxConcurrent, timeout: IDLE_MS };
  return new KMS({
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    useFipsEndpoint: fips,
    credentials: await openCredentials(config),
    maxAttempts: 1,
    requestHandler: {
      httpAgent: new HttpAgent(pool),
      httpsAgent: new HttpsAgent({ ...pool, ...(await authorities(config)) }),
    },
    streamCollector: wholeAnswer,
    ...NOTHING_AMBIENT,
  });
}

/** @throws Error for an answer that is longer than any of ours, which is not read to its end */
async function wholeAnswer(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of stream) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw Object.assign(new Error('it does not end'), { code: 'ANSWER_TOO_LONG' });
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function authorities({ name, caFile }: AwsKmsConfig): Promise<{ readonly ca?: Buffer }> {
  if (caFile === undefined) return {};
  try {
    return { ca: await readFile(caFile) };
  } catch (cause) {
    throw new ClavigerError(
      'PROVIDER_MISCONFIGURED',
      `cannot read \`caFile\` of provider \`${name}\`: ${(cause as Error).message}`,
      { cause },
    );
  }
}
