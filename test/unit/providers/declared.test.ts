import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Declared } from '../../../src/providers/declared.ts';

const declared = new Declared('one', [
  { operation: 'sign', spec: 'P-256', algorithm: 'ECDSA_SHA_256', input: 'message', maxBytes: 10 },
  { operation: 'sign', spec: 'P-256', algorithm: 'ECDSA_SHA_256', input: 'digest', maxBytes: null },
  { operation: 'sign', spec: 'Ed25519', algorithm: 'ED25519_SHA_512', input: 'message', maxBytes: null },
  { operation: 'wrap', spec: 'AES-256-GCM', maxBytes: 64 },
]);

test('what is declared passes, up to its limit', () => {
  declared.requireSign('P-256', 'ECDSA_SHA_256', { message: Buffer.alloc(10) });
  declared.requireSign('P-256', 'ECDSA_SHA_256', { digest: Buffer.alloc(32) });
  declared.requireSign('Ed25519', 'ED25519_SHA_512', { message: Buffer.alloc(100_000) });
  declared.require('wrap', 'AES-256-GCM', undefined, Buffer.alloc(64));
  assert.ok(declared.has('wrap', 'AES-256-GCM'));
});

test('what is not declared is refused by name', () => {
  assert.ok(!declared.has('mac', 'HMAC-SHA-256', 'HMAC_SHA_256'));
  assert.throws(() => declared.require('wrap', 'RSA-2048'), {
    code: 'UNSUPPORTED',
    message: 'provider `one` has no `wrap` by keys of spec `RSA-2048`',
  });
  assert.throws(() => declared.requireSign('Ed25519', 'ED25519_SHA_512', { digest: Buffer.alloc(64) }), {
    code: 'UNSUPPORTED',
    message: 'provider `one` has no `sign` of a digest with `ED25519_SHA_512` by keys of spec `Ed25519`',
  });
});

test('more than the limit, and a digest of another length, are refused', () => {
  assert.throws(() => declared.requireSign('P-256', 'ECDSA_SHA_256', { message: Buffer.alloc(11) }), {
    code: 'LIMIT_EXCEEDED',
    message:
      'provider `one`: `sign` of a message with `ECDSA_SHA_256` by keys of spec `P-256` takes at most 10 bytes, not 11',
  });
  assert.throws(() => declared.requireSign('P-256', 'ECDSA_SHA_256', { digest: Buffer.alloc(31) }), {
    code: 'INVALID_ARGUMENT',
    message: '`ECDSA_SHA_256` takes a digest of 32 bytes, not 31',
  });
});
