/**
 * Official clients of the AWS Encryption SDK, for tests: JavaScript in this process, Python in one of its own.
 *
 * @module
 */
import { join } from 'node:path';
import { buildClient, CommitmentPolicy, KmsKeyringNode, type KeyringNode } from '@aws-crypto/client-node';
import { KMS } from '@aws-sdk/client-kms';
import type { EncryptionContext } from '../../src/model/encryption-context.ts';
import type { EsdkPaths } from '../../tools/peers/esdk.ts';
import { mustRun, ROOT } from '../../tools/run.ts';

/** Where a KMS is, and who asks it. */
export interface Kms {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export const official: ReturnType<typeof buildClient> = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);

/** The official KMS keyring for JavaScript: one key, or discovery within accounts. */
export function kmsKeyring(
  { endpoint, region, credentials }: Kms,
  which: { readonly keys: readonly string[] } | { readonly accountIds: readonly string[] },
): KeyringNode {
  // The client is AWS's own; its types say of absent fields what ours may not.
  const clientProvider = (): never => new KMS({ endpoint, region, credentials: { ...credentials } }) as never;
  if ('accountIds' in which) {
    const discoveryFilter = { accountIDs: [...which.accountIds], partition: 'aws' };
    return new KmsKeyringNode({ clientProvider, discovery: true, discoveryFilter });
  }
  const [generatorKeyId, ...keyIds] = which.keys as [string];
  return new KmsKeyringNode({ clientProvider, generatorKeyId, keyIds });
}

/** One thing for Python to do. */
export type Job = {
  readonly keyring: object;
  readonly data: Uint8Array;
} & (
  | { readonly do: 'decrypt' }
  | { readonly do: 'encrypt'; readonly context: EncryptionContext; readonly frame?: number; readonly suite?: string }
);

export type JobAnswer = { readonly data: Buffer; readonly context: EncryptionContext } | { readonly error: string };

/** A KMS as the jobs of Python have it. */
export function serviceOf({ endpoint, region, credentials }: Kms): object {
  return { endpoint, region, ...credentials };
}

/** Has Python do a list of jobs. Nothing of this machine's AWS settings reaches it. */
export async function pythonDoes(esdk: EsdkPaths, jobs: readonly Job[]): Promise<readonly JobAnswer[]> {
  const input = JSON.stringify(
    jobs.map((job) => ({
      frame: 4096,
      suite: 'AES_256_GCM_HKDF_SHA512_COMMIT_KEY',
      ...job,
      data: Buffer.from(job.data).toString('base64'),
    })),
  );
  const nowhere = join(ROOT, 'none');
  const env = {
    AWS_CONFIG_FILE: nowhere,
    AWS_SHARED_CREDENTIALS_FILE: nowhere,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_DEFAULT_REGION: 'us-east-1',
  };
  const { stdout } = await mustRun(esdk.python, [join(ROOT, 'test/peers/esdk_jobs.py')], {
    input,
    env,
    timeoutMs: 120_000,
  });
  return (JSON.parse(stdout) as ({ data: string; context: EncryptionContext } | { error: string })[]).map((answer) =>
    'error' in answer ? answer : { ...answer, data: Buffer.from(answer.data, 'base64') },
  );
}
