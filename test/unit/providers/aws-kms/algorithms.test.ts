import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as sdk from '@aws-sdk/client-kms';
import { specRow } from '../../../../src/model/spec.ts';
import { CAPABILITIES, KMS_SPECS } from '../../../../src/providers/aws-kms/algorithms.ts';

describe('capabilities of AWS KMS', () => {
  test('are of the key specs and signing algorithms that AWS has, all but SM2 and Ed25519ph', () => {
    const specs = KMS_SPECS.map((spec) => specRow(spec).aws).toSorted();
    assert.deepEqual(
      specs,
      Object.values(sdk.KeySpec)
        .filter((spec) => spec !== 'SM2')
        .toSorted(),
    );
    const signing = new Set(CAPABILITIES.filter(({ operation }) => operation === 'sign').map((row) => row.algorithm));
    assert.deepEqual(
      [...signing].map(String).toSorted(),
      Object.values(sdk.SigningAlgorithmSpec)
        .filter((name) => name !== 'SM2DSA' && name !== 'ED25519_PH_SHA_512')
        .toSorted(),
    );
  });

  test('have the limits of AWS and of RSA-OAEP', () => {
    const limits = (operation: string, spec: string): (number | null)[] =>
      CAPABILITIES.filter((row) => row.operation === operation && row.spec === spec).map((row) => row.maxBytes);
    assert.deepEqual(limits('encrypt', 'AES-256-GCM'), [4096]);
    assert.deepEqual(limits('decrypt', 'AES-256-GCM'), [6144]);
    assert.deepEqual(limits('encrypt', 'RSA-2048'), [190, 214]);
    assert.deepEqual(limits('encrypt', 'RSA-4096'), [446, 470]);
    assert.deepEqual(limits('sign', 'P-384'), [4096, 48]);
    assert.deepEqual(limits('sign', 'Ed25519'), [4096]);
    assert.deepEqual(limits('sign', 'ML-DSA-65'), [4096, 64]);
    assert.deepEqual(limits('rotate', 'AES-256-GCM'), []);
  });
});
