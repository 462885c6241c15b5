/**
 * What a PKCS#11 module returned, as an error of ours, and what the supervisor does about it.
 *
 * @module
 */
import { ClavigerError, type ErrorCode } from '../../errors.ts';
import { CKR, returnName, type ReturnName } from './cryptoki.ts';

/**
 * - `reopen`: the session is gone or in a wrong state; a new one, then the same call.
 * - `lookup`: the handle is stale; the key is looked up again, then the same call.
 * - `other-host`: this process or its device has a trouble that another may not have.
 * - `restart`: the process has lost the library.
 * - `fatal`: the same call will fail again anywhere.
 */
export type RetryClass = 'reopen' | 'lookup' | 'other-host' | 'restart' | 'fatal';

const RETRIES: Readonly<Partial<Record<ReturnName, RetryClass>>> = {
  SESSION_HANDLE_INVALID: 'reopen',
  SESSION_CLOSED: 'reopen',
  USER_NOT_LOGGED_IN: 'reopen',
  OPERATION_ACTIVE: 'reopen',
  OBJECT_HANDLE_INVALID: 'lookup',
  KEY_HANDLE_INVALID: 'lookup',
  HOST_MEMORY: 'other-host',
  DEVICE_ERROR: 'other-host',
  DEVICE_MEMORY: 'other-host',
  DEVICE_REMOVED: 'other-host',
  TOKEN_NOT_PRESENT: 'other-host',
  TOKEN_NOT_RECOGNIZED: 'other-host',
  GENERAL_ERROR: 'other-host',
  FUNCTION_FAILED: 'other-host',
  FUNCTION_CANCELED: 'other-host',
  SESSION_COUNT: 'other-host',
  CRYPTOKI_NOT_INITIALIZED: 'restart',
};

const CLASSES: ReadonlyMap<number, RetryClass> = byNumber(RETRIES);

export function retryClass(value: number): RetryClass {
  return CLASSES.get(value) ?? 'fatal';
}

const CODES: Readonly<Record<ReturnName, ErrorCode>> = {
  HOST_MEMORY: 'PROVIDER_UNAVAILABLE',
  GENERAL_ERROR: 'PROVIDER_UNAVAILABLE',
  FUNCTION_FAILED: 'PROVIDER_UNAVAILABLE',
  ARGUMENTS_BAD: 'INVALID_ARGUMENT',
  ATTRIBUTE_READ_ONLY: 'UNSUPPORTED',
  ATTRIBUTE_TYPE_INVALID: 'UNSUPPORTED',
  ATTRIBUTE_VALUE_INVALID: 'UNSUPPORTED',
  ACTION_PROHIBITED: 'PROVIDER_DENIED',
  DATA_INVALID: 'INVALID_ARGUMENT',
  DATA_LEN_RANGE: 'INVALID_ARGUMENT',
  DEVICE_ERROR: 'PROVIDER_UNAVAILABLE',
  DEVICE_MEMORY: 'PROVIDER_UNAVAILABLE',
  DEVICE_REMOVED: 'PROVIDER_UNAVAILABLE',
  ENCRYPTED_DATA_INVALID: 'INVALID_CIPHERTEXT',
  ENCRYPTED_DATA_LEN_RANGE: 'INVALID_CIPHERTEXT',
  FUNCTION_CANCELED: 'PROVIDER_UNAVAILABLE',
  FUNCTION_NOT_SUPPORTED: 'UNSUPPORTED',
  KEY_HANDLE_INVALID: 'KEY_NOT_FOUND',
  KEY_SIZE_RANGE: 'UNSUPPORTED',
  KEY_TYPE_INCONSISTENT: 'KEY_USAGE',
  KEY_FUNCTION_NOT_PERMITTED: 'KEY_USAGE',
  MECHANISM_INVALID: 'UNSUPPORTED',
  MECHANISM_PARAM_INVALID: 'UNSUPPORTED',
  OBJECT_HANDLE_INVALID: 'KEY_NOT_FOUND',
  OPERATION_ACTIVE: 'PROVIDER_UNAVAILABLE',
  PIN_INCORRECT: 'PROVIDER_DENIED',
  PIN_INVALID: 'PROVIDER_DENIED',
  PIN_LEN_RANGE: 'PROVIDER_DENIED',
  PIN_EXPIRED: 'PROVIDER_DENIED',
  PIN_LOCKED: 'PROVIDER_DENIED',
  SESSION_CLOSED: 'PROVIDER_UNAVAILABLE',
  SESSION_COUNT: 'THROTTLED',
  SESSION_HANDLE_INVALID: 'PROVIDER_UNAVAILABLE',
  SESSION_READ_ONLY: 'PROVIDER_DENIED',
  TEMPLATE_INCOMPLETE: 'UNSUPPORTED',
  TEMPLATE_INCONSISTENT: 'UNSUPPORTED',
  TOKEN_NOT_PRESENT: 'PROVIDER_UNAVAILABLE',
  TOKEN_NOT_RECOGNIZED: 'PROVIDER_UNAVAILABLE',
  TOKEN_WRITE_PROTECTED: 'PROVIDER_DENIED',
  USER_ALREADY_LOGGED_IN: 'PROVIDER_UNAVAILABLE',
  USER_NOT_LOGGED_IN: 'PROVIDER_UNAVAILABLE',
  USER_PIN_NOT_INITIALIZED: 'PROVIDER_MISCONFIGURED',
  WRAPPED_KEY_INVALID: 'INVALID_CIPHERTEXT',
  WRAPPED_KEY_LEN_RANGE: 'INVALID_CIPHERTEXT',
  CRYPTOKI_NOT_INITIALIZED: 'PROVIDER_UNAVAILABLE',
};

const OUR_CODES: ReadonlyMap<number, ErrorCode> = byNumber(CODES);

/** What the words of a code add to "the token refused". */
const HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  PROVIDER_UNAVAILABLE: 'the token cannot do it now',
  PROVIDER_DENIED: 'the token refused the rights of its user',
  UNSUPPORTED: 'the token does not support this',
  KEY_USAGE: 'the key on the token is not made for this',
  KEY_NOT_FOUND: 'the token has no such key',
  INVALID_CIPHERTEXT: 'the ciphertext does not open',
  THROTTLED: 'the token has no free session',
};

/** A return value as an error of the table, with its own name as the native code. */
export function nativeError(
  provider: string,
  value: number,
  native: string,
  throttleCodes: readonly number[] = [],
): ClavigerError {
  const code = throttleCodes.includes(value) ? 'THROTTLED' : (OUR_CODES.get(value) ?? 'PROVIDER_UNAVAILABLE');
  const name = returnName(value);
  const hint = HINTS[code] ?? 'the token refused';
  return new ClavigerError(code, `${hint}: \`${name}\`${native === '' ? '' : ` of \`${native}\``}`, {
    native: { provider, code: name, requestId: null },
  });
}

/** An error of the process beside the library: it is gone, hangs, or cannot start. */
export function hostError(provider: string, code: ErrorCode, message: string, native: string): ClavigerError {
  return new ClavigerError(code, message, { native: { provider, code: native, requestId: null } });
}

/** The token gave what it cannot give, or made what it was not told to. No other home is asked in its place. */
export function integrityError(provider: string, message: string): ClavigerError {
  return hostError(provider, 'PROVIDER_INTEGRITY', message, 'INTEGRITY');
}

function byNumber<T>(rows: Readonly<Partial<Record<ReturnName, T>>>): ReadonlyMap<number, T> {
  return new Map(Object.entries(rows).map(([name, value]) => [CKR[name as ReturnName], value]));
}
