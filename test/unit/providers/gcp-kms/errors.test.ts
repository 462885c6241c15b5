import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ClavigerError, ErrorCode } from '../../../../src/errors.ts';
import { fromService, INTEGRITY, UNREADABLE } from '../../../../src/providers/gcp-kms/errors.ts';

interface Told {
  readonly code: number;
  readonly details: string;
  readonly statusDetails?: readonly unknown[];
  readonly reason?: string;
}

function map(error: unknown, opens = false): ClavigerError {
  return fromService(error, { provider: 'gcp', opens });
}

function told(told: Told): Error {
  return Object.assign(new Error(`${told.code}: ${told.details}`), told);
}

const VERSION = 'projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1';

describe('errors of Cloud KMS', () => {
  test('the state of a key is read from the type of the violation', () => {
    const of = (type: string): ErrorCode =>
      map(told({ code: 9, details: 'no words', statusDetails: [{ violations: [{ type, subject: VERSION }] }] })).code;
    assert.equal(of('KEY_DISABLED'), 'KEY_DISABLED');
    assert.equal(of('KEY_DESTROYED'), 'KEY_STATE');
    assert.equal(of('KEY_DESTROY_SCHEDULED'), 'KEY_STATE');
    assert.equal(of('KEY_PENDING_GENERATION'), 'KEY_STATE');
    assert.equal(of('SOMETHING_NEW'), 'KEY_STATE');
  });

  test('or from the words alone', () => {
    const of = (state: string): ErrorCode =>
      map(told({ code: 9, details: `${VERSION} is not enabled, current state is: ${state}.` })).code;
    assert.equal(of('DISABLED'), 'KEY_DISABLED');
    assert.equal(of('DESTROYED'), 'KEY_STATE');
    assert.equal(of('DESTROY_SCHEDULED'), 'KEY_STATE');
  });

  test('a type that is no type of Google is not repeated', () => {
    const statusDetails = [{ violations: [{ type: 'KEY_DISABLED' }, { type: 'a\nline' }, { type: 7 }, null] }, null, 7];
    const { native } = map(told({ code: 9, details: '', statusDetails }));
    assert.equal(native?.code, 'FAILED_PRECONDITION/KEY_DISABLED');
  });

  test('an API that is not enabled is a matter of our credentials', () => {
    const details = 'Google Cloud KMS API has not been used in this project before, or it is disabled.';
    assert.equal(map(told({ code: 9, details })).code, 'PROVIDER_DENIED');
    assert.equal(map(told({ code: 7, details, reason: 'SERVICE_DISABLED' })).code, 'PROVIDER_DENIED');
  });

  test('what does not open is INVALID_CIPHERTEXT where a ciphertext is opened, and nowhere else', () => {
    const details = 'Decryption failed: the ciphertext is invalid.';
    assert.equal(map(told({ code: 3, details }), true).code, 'INVALID_CIPHERTEXT');
    assert.equal(map(told({ code: 3, details })).code, 'INVALID_ARGUMENT');
    // Of servers that are not Google's.
    for (const [code, words] of [
      [13, 'decrypt failed: cipher: message authentication failed'],
      [13, 'failed to decrypt with any key version'],
      [9, 'ciphertext was encrypted with a different crypto key'],
      [13, 'rpc error: code = InvalidArgument desc = invalid payload'],
    ] as const) {
      assert.equal(map(told({ code, details: words }), true).code, 'INVALID_CIPHERTEXT', words);
    }
    assert.equal(map(told({ code: 13, details: 'Internal error.' }), true).code, 'PROVIDER_UNAVAILABLE');
    const disabled = `${VERSION} is not enabled, current state is: DISABLED.`;
    assert.equal(map(told({ code: 9, details: disabled }), true).code, 'KEY_DISABLED');
  });

  test('a refusal that a server wrapped into another error is a refusal still', () => {
    const of = (code: string): ErrorCode =>
      map(told({ code: 13, details: `rpc error: code = ${code} desc = no` })).code;
    assert.equal(of('PermissionDenied'), 'PROVIDER_DENIED');
    assert.equal(of('NotFound'), 'KEY_NOT_FOUND');
    assert.equal(of('Whatever'), 'PROVIDER_UNAVAILABLE');
  });

  test('a checksum that the service found wrong is an integrity failure', () => {
    const details = 'The checksum in field ciphertext_crc32c did not match the data in field ciphertext.';
    const error = map(told({ code: 3, details }), true);
    assert.deepEqual([error.code, error.native?.code], ['PROVIDER_INTEGRITY', INTEGRITY]);
  });

  test('an answer of any length is none', () => {
    const error = map(told({ code: 8, details: 'Received message larger than max (9 vs 8)' }));
    assert.deepEqual([error.code, error.native?.code], ['PROVIDER_UNAVAILABLE', UNREADABLE]);
  });

  test('credentials that give no token are refused ones, unless the network is at fault', () => {
    const of = (why: string): ErrorCode =>
      map(told({ code: 2, details: `Getting metadata from plugin failed with error: ${why}` })).code;
    assert.equal(of('invalid_grant: account not found'), 'PROVIDER_DENIED');
    assert.equal(of('getaddrinfo EAI_AGAIN oauth2.googleapis.com'), 'PROVIDER_UNAVAILABLE');
    assert.equal(of('Request failed with status code 503'), 'PROVIDER_UNAVAILABLE');
  });

  test('whatever answered without gRPC is not the service', () => {
    assert.equal(map(told({ code: 12, details: 'Received HTTP status code 404' })).code, 'PROVIDER_UNAVAILABLE');
    assert.equal(map(told({ code: 7, details: 'Received HTTP status code 403' })).code, 'PROVIDER_DENIED');
  });

  test('anything thrown has a code', () => {
    for (const thrown of [null, undefined, 7, 'text', {}, new Error('x'), { code: 99 }, { code: 'ECONNRESET' }]) {
      assert.equal(map(thrown).code, 'PROVIDER_UNAVAILABLE');
    }
  });
});
