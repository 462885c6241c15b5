import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as sdk from '@aws-sdk/client-kms';
import { ClavigerError, type ErrorCode } from '../../../../src/errors.ts';
import { EXCEPTIONS, kmsError } from '../../../../src/providers/aws-kms/errors.ts';

/** As AWS's client throws it: an exception of the service, or an error of the network, which has a code of its own. */
function thrown(name: string, status: number | undefined, message = 'told by AWS', code?: string): Error {
  const $metadata = { httpStatusCode: status, requestId: 'request-1' };
  const more = code === undefined ? { $fault: 'client' } : { code };
  return Object.assign(new Error(message), { name, $metadata, ...more });
}

/** Exceptions of operations that are none of ours. */
const NOT_OURS =
  /^(?:KMSServiceException|CloudHsm|CustomKeyStoreHasCMKs|CustomKeyStoreNameInUse|IncorrectTrustAnchor|Xks|InvalidMarker|InvalidGrantId|InvalidAliasName|KMSInvalid(?:Mac|Signature)|MalformedPolicyDocument)/;

describe('errors of AWS KMS', () => {
  test('have a row for every exception that our calls can end with', () => {
    const names = Object.keys(sdk).filter((name) => name.endsWith('Exception') && !NOT_OURS.test(name));
    assert.ok(names.length > 20);
    assert.deepEqual(
      names.filter((name) => !EXCEPTIONS.has(name)),
      [],
    );
  });

  test('become ours by name, with their code and request id, and themselves as the cause', () => {
    const cause = thrown('DisabledException', 400);
    const error = kmsError('aws-main', 'Encrypt', cause);
    assert.equal(error.code, 'KEY_DISABLED');
    assert.equal(error.message, 'provider `aws-main` does not Encrypt: the key is disabled there');
    assert.deepEqual(error.native, { provider: 'aws-main', code: 'DisabledException', requestId: 'request-1' });
    assert.equal(error.cause, cause);
  });

  test('never say what AWS said, which names principals and echoes what was sent', () => {
    for (const name of [...EXCEPTIONS.keys(), 'SomethingNewException']) {
      const error = kmsError('aws-main', 'Encrypt', thrown(name, 400, 'User: arn:aws:iam::1:user/x; Value `secret`'));
      assert.doesNotMatch(error.message, /arn:|secret/, name);
    }
  });

  const byNature: readonly [what: string, error: unknown, code: ErrorCode, native: string | null][] = [
    ['another key', thrown('IncorrectKeyException', 400), 'INVALID_CIPHERTEXT', 'IncorrectKeyException'],
    ['a disabled key', thrown('DisabledException', 400, 'arn is disabled.'), 'KEY_DISABLED', 'DisabledException'],
    ['deletion', thrown('DisabledException', 400, 'arn is pending deletion.'), 'KEY_STATE', 'DisabledException'],
    ['a state', thrown('KMSInvalidStateException', 400), 'KEY_STATE', 'KMSInvalidStateException'],
    ['no key', thrown('NotFoundException', 400), 'KEY_NOT_FOUND', 'NotFoundException'],
    [
      'a policy',
      thrown('AccessDeniedException', 400, 'User: x is not authorized'),
      'PROVIDER_DENIED',
      'AccessDeniedException',
    ],
    [
      'a ciphertext that names a key of nobody',
      thrown(
        'AccessDeniedException',
        400,
        'The ciphertext refers to a customer master key that does not exist, does …',
      ),
      'INVALID_CIPHERTEXT',
      'AccessDeniedException',
    ],
    [
      'an unknown access key',
      thrown('UnrecognizedClientException', 400),
      'PROVIDER_DENIED',
      'UnrecognizedClientException',
    ],
    ['a wrong secret', thrown('InvalidSignatureException', 403), 'PROVIDER_DENIED', 'InvalidSignatureException'],
    [
      'a clock that is slow',
      thrown(
        'InvalidSignatureException',
        400,
        'Signature expired: 20261126T000000Z is now earlier than 20261126T000500Z',
      ),
      'PROVIDER_UNAVAILABLE',
      'InvalidSignatureException',
    ],
    [
      'a clock that is fast',
      thrown('InvalidSignatureException', 400, 'Signature not yet current: 20261126T010000Z is still later than …'),
      'PROVIDER_UNAVAILABLE',
      'InvalidSignatureException',
    ],
    ['a cut refusal', thrown('Error', 400, 'aborted', 'ECONNRESET'), 'PROVIDER_UNAVAILABLE', 'ECONNRESET'],
    ['an old token', thrown('ExpiredTokenException', 400), 'PROVIDER_DENIED', 'ExpiredTokenException'],
    ['STS refuses', thrown('AccessDenied', 403), 'PROVIDER_DENIED', 'AccessDenied'],
    [
      'no credentials',
      thrown('CredentialsProviderError', undefined),
      'PROVIDER_MISCONFIGURED',
      'CredentialsProviderError',
    ],
    ['throttling', thrown('ThrottlingException', 400), 'THROTTLED', 'ThrottlingException'],
    ['throttling on the way', thrown('UnknownError', 429), 'THROTTLED', 'HTTP 429'],
    ['a quota', thrown('LimitExceededException', 400), 'LIMIT_EXCEEDED', 'LimitExceededException'],
    ['AWS waits', thrown('DependencyTimeoutException', 500), 'PROVIDER_TIMEOUT', 'DependencyTimeoutException'],
    ['AWS fails', thrown('KMSInternalException', 500), 'PROVIDER_UNAVAILABLE', 'KMSInternalException'],
    ['a key store is away', thrown('KeyUnavailableException', 500), 'PROVIDER_UNAVAILABLE', 'KeyUnavailableException'],
    ['a page of a proxy', thrown('UnknownError', 502), 'PROVIDER_UNAVAILABLE', 'HTTP 502'],
    ['a proxy that refuses', thrown('UnknownError', 403), 'PROVIDER_DENIED', 'HTTP 403'],
    ['no KMS at all', thrown('UnknownError', 404), 'PROVIDER_MISCONFIGURED', 'HTTP 404'],
    ['half a KMS', thrown('UnknownError', 501), 'UNSUPPORTED', 'HTTP 501'],
    ['something new', thrown('SomethingNewException', 400), 'PROVIDER_MISCONFIGURED', 'SomethingNewException'],
    ['something new of theirs', thrown('SomethingNewException', 500), 'PROVIDER_UNAVAILABLE', 'SomethingNewException'],
    [
      'an unreadable answer',
      Object.assign(new SyntaxError('<'), { $response: { statusCode: 200 } }),
      'PROVIDER_UNAVAILABLE',
      'unreadable answer',
    ],
    ['nobody listens', thrown('Error', undefined, '', 'ECONNREFUSED'), 'PROVIDER_UNAVAILABLE', 'ECONNREFUSED'],
    ['a reset', thrown('TimeoutError', undefined, '', 'ECONNRESET'), 'PROVIDER_UNAVAILABLE', 'ECONNRESET'],
    [
      'a wrong certificate',
      thrown('Error', undefined, '', 'CERT_HAS_EXPIRED'),
      'PROVIDER_UNAVAILABLE',
      'CERT_HAS_EXPIRED',
    ],
    ['a text', 'a text', 'PROVIDER_UNAVAILABLE', null],
    ['nothing', undefined, 'PROVIDER_UNAVAILABLE', null],
  ];
  for (const [what, error, code, native] of byNature) {
    test(`${what}: ${code}`, () => {
      const ours = kmsError('aws-main', 'Decrypt', error);
      assert.deepEqual([ours.code, ours.native?.code], [code, native]);
    });
  }

  test('of ours stay as they are', () => {
    const error = new ClavigerError('KEY_USAGE', 'it is ours');
    assert.equal(kmsError('aws-main', 'Sign', error), error);
  });
});
