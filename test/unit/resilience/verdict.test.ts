import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClavigerError, ERRORS, type ErrorCode } from '../../../src/errors.ts';
import { verdictOf } from '../../../src/resilience/index.ts';
import { canceledBy, healthSignOf, mayFailOver, mayRetry, speaksOfProvider } from '../../../src/resilience/verdict.ts';

const CODES = Object.keys(ERRORS) as ErrorCode[];

function error(code: ErrorCode): ClavigerError {
  return new ClavigerError(code, 'test');
}

test('what somebody meant by a refusal, or what failed its check, is never tried elsewhere, nor again', () => {
  const meant = ['INVALID_CIPHERTEXT', 'KEY_DISABLED', 'KEY_STATE', 'PERMISSION_DENIED', 'PROVIDER_DENIED'] as const;
  for (const code of [...meant, 'PROVIDER_INTEGRITY'] as const) {
    assert.equal(verdictOf(error(code)), 'refusal', code);
    for (const idempotent of [true, false]) {
      assert.equal(mayFailOver(error(code), idempotent), false, code);
      assert.equal(mayRetry(error(code), idempotent), false, code);
    }
  }
});

test('only a throttled, unreachable or silent provider is failed over, and the silent one for idempotent calls only', () => {
  assert.deepEqual(
    CODES.filter((code) => mayFailOver(error(code), true)),
    ['THROTTLED', 'PROVIDER_UNAVAILABLE', 'PROVIDER_TIMEOUT'],
  );
  assert.deepEqual(
    CODES.filter((code) => mayFailOver(error(code), false)),
    ['THROTTLED', 'PROVIDER_UNAVAILABLE'],
  );
});

test('the verdict is the disposition of the table, for every code', () => {
  for (const code of CODES) {
    const { disposition } = ERRORS[code];
    const isFinal = disposition === 'fatal' || disposition === 'pending';
    assert.equal(verdictOf(error(code)), isFinal ? 'refusal' : disposition, code);
    assert.equal(mayRetry(error(code), true), !isFinal, code);
  }
});

test('a refusal is a sign of health; a throttle is none of illness; our own faults say nothing', () => {
  const signs = Object.groupBy(CODES, (code) => healthSignOf(error(code)));
  assert.deepEqual(signs.ill, ['PROVIDER_UNAVAILABLE', 'PROVIDER_TIMEOUT']);
  assert.deepEqual(signs.throttled, ['THROTTLED']);
  assert.deepEqual(signs.silent, ['PROVIDER_MISCONFIGURED', 'CANCELED', 'INTERNAL']);
});

test('an answer that failed its check says nothing against the health of its provider, and is told with it', () => {
  assert.equal(healthSignOf(error('PROVIDER_INTEGRITY')), 'well');
  assert.equal(speaksOfProvider(error('PROVIDER_INTEGRITY')), true);
});

test('a canceled call ends with the reason of its signal, where that is an error of ours', () => {
  const why = error('KEY_DISABLED');
  assert.equal(canceledBy(AbortSignal.abort(why)), why);
  assert.equal(canceledBy(AbortSignal.abort()).code, 'CANCELED');
});
