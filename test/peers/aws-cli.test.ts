/** The AWS CLI against our endpoint: what it prints, and how it ends where we refuse. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test, type TestContext } from 'node:test';
import { askVerifier, requirePeer } from '../../tools/peers/require.ts';
import { run, type Ran } from '../../tools/run.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { base64, kmsClient, newKey } from './aws-support.ts';

/** How version 1 of the CLI ends where the service refused; version 2 ends with 254. */
const REFUSED_CODE = 255;

let server: TestServer;
let folder: string;

before(async () => {
  server = await startTestServer();
  folder = await mkdtemp(join(tmpdir(), 'claviger-aws-cli-'));
});
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

interface Cli {
  /** Runs `aws kms …` to its end, whatever that is. */
  readonly ends: (args: string, env?: Readonly<Record<string, string>>) => Promise<Ran>;
  /** Runs it and gives what it printed, parsed; null where it printed nothing. */
  readonly answers: (args: string) => Promise<Record<string, any> | null>;
}

/** The AWS CLI with our endpoint and credentials; null where the test has been skipped. */
async function awsCli(t: TestContext): Promise<Cli | null> {
  const python = await requirePeer(t, 'python');
  if (python === null) return null;
  const credentials = {
    AWS_ACCESS_KEY_ID: server.awsAccessKeyId,
    AWS_SECRET_ACCESS_KEY: server.awsSecretAccessKey,
    AWS_DEFAULT_REGION: server.region,
    // Nothing of the machine that runs the test.
    AWS_CONFIG_FILE: join(folder, 'none'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_PAGER: '',
  };
  const ends: Cli['ends'] = (args, env = {}) =>
    run(python.aws, ['kms', ...args.split(' '), '--endpoint-url', server.endpoint, '--output', 'json'], {
      cwd: folder,
      env: { ...credentials, ...env },
      timeoutMs: 60_000,
    });
  return {
    ends,
    answers: async (args) => {
      const { ok, stdout, output } = await ends(args);
      assert.ok(ok, output);
      return stdout === '' ? null : (JSON.parse(stdout) as Record<string, any>);
    },
  };
}

suite('aws kms', () => {
  test('create-key, create-alias and list-aliases', async (t) => {
    const cli = await awsCli(t);
    if (cli === null) return;
    const { KeyMetadata: key } = (await cli.answers(
      'create-key --description orders --tags TagKey=team,TagValue=shop',
    ))!;
    assert.equal(key.Arn, `arn:aws:kms:${server.region}:${server.accountId}:key/${key.KeyId}`);
    assert.equal(key.Description, 'orders');
    assert.ok(Math.abs(key.CreationDate - Date.now() / 1000) < 60);
    assert.equal(await cli.answers(`create-alias --alias-name alias/orders --target-key-id ${key.KeyId}`), null);
    const { Aliases } = (await cli.answers('list-aliases'))!;
    assert.deepEqual(
      Aliases.map((alias: Record<string, string>) => [alias['AliasName'], alias['TargetKeyId']]),
      [['alias/orders', key.KeyId]],
    );
    const { Tags } = (await cli.answers('list-resource-tags --key-id alias/orders'))!;
    assert.deepEqual(Tags, [{ TagKey: 'team', TagValue: 'shop' }]);
  });

  test('encrypt and decrypt a file, with an encryption context', async (t) => {
    const cli = await awsCli(t);
    if (cli === null) return;
    const { KeyId, Arn } = await newKey(kmsClient(server));
    const plaintext = Buffer.from('\x00\xffbytes', 'latin1');
    await writeFile(join(folder, 'plain'), plaintext);
    const made = (await cli.answers(
      `encrypt --key-id ${KeyId} --plaintext fileb://plain --encryption-context shop=1,cart=42`,
    ))!;
    assert.equal(made['KeyId'], Arn);
    await writeFile(join(folder, 'blob'), Buffer.from(made['CiphertextBlob'], 'base64'));
    const decrypt = 'decrypt --ciphertext-blob fileb://blob --encryption-context';
    const opened = (await cli.answers(`${decrypt} cart=42,shop=1`))!;
    assert.deepEqual(opened, { KeyId: Arn, Plaintext: base64(plaintext), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' });
    const refused = await cli.ends(`${decrypt} cart=43,shop=1`);
    assert.equal(refused.code, REFUSED_CODE);
    assert.match(refused.output, /An error occurred \(InvalidCiphertextException\) when calling the Decrypt operation/);
  });

  test('generate-data-key', async (t) => {
    const cli = await awsCli(t);
    if (cli === null) return;
    const { KeyId } = await newKey(kmsClient(server));
    const made = (await cli.answers(`generate-data-key --key-id ${KeyId} --key-spec AES_256`))!;
    assert.equal(Buffer.from(made['Plaintext'], 'base64').length, 32);
    await writeFile(join(folder, 'data-key'), Buffer.from(made['CiphertextBlob'], 'base64'));
    const opened = (await cli.answers('decrypt --ciphertext-blob fileb://data-key'))!;
    assert.equal(opened['Plaintext'], made['Plaintext']);
  });

  test('sign, verify and get-public-key, and Python verifies too', async (t) => {
    const [cli, python] = [await awsCli(t), await requirePeer(t, 'python')];
    if (cli === null || python === null) return;
    const { KeyMetadata: key } = (await cli.answers('create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY'))!;
    await writeFile(join(folder, 'message'), 'order 17');
    const named = `--key-id ${key.KeyId} --message fileb://message --signing-algorithm ECDSA_SHA_256`;
    const [signed, shown] = await Promise.all([
      cli.answers(`sign ${named}`),
      cli.answers(`get-public-key --key-id ${key.KeyId}`),
    ]);
    assert.equal(shown!['KeySpec'], 'ECC_NIST_P256');
    const question = {
      alg: 'ECDSA_SHA_256',
      publicKeySpkiBase64: shown!['PublicKey'],
      messageBase64: base64(await readFile(join(folder, 'message'))),
      signatureBase64: signed!['Signature'],
    };
    assert.deepEqual(await askVerifier(python.verifier, [question]), [{ valid: true }]);
    const signature = Buffer.from(signed!['Signature'], 'base64');
    await writeFile(join(folder, 'signature'), signature);
    const verified = (await cli.answers(`verify ${named} --signature fileb://signature`))!;
    assert.equal(verified['SignatureValid'], true);
    await writeFile(join(folder, 'wrong'), signature.with(9, signature[9]! ^ 1));
    const refused = await cli.ends(`verify ${named} --signature fileb://wrong`);
    assert.equal(refused.code, REFUSED_CODE);
    assert.match(refused.output, /\(KMSInvalidSignatureException\) when calling the Verify operation: the signature/);
  });

  test('list-keys and list-aliases page by page', async (t) => {
    const cli = await awsCli(t);
    if (cli === null) return;
    const kms = kmsClient(server);
    const { KeyId } = await newKey(kms);
    for (const name of ['a', 'b', 'c']) await kms.createAlias({ AliasName: `alias/cli/${name}`, TargetKeyId: KeyId });
    const [keys, aliases, cut] = await Promise.all([
      cli.answers('list-keys --page-size 2'),
      cli.answers(`list-aliases --page-size 2 --key-id ${KeyId}`),
      cli.answers(`list-aliases --max-items 1 --key-id ${KeyId}`),
    ]);
    assert.ok(keys!['Keys'].some((key: Record<string, string>) => key['KeyId'] === KeyId));
    assert.equal(aliases!['Aliases'].length, 3);
    assert.equal(cut!['Aliases'].length, 1);
    const rest = (await cli.answers(`list-aliases --key-id ${KeyId} --starting-token ${cut!['NextToken']}`))!;
    assert.equal(rest['Aliases'].length, 2);
  });
});

suite('where we refuse, aws kms', () => {
  const unknown = '01900000-0000-7000-8000-000000000000';
  const refusals: readonly (readonly [string, string, RegExp, Readonly<Record<string, string>>?])[] = [
    ['an unknown key', `describe-key --key-id ${unknown}`, /\(NotFoundException\) when calling the DescribeKey/],
    ['a malformed ARN', 'describe-key --key-id arn:aws:s3:::x', /\(InvalidArnException\)/],
    ['what is not supported', 'list-retirable-grants --retiring-principal x', /\(UnsupportedOperationException\)/],
    [
      'a wrong secret',
      'list-keys',
      /\(InvalidSignatureException\).*check the secret access key/,
      { AWS_SECRET_ACCESS_KEY: 'x'.repeat(40) },
    ],
    [
      'an unknown access key',
      'list-keys',
      /\(UnrecognizedClientException\).*check the access key id/,
      { AWS_ACCESS_KEY_ID: 'CLAVAAAABBBBCCCCDDDD' },
    ],
    [
      'another region',
      'list-keys',
      /\(InvalidSignatureException\).*region `us-east-1`, not `eu-west-9`; set the client's region/,
      { AWS_DEFAULT_REGION: 'eu-west-9' },
    ],
  ];
  for (const [what, args, told, env] of refusals) {
    test(`says so and ends with an error for ${what}`, async (t) => {
      const cli = await awsCli(t);
      if (cli === null) return;
      const { code, stdout, output } = await cli.ends(args, env);
      assert.equal(code, REFUSED_CODE, output);
      assert.equal(stdout, '');
      assert.match(output, told);
    });
  }
});
