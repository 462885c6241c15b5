import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ClavigerError } from '../../../src/errors.ts';
import { closedError, endedError, lateError } from '../../../src/providers/ended.ts';

const LATE = new DOMException('The operation timed out', 'TimeoutError');

describe('a call that was ended', () => {
  test('has the error of whoever ended it, as it is', () => {
    const own = new ClavigerError('THROTTLED', 'enough');
    assert.equal(endedError('aws', own), own);
  });

  test('is PROVIDER_TIMEOUT where its time was over, with the native code of its provider', () => {
    const { code, native, cause, message } = endedError('aws', LATE, 'TimeoutError');
    assert.deepEqual([code, cause], ['PROVIDER_TIMEOUT', LATE]);
    assert.deepEqual(native, { provider: 'aws', code: 'TimeoutError', requestId: null });
    assert.equal(message, 'provider `aws` did not answer in time');
  });

  test('is CANCELED for every other reason', () => {
    const aborted = AbortSignal.abort().reason as unknown;
    for (const reason of [
      aborted,
      new DOMException('gone', 'AbortError'),
      new Error('TimeoutError'),
      'gone',
      undefined,
    ]) {
      const { code, cause } = endedError('aws', reason);
      assert.deepEqual([code, cause], ['CANCELED', reason]);
    }
  });
});

test('a late call without a signal, and a closed provider, say whose they are', () => {
  const native = { provider: 'hsm', code: null, requestId: null };
  assert.deepEqual([lateError('hsm').code, lateError('hsm').native], ['PROVIDER_TIMEOUT', native]);
  assert.deepEqual([closedError('hsm').code, closedError('hsm').native], ['PROVIDER_UNAVAILABLE', native]);
  assert.equal(closedError('hsm', 'CLOSED').native?.code, 'CLOSED');
  assert.equal(closedError('hsm').message, 'provider `hsm` is closed');
});
