import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isAwsHost, requireKeyArn, requireReference } from '../../../../src/providers/aws-kms/arn.ts';

const REGION = 'eu-west-1';
const ID = '1234abcd-12ab-34cd-56ef-1234567890ab';
const MULTI = 'mrk-1234abcd12ab34cd56ef1234567890ab';
const ARN = `arn:aws:kms:${REGION}:111122223333:key/${ID}`;

describe('a reference to a key of AWS KMS', () => {
  test('is an id, a key ARN, an alias or an alias ARN', () => {
    const good = [
      ID,
      MULTI,
      ARN,
      `arn:aws:kms:${REGION}:111122223333:key/${MULTI}`,
      'alias/orders',
      'alias/aws/s3',
      'alias/a_b-C/9',
      `arn:aws:kms:${REGION}:111122223333:alias/orders`,
      `arn:aws-cn:kms:${REGION}:111122223333:key/${ID}`,
      `arn:aws-us-gov:kms:${REGION}:111122223333:alias/orders`,
    ];
    for (const reference of good) assert.equal(requireReference(reference, REGION), reference);
  });

  test('is nothing else', () => {
    const bad = [
      '',
      ' ',
      '\0',
      'orders',
      'alias/',
      'alias/a b',
      `alias/${'x'.repeat(251)}`,
      `${ID} `,
      `\n${ID}`,
      ID.slice(1),
      ID.toUpperCase(),
      `arn:aws:kms:${REGION}:111122223333:key/${ID}/x`,
      `arn:aws:kms:${REGION}:111122223333:key/alias/orders`,
      `arn:aws:kms:${REGION}:111122223333:alias/key/../x`,
      `arn:aws:kms:${REGION}:1111:key/${ID}`,
      `arn:aws:s3:${REGION}:111122223333:key/${ID}`,
      `arn:aws:kms::111122223333:key/${ID}`,
      `arn:evil:kms:${REGION}:111122223333:key/${ID}`,
      `kms://aws-main/${ID}`,
      'x'.repeat(100_000),
    ];
    for (const reference of bad) {
      assert.throws(() => requireReference(reference, REGION), { code: 'INVALID_ARGUMENT' }, reference.slice(0, 100));
    }
  });

  test('is of any region where the server is not AWS', () => {
    const arn = 'arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555';
    assert.equal(requireReference(arn, null), arn);
    assert.equal(requireKeyArn(arn, null).arn, arn);
  });

  test('is of the region of the provider', () => {
    for (const resource of [`key/${ID}`, 'alias/orders']) {
      assert.throws(() => requireReference(`arn:aws:kms:us-east-1:111122223333:${resource}`, REGION), {
        code: 'INVALID_ARGUMENT',
        message: /is in region `us-east-1`, and this provider is of `eu-west-1`$/,
      });
    }
  });

  test('stays the same only as a key ARN', () => {
    assert.deepEqual(requireKeyArn(ARN, REGION), { arn: ARN, keyId: ID });
    for (const other of [ID, 'alias/orders', ARN.replace(`key/${ID}`, 'alias/orders')]) {
      assert.throws(() => requireKeyArn(other, REGION), { code: 'INVALID_ARGUMENT', message: /resolve it first$/ });
    }
  });

  test('an error shows no more than the beginning of it', () => {
    assert.throws(
      () => requireReference('x'.repeat(10_000), REGION),
      (error: Error) => error.message.length < 400,
    );
  });
});

describe('a host of AWS', () => {
  test('is one by its domain', () => {
    for (const host of ['kms.eu-west-1.amazonaws.com', 'vpce-1.kms.eu-west-1.vpce.amazonaws.com', 'kms.x.api.aws']) {
      assert.ok(isAwsHost(host), host);
    }
    for (const host of ['127.0.0.1', 'amazonaws.com.evil.org', 'evilamazonaws.com', 'localhost']) {
      assert.ok(!isAwsHost(host), host);
    }
  });
});
