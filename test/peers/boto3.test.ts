/** boto3 against our endpoint: the main operations, its paginators, and the exceptions as its own classes. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { requirePeer } from '../../tools/peers/require.ts';
import { run } from '../../tools/run.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;

before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

test('every claim of boto3_session.py holds', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const { ok, stdout, output } = await run(python.python, [join(import.meta.dirname, 'boto3_session.py')], {
    env: {
      AWS_ENDPOINT_URL_KMS: server.endpoint,
      AWS_ACCESS_KEY_ID: server.awsAccessKeyId,
      AWS_SECRET_ACCESS_KEY: server.awsSecretAccessKey,
      AWS_DEFAULT_REGION: server.region,
      AWS_CONFIG_FILE: join(tmpdir(), 'none'),
      AWS_SHARED_CREDENTIALS_FILE: join(tmpdir(), 'none'),
      AWS_EC2_METADATA_DISABLED: 'true',
      CLAVIGER_ACCOUNT_ID: server.accountId,
    },
    timeoutMs: 120_000,
  });
  assert.ok(ok, output);
  const claims = stdout.trimEnd().split('\n');
  assert.equal(claims.at(-1), 'done');
});
