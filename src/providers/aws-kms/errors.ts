/**
 * What AWS KMS says when it does not do what it was asked, and what it means here: one table.
 *
 * The words of an error are ours, because AWS's name accounts, principals and sometimes what was sent; AWS's own error is
 * the cause.
 *
 * @module
 * @see https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
 */
import { ClavigerError, invalidCiphertext, type ErrorCode, type Reason } from '../../errors.ts';

interface Row {
  readonly code: ErrorCode;
  readonly reason?: Reason;
}

const DENIED: Row = { code: 'PROVIDER_DENIED' };
const UNAVAILABLE: Row = { code: 'PROVIDER_UNAVAILABLE' };
const THROTTLED: Row = { code: 'THROTTLED' };
const STATE: Row = { code: 'KEY_STATE' };
const MISCONFIGURED: Row = { code: 'PROVIDER_MISCONFIGURED' };
const DOES_NOT_OPEN: Row = { code: 'INVALID_CIPHERTEXT' };

/** AWS's exception → ours. */
export const EXCEPTIONS: ReadonlyMap<string, Row> = new Map(
  Object.entries({
    // The key.
    DisabledException: { code: 'KEY_DISABLED' },
    KMSInvalidStateException: STATE,
    NotFoundException: { code: 'KEY_NOT_FOUND' },
    InvalidKeyUsageException: { code: 'KEY_USAGE' },
    InvalidCiphertextException: DOES_NOT_OPEN,
    // A ciphertext of another key: which of the two is wrong is nobody's business.
    IncorrectKeyException: DOES_NOT_OPEN,
    UnsupportedOperationException: { code: 'UNSUPPORTED' },
    AlreadyExistsException: { code: 'KEY_EXISTS' },
    ConflictException: { code: 'CONFLICT' },
    LimitExceededException: { code: 'LIMIT_EXCEEDED' },

    // What was sent.
    ValidationException: { code: 'INVALID_ARGUMENT' },
    ValidationError: { code: 'INVALID_ARGUMENT' },
    SerializationException: { code: 'INVALID_ARGUMENT' },
    InvalidArnException: { code: 'INVALID_ARGUMENT', reason: 'InvalidArn' },
    TagException: { code: 'INVALID_ARGUMENT', reason: 'Tag' },
    IncorrectKeyMaterialException: { code: 'INVALID_ARGUMENT', reason: 'IncorrectKeyMaterial' },
    ExpiredImportTokenException: { code: 'INVALID_ARGUMENT', reason: 'ExpiredImportToken' },
    InvalidImportTokenException: { code: 'INVALID_ARGUMENT', reason: 'InvalidImportToken' },
    DryRunOperationException: { code: 'DRY_RUN' },

    // Our credentials, of KMS and of STS.
    AccessDeniedException: DENIED,
    AccessDenied: DENIED,
    NotAuthorized: DENIED,
    UnrecognizedClientException: DENIED,
    InvalidClientTokenId: DENIED,
    InvalidSignatureException: DENIED,
    SignatureDoesNotMatch: DENIED,
    IncompleteSignature: DENIED,
    IncompleteSignatureException: DENIED,
    MissingAuthenticationToken: DENIED,
    MissingAuthenticationTokenException: DENIED,
    ExpiredToken: DENIED,
    ExpiredTokenException: DENIED,
    RequestExpired: DENIED,
    OptInRequired: DENIED,
    InvalidGrantTokenException: DENIED,
    CredentialsProviderError: MISCONFIGURED,
    TokenProviderError: MISCONFIGURED,
    RegionDisabledException: MISCONFIGURED,
    UnknownOperationException: MISCONFIGURED,

    // The service.
    ThrottlingException: THROTTLED,
    Throttling: THROTTLED,
    RequestLimitExceeded: THROTTLED,
    TooManyRequestsException: THROTTLED,
    // KMS waited for something else of AWS's, and the call may have been done.
    DependencyTimeoutException: { code: 'PROVIDER_TIMEOUT' },
    KeyUnavailableException: UNAVAILABLE,
    KMSInternalException: UNAVAILABLE,
    InternalFailure: UNAVAILABLE,
    InternalFailureException: UNAVAILABLE,
    InternalServerError: UNAVAILABLE,
    ServiceUnavailable: UNAVAILABLE,
    ServiceUnavailableException: UNAVAILABLE,
    CloudHsmClusterInvalidConfigurationException: UNAVAILABLE,
    CustomKeyStoreInvalidStateException: UNAVAILABLE,
    CustomKeyStoreNotFoundException: UNAVAILABLE,
  } satisfies Record<string, Row>),
);

const WORDS: Readonly<Partial<Record<ErrorCode, string>>> = {
  KEY_DISABLED: 'the key is disabled there',
  KEY_STATE: 'the key is pending deletion, waits for its material, or its key store is disconnected',
  KEY_NOT_FOUND: 'there is no such key',
  KEY_USAGE: 'the key is not for that',
  KEY_EXISTS: 'it is there already',
  CONFLICT: 'something else changes the key at the same time',
  LIMIT_EXCEEDED: 'a quota of the account is used up',
  UNSUPPORTED: 'the key or the service cannot do that',
  INVALID_ARGUMENT: 'an argument is not as it should be',
  DRY_RUN: 'it was asked for a dry run',
  PROVIDER_DENIED: 'our credentials are refused, or may not do that',
  PROVIDER_MISCONFIGURED: 'credentials or endpoint are not as the configuration says; run `claviger doctor`',
  PROVIDER_UNAVAILABLE: 'it cannot be reached, or has failed',
  PROVIDER_TIMEOUT: 'it took too long',
  THROTTLED: 'there are too many requests',
};

