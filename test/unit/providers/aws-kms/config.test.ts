import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { awsKmsSchema } from '../../../../src/providers/aws-kms/index.ts';

const CREDENTIALS = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret' };
const BASE = { name: 'aws-main', kind: 'aws-kms', region: 'eu-west-1' };

/** Paths and messages of what is wrong. */
function faults(more: object): string[] {
  const { error } = awsKmsSchema.safeParse({ ...BASE, ...more });
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('the configuration of AWS KMS', () => {
  test('has defaults for all but the region and the credentials', () => {
    const config = awsKmsSchema.parse({ ...BASE, credentials: CREDENTIALS });
    const { fips, ambient, multiRegion, deletionDays, grantTokens, timeoutMs } = config;
    assert.deepEqual(
      { fips, ambient, multiRegion, deletionDays, grantTokens, timeoutMs },
      { fips: false, ambient: false, multiRegion: false, deletionDays: 30, grantTokens: [], timeoutMs: 2000 },
    );
  });

  test('says where credentials come from, and says it once', () => {
    const told =
      'credentials: say where credentials come from: give one of `credentials`, `profile` and `ambient: true`';
    assert.deepEqual(faults({}), [told]);
    assert.deepEqual(faults({ ambient: false }), [told]);
    assert.deepEqual(faults({ credentials: CREDENTIALS, profile: 'main' }), [told]);
    assert.deepEqual(faults({ profile: 'main', ambient: true }), [told]);
    for (const one of [{ credentials: CREDENTIALS }, { profile: 'main' }, { ambient: true }]) {
      assert.deepEqual(faults(one), []);
    }
  });

  test('takes regions, and endpoints of http and https', () => {
    for (const region of ['eu-west-1', 'us-gov-east-1', 'ap-southeast-7', 'eusc-de-east-1', 'us-isob-east-1']) {
      assert.deepEqual(faults({ region, ambient: true }), []);
    }
    for (const region of ['', 'europe', 'eu-west', 'EU-WEST-1', 'eu-west-1/', 'eu-west-1.evil']) {
      assert.match(faults({ region, ambient: true })[0] ?? '', /^region: must be a region/);
    }
    assert.deepEqual(faults({ endpoint: 'http://127.0.0.1:5000', ambient: true }), []);
    for (const endpoint of ['ftp://host', 'host', 'file:///etc/passwd', '']) {
      assert.match(faults({ endpoint, ambient: true })[0] ?? '', /^endpoint: /);
    }
  });

  test('takes plain HTTP for this machine, and elsewhere only where it is said', () => {
    for (const endpoint of [
      'http://127.0.0.1:5000',
      'http://localhost:5000',
      'http://[::1]:5000',
      'https://kms.example',
    ]) {
      assert.deepEqual(faults({ endpoint, ambient: true }), []);
    }
    for (const endpoint of ['http://moto:5000', 'http://10.0.0.1', 'http://127.evil.org']) {
      assert.match(faults({ endpoint, ambient: true })[0] ?? '', /^endpoint: must begin with https/);
      assert.deepEqual(faults({ endpoint, ambient: true, allowHttp: true }), []);
    }
    const assumeRole = { roleArn: 'arn:aws:iam::111122223333:role/x', endpoint: 'http://sts.example' };
    assert.match(faults({ ambient: true, assumeRole })[0] ?? '', /^assumeRole.endpoint: must begin with https/);
    assert.match(faults({ endpoint: 'https://user:word@kms.example', ambient: true })[0] ?? '', /no user/);
  });

  test('has either FIPS or an endpoint', () => {
    assert.deepEqual(faults({ fips: true, ambient: true }), []);
    assert.match(faults({ fips: true, endpoint: 'https://kms.example', ambient: true })[0] ?? '', /^fips: /);
  });

  test('waits 7 to 30 days before a key is deleted', () => {
    for (const deletionDays of [7, 30]) assert.deepEqual(faults({ deletionDays, ambient: true }), []);
    for (const deletionDays of [6, 31, 7.5]) {
      assert.match(faults({ deletionDays, ambient: true })[0] ?? '', /^deletionDays: /);
    }
  });

  test('takes the role by its ARN', () => {
    const roleArn = 'arn:aws:iam::111122223333:role/team/claviger';
    assert.deepEqual(faults({ ambient: true, assumeRole: { roleArn } }), []);
    const { assumeRole } = awsKmsSchema.parse({ ...BASE, ambient: true, assumeRole: { roleArn } });
    assert.deepEqual(assumeRole, { roleArn, sessionName: 'claviger' });
    for (const other of ['claviger', 'arn:aws:iam::1:role/x', 'arn:aws:iam::111122223333:user/x']) {
      assert.match(faults({ ambient: true, assumeRole: { roleArn: other } })[0] ?? '', /^assumeRole.roleArn: /);
    }
  });

  test('takes at most ten grant tokens, as AWS does', () => {
    assert.deepEqual(faults({ ambient: true, grantTokens: Array(10).fill('t') }), []);
    assert.match(faults({ ambient: true, grantTokens: Array(11).fill('t') })[0] ?? '', /^grantTokens: /);
  });

  test('knows its fields', () => {
    assert.match(faults({ ambient: true, retries: 5 })[0] ?? '', /Unrecognized key: "retries"/);
  });

  test('marks its secrets', () => {
    const { credentials } = awsKmsSchema.shape;
    const { secretAccessKey, sessionToken, accessKeyId } = credentials.unwrap().shape;
    assert.equal(secretAccessKey.meta()?.['secret'], true);
    assert.equal(sessionToken.unwrap().meta()?.['secret'], true);
    assert.equal(accessKeyId.meta()?.['secret'], undefined);
  });
});
