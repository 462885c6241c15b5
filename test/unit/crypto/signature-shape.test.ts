import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { isSignatureShaped } from '../../../src/crypto/signature-shape.ts';
import type { SigningAlgorithmName } from '../../../src/model/algorithm.ts';
import type { Spec } from '../../../src/model/spec.ts';

const CURVES: readonly [spec: Spec, curve: string, algorithm: SigningAlgorithmName][] = [
  ['P-256', 'prime256v1', 'ECDSA_SHA_256'],
  ['P-384', 'secp384r1', 'ECDSA_SHA_384'],
  ['P-521', 'secp521r1', 'ECDSA_SHA_512'],
  ['secp256k1', 'secp256k1', 'ECDSA_SHA_256'],
];

function isEcdsa(hex: string): boolean {
  return isSignatureShaped('P-256', 'ECDSA_SHA_256', Buffer.from(hex, 'hex'));
}

describe('the shape of a signature', () => {
  for (const [spec, namedCurve, algorithm] of CURVES) {
    test(`signatures of ${spec} have it, and lose it when they are cut or go on`, () => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve });
      // Short integers, and such with a zero before them, come by chance.
      for (let n = 0; n < 300; n++) {
        const signature = sign('sha256', Buffer.of(n & 0xff), privateKey);
        assert.ok(isSignatureShaped(spec, algorithm, signature), signature.toString('hex'));
        assert.ok(!isSignatureShaped(spec, algorithm, signature.subarray(0, -1)));
        assert.ok(!isSignatureShaped(spec, algorithm, Buffer.concat([signature, Buffer.of(0)])));
      }
    });
  }

  test('ECDSA is DER of two positive integers', () => {
    assert.ok(isEcdsa('3006020101020101'));
    assert.ok(isEcdsa('300702020080020101'));
    for (const [what, hex] of Object.entries({
      'r ‖ s': '11'.repeat(64),
      'one integer': '3003020101',
      'three integers': '3009020101020101020101',
      negative: '3006020181020101',
      'a zero too many': '300702020001020101',
      empty: '30050200020101',
      'a longer length than bytes': '3006020101020201',
      'another type': '3006040101020101',
      'longer than the order': `30${(2 + 33 + 3).toString(16)}0221${'01'.repeat(33)}020101`,
      nothing: '',
    })) {
      assert.ok(!isEcdsa(hex), what);
    }
  });

  test('others are as long as the scheme has it', () => {
    const lengths: readonly [Spec, SigningAlgorithmName, number][] = [
      ['RSA-2048', 'RSASSA_PSS_SHA_256', 256],
      ['RSA-3072', 'RSASSA_PKCS1_V1_5_SHA_512', 384],
      ['RSA-4096', 'RSASSA_PSS_SHA_512', 512],
      ['Ed25519', 'ED25519_SHA_512', 64],
      ['ML-DSA-44', 'ML_DSA_SHAKE_256', 2420],
      ['ML-DSA-65', 'ML_DSA_SHAKE_256', 3309],
      ['ML-DSA-87', 'ML_DSA_SHAKE_256', 4627],
    ];
    for (const [spec, algorithm, length] of lengths) {
      assert.ok(isSignatureShaped(spec, algorithm, Buffer.alloc(length)));
      for (const other of [0, length - 1, length + 1]) {
        assert.ok(!isSignatureShaped(spec, algorithm, Buffer.alloc(other)), `${spec}, ${other} bytes`);
      }
    }
  });
});