/** Native code of what is no answer of KMS's. */
const UNREADABLE = 'unreadable answer';

/** What an SDK's error may have, whatever it is. */
interface Thrown {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown; readonly requestId?: unknown };
  readonly $response?: { readonly statusCode?: unknown };
}

/** Anything that AWS's client throws, as an error of the one table. */
export function kmsError(provider: string, operation: string, thrown: unknown): ClavigerError {
  if (thrown instanceof ClavigerError) return thrown;
  const error = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Thrown;
  const status = numberOf(error.$metadata?.httpStatusCode) ?? numberOf(error.$response?.statusCode);
  const { code, reason } = rowOf(error, status);
  return newError(provider, operation, code, {
    ...(reason === undefined ? {} : { reason }),
    code: nativeCode(error, status),
    requestId: textOf(error.$metadata?.requestId),
    cause: thrown,
  });
}

/** KMS has answered, and wrongly: of another key, or what no such key gives. No other home is asked in its place. */
export function integrityError(provider: string, operation: string, what: string): ClavigerError {
  const words = `the answer of provider \`${provider}\` to ${operation} is not to be believed: ${what}`;
  return new ClavigerError('PROVIDER_INTEGRITY', words, {
    native: { provider, code: `integrity: ${what}`, requestId: null },
  });
}

/** What came is no answer of KMS's: a part that every answer has is not there. Another home may be asked. */
export function unreadableError(provider: string, operation: string, what: string): ClavigerError {
  const words = `what came from provider \`${provider}\` is no answer to ${operation}: ${what}`;
  return new ClavigerError('PROVIDER_UNAVAILABLE', words, {
    native: { provider, code: UNREADABLE, requestId: null },
  });
}

/** The key with this id has another ARN: a server that looks at the id alone does not know the one that was meant. */
export function anotherArn(provider: string, arn: string): ClavigerError {
  return new ClavigerError('KEY_NOT_FOUND', `provider \`${provider}\` knows no key of exactly the name \`${arn}\``, {
    native: { provider, code: 'another ARN', requestId: null },
  });
}

/** What opened, and should not have: the ciphertext's fault. */
export function foreignCiphertext(provider: string): ClavigerError {
  return newError(provider, '', 'INVALID_CIPHERTEXT', { code: 'integrity: opened by another key', requestId: null });
}

interface Told {
  readonly code: string | null;
  readonly requestId: string | null;
  readonly reason?: Reason;
  readonly cause?: unknown;
}

function newError(
  provider: string,
  operation: string,
  ours: ErrorCode,
  { code, requestId, ...more }: Told,
): ClavigerError {
  const words =
    ours === 'INVALID_CIPHERTEXT'
      ? invalidCiphertext().message
      : `provider \`${provider}\` does not ${operation}: ${WORDS[ours] ?? 'it refuses'}`;
  return new ClavigerError(ours, words, { native: { provider, code, requestId }, ...more });
}

function rowOf(error: Thrown, status: number | null): Row {
  const name = textOf(error.name) ?? '';
  const message = textOf(error.message) ?? '';
  // AWS uses this exception for both, by operation.
  if (name === 'DisabledException' && /pending/i.test(message)) return STATE;
  // Said of a ciphertext that names a key which is not there: somebody has changed it, and our credentials are fine.
  if (name === 'AccessDeniedException' && /^the ciphertext refers to/i.test(message)) return DOES_NOT_OPEN;
  // Our clock was wrong; AWS's client has learned the time from this answer, and the next call has it right.
  if (CLOCK_EXCEPTIONS.has(name) && CLOCK_WORDS.test(message)) return UNAVAILABLE;
  const known = EXCEPTIONS.get(name);
  if (known !== undefined) return known;
  return status === null || status < 400 || !isWhole(error) ? UNAVAILABLE : rowOfStatus(status);
}

/** A connection that ended within an answer has its status too, and what it would have said is not known. */
function isWhole(error: Thrown): boolean {
  return '$fault' in error || error instanceof SyntaxError;
}

/** Said of a request whose time is too far from AWS's. */
const CLOCK_EXCEPTIONS: ReadonlySet<string> = new Set([
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'RequestExpired',
  'RequestTimeTooSkewed',
]);
const CLOCK_WORDS = /expired|not yet current|too skewed/i;

/** For what has a status and no name that we know: whatever stands between us and KMS. */
function rowOfStatus(status: number): Row {
  if (status === 429) return THROTTLED;
  if (status === 401 || status === 403) return DENIED;
  if (status === 501) return { code: 'UNSUPPORTED' };
  return status >= 500 ? UNAVAILABLE : MISCONFIGURED;
}

/** The exception; the error of the network; the status, where the answer is no exception of AWS's. */
function nativeCode(error: Thrown, status: number | null): string | null {
  const name = textOf(error.name);
  if (status === null || !isWhole(error)) return textOf(error.code) ?? name;
  if (status < 400) return UNREADABLE;
  const isUnnamed = error instanceof SyntaxError || name === null || name === 'UnknownError';
  return isUnnamed ? `HTTP ${status}` : name;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
