import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KMS } from '@aws-sdk/client-kms';
import { openClient } from '../../../../src/providers/aws-kms/client.ts';
import { awsKmsSchema } from '../../../../src/providers/aws-kms/index.ts';

const BASE = { name: 'aws-main', kind: 'aws-kms', region: 'eu-west-1' };

async function open(more: object): Promise<KMS> {
  return (await openClient(awsKmsSchema.parse({ ...BASE, ...more }))) as KMS;
}

describe("AWS's client", () => {
  const credentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret' };

  test('makes one attempt', async () => {
    const client = await open({ credentials });
    assert.equal(await client.config.maxAttempts(), 1);
    client.destroy();
  });

  test('calls the FIPS endpoint where it is told to', async () => {
    for (const [fips, host] of [
      [true, 'kms-fips.eu-west-1.amazonaws.com'],
      [false, 'kms.eu-west-1.amazonaws.com'],
    ] as const) {
      const client = await open({ credentials, fips });
      const { config } = client;
      const [Region, UseFIPS, UseDualStack] = await Promise.all([
        config.region(),
        config.useFipsEndpoint(),
        config.useDualstackEndpoint(),
      ]);
      assert.equal(config.endpointProvider({ Region, UseFIPS, UseDualStack }).url.hostname, host);
      client.destroy();
    }
  });

  test('writes nothing into the configuration', async () => {
    const config = awsKmsSchema.parse({ ...BASE, credentials });
    const before = structuredClone(config);
    const client = (await openClient(config)) as KMS;
    await client.config.credentials();
    assert.deepEqual(config, before);
    client.destroy();
  });
});
