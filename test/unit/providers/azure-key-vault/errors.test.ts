import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ClavigerError } from '../../../../src/errors.ts';
import { azureError } from '../../../../src/providers/azure-key-vault/errors.ts';

interface Said {
  readonly code?: string;
  readonly message?: string;
  readonly inner?: string;
}

/** An error as Microsoft's client throws it for an answer. */
function answered(statusCode: number, said: Said | null): object {
  const error = said && {
    code: said.code,
    message: said.message,
    ...(said.inner === undefined ? {} : { innerError: { code: said.inner } }),
  };
  return Object.assign(new Error(said?.message ?? ''), {
    name: 'RestError',
    statusCode,
    code: said?.code,
    details: error === null ? {} : { error },
    request: { body: '{"value":"a-data-key"}', headers: { authorization: 'Bearer a-token' } },
    response: {
      headers: { get: (name: string) => (name === 'x-ms-request-id' ? 'r-1' : undefined) },
      bodyAsText: 'a-plaintext',
    },
  });
}

const FORBIDDEN = 'Forbidden';
const ROWS: readonly (readonly [status: number, said: Said | null, code: string])[] = [
  [400, { code: 'BadParameter' }, 'INVALID_ARGUMENT'],
  [401, { code: 'Unauthorized' }, 'PROVIDER_DENIED'],
  [403, { code: FORBIDDEN, inner: 'ForbiddenByRbac' }, 'PROVIDER_DENIED'],
  [403, { code: FORBIDDEN, inner: 'ForbiddenByFirewall' }, 'PROVIDER_DENIED'],
  [403, { code: FORBIDDEN, message: 'The user does not have keys sign permission.' }, 'PROVIDER_DENIED'],
  [403, { code: FORBIDDEN, inner: 'KeyDisabled' }, 'KEY_DISABLED'],
  // Without an inner code, as some emulators have it.
  [403, { code: FORBIDDEN, message: 'Operation sign is not allowed on a disabled key.' }, 'KEY_DISABLED'],
  [403, { code: FORBIDDEN, inner: 'KeyOperationForbidden' }, 'KEY_USAGE'],
  [403, { code: FORBIDDEN, message: 'Operation sign is not permitted on this key.' }, 'KEY_USAGE'],
  [403, { code: FORBIDDEN, message: 'Operation sign is not allowed on an expired key.' }, 'KEY_STATE'],
  [404, { code: 'KeyNotFound' }, 'KEY_NOT_FOUND'],
  [404, null, 'PROVIDER_MISCONFIGURED'],
  [302, null, 'PROVIDER_MISCONFIGURED'],
  [409, { code: 'Conflict', inner: 'ObjectIsDeletedButRecoverable' }, 'KEY_STATE'],
  [409, { code: 'Conflict', inner: 'ObjectIsBeingRecovered' }, 'KEY_STATE'],
  [409, { code: 'Conflict' }, 'CONFLICT'],
  [429, { code: 'Throttled' }, 'THROTTLED'],
  [500, { code: 'InternalServerError' }, 'PROVIDER_UNAVAILABLE'],
  [503, null, 'PROVIDER_UNAVAILABLE'],
];

test('each answer of the service has its code, with the native one beside it', () => {
  for (const [status, said, code] of ROWS) {
    const error = azureError('azure', answered(status, said), { opens: false });
    assert.equal(error.code, code, `${status} ${JSON.stringify(said)}`);
    assert.equal(error.native?.code ?? null, said?.inner ?? said?.code ?? null);
    assert.equal(error.native?.requestId, 'r-1');
  }
});

test('a refused parameter means that a ciphertext does not open, where one was to be opened', () => {
  const thrown = answered(400, { code: 'BadParameter', message: 'Error occurred while decoding OAEP padding.' });
  assert.equal(azureError('azure', thrown, { opens: true }).code, 'INVALID_CIPHERTEXT');
  const disabled = answered(403, { code: FORBIDDEN, inner: 'KeyDisabled' });
  assert.equal(azureError('azure', disabled, { opens: true }).code, 'KEY_DISABLED');
});

test('an error holds neither the request nor the answer', () => {
  const error = azureError('azure', answered(403, { code: FORBIDDEN }), { opens: true });
  const shown = inspect(error, { depth: 20, showHidden: true });
  for (const secret of ['a-data-key', 'a-token', 'a-plaintext']) assert.equal(shown.includes(secret), false, secret);
});

test('an answer that could not be read is not repeated', () => {
  const thrown = Object.assign(new Error('Error occurred while parsing the response body - a-plaintext.'), {
    code: 'PARSE_ERROR',
    statusCode: 200,
  });
  const error = azureError('azure', thrown, { opens: true });
  assert.equal(error.code, 'PROVIDER_UNAVAILABLE');
  assert.equal(inspect(error, { depth: 20 }).includes('a-plaintext'), false);
});

test('what the client stumbles over is no answer', () => {
  const error = azureError('azure', new TypeError('cannot read properties of undefined'), { opens: true });
  assert.deepEqual([error.code, error.native?.code], ['PROVIDER_UNAVAILABLE', 'unreadable']);
});

test('what did not reach the service is PROVIDER_UNAVAILABLE; a foreign challenge is a mistake of the configuration', () => {
  for (const code of [
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOTFOUND',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'REQUEST_SEND_ERROR',
  ])
    assert.equal(
      azureError('azure', Object.assign(new Error(code), { code }), { opens: true }).code,
      'PROVIDER_UNAVAILABLE',
    );
  const foreign = new Error("The challenge resource 'vault.azure.net' does not match the requested domain. Set …");
  assert.equal(azureError('azure', foreign, { opens: false }).code, 'PROVIDER_MISCONFIGURED');
});

test('an error of ours stays as it is', () => {
  const own = new ClavigerError('KEY_USAGE', 'no');
  assert.equal(azureError('azure', own, { opens: true }), own);
});
