/**
 * Errors of Cloud KMS and of its library → the codes of our table.
 *
 * The service answers with a gRPC status, often with details (`google.rpc.PreconditionFailure`, `ErrorInfo`). What state
 * a version is in stands in the details, and in the words `is not enabled, current state is: DISABLED`; emulators have
 * the words alone, if those.
 *
 * @module
 * @see https://cloud.google.com/kms/docs/error-codes
 * @see https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
 */
import { ClavigerError, invalidCiphertext, type ErrorCode } from '../../errors.ts';

/** Native code of an answer that is not what was asked for, or that was changed on its way. */
export const INTEGRITY = 'INTEGRITY';
/** Native code of what is no answer of the service's. */
export const UNREADABLE = 'UNREADABLE';

const STATUS_NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;
type Status = (typeof STATUS_NAMES)[number];

interface Row {
  readonly code: ErrorCode;
  /** After `provider \`name\``. */
  readonly words: string;
}

const UNAVAILABLE: Row = { code: 'PROVIDER_UNAVAILABLE', words: 'cannot be reached, or failed by itself' };
const DENIED: Row = {
  code: 'PROVIDER_DENIED',
  words: 'refused our credentials; look at their roles in Google Cloud, and whether the Cloud KMS API is enabled',
};
const STATE: Row = { code: 'KEY_STATE', words: 'has the key in a state in which it cannot be used' };
const DISABLED: Row = { code: 'KEY_DISABLED', words: 'has the key disabled' };

const BY_STATUS: Readonly<Record<Status, Row>> = {
  OK: UNAVAILABLE,
  CANCELLED: UNAVAILABLE,
  UNKNOWN: UNAVAILABLE,
  INVALID_ARGUMENT: { code: 'INVALID_ARGUMENT', words: 'takes no such input for this key' },
  DEADLINE_EXCEEDED: { code: 'PROVIDER_TIMEOUT', words: 'did not answer in time' },
  NOT_FOUND: { code: 'KEY_NOT_FOUND', words: 'has no such key' },
  ALREADY_EXISTS: { code: 'KEY_EXISTS', words: 'has a key of this name' },
  PERMISSION_DENIED: DENIED,
  RESOURCE_EXHAUSTED: { code: 'THROTTLED', words: 'takes no more requests for now: a quota is used up' },
  FAILED_PRECONDITION: STATE,
  ABORTED: { code: 'CONFLICT', words: 'was changing the key at the same time' },
  OUT_OF_RANGE: { code: 'INVALID_ARGUMENT', words: 'takes no such input for this key' },
  UNIMPLEMENTED: { code: 'UNSUPPORTED', words: 'has no such operation' },
  INTERNAL: UNAVAILABLE,
  UNAVAILABLE,
  DATA_LOSS: UNAVAILABLE,
  UNAUTHENTICATED: DENIED,
};

/** Of `FAILED_PRECONDITION`: what the version is, by the type of the violation or by the service's words. */
const BY_STATE: readonly (readonly [RegExp, Row])[] = [
  [/^KEY_DISABLED$|current state is: DISABLED\b/, DISABLED],
  [/API has not been used|API is disabled|^SERVICE_DISABLED$/, DENIED],
];

/** The service's own check of our bytes: `The checksum in field plaintext_crc32c did not match the data in …`. */
const CHECKSUM = /checksum|crc32c/i;
/** A server may have wrapped the true status into another one, as servers in Go do that pass on an error's text. */
const WRAPPED = /rpc error: code = (?<code>[A-Za-z]+) desc = /;
/** What does not open, in the words of servers that have another status for it than `INVALID_ARGUMENT`. */
const UNOPENED = /cipher ?text|decrypt(?:ion)? failed|failed to decrypt|authentication failed/i;
const UNOPENED_STATUSES: ReadonlySet<Status> = new Set(['FAILED_PRECONDITION', 'INTERNAL', 'UNKNOWN', 'OUT_OF_RANGE']);
/** Google's library asks for a token before each call; what goes wrong there is told in words. */
const NO_TOKEN = /^(?:\d+ [A-Z_]+: )?Getting metadata from plugin failed/;
const NETWORK =
  /ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|socket hang up|network|timed? ?out|\b50[0-9]\b/i;
/** Whatever answered speaks HTTP, but not gRPC. */
const FOREIGN = /^(?:\d+ [A-Z_]+: )?Received HTTP status code (?!40[13])/;
/** The library's own refusal of an answer, which has the status of a quota. */
const TOO_LONG = /Received message larger than max/;

export interface Circumstances {
  readonly provider: string;
  /** True for calls that open a ciphertext: what is wrong with their input is wrong with the ciphertext. */
  readonly opens: boolean;
}

/** The service's error, in our words. */
export function fromService(error: unknown, { provider, opens }: Circumstances): ClavigerError {
  const { status, details, violations } = readError(error);
  const native = { provider, code: [status, ...violations].join('/'), requestId: null };
  const fail = ({ code, words }: Row): ClavigerError =>
    new ClavigerError(code, `provider \`${provider}\` ${words}`, { cause: error, native });

  if (FOREIGN.test(details)) return fail(UNAVAILABLE);
  if (TOO_LONG.test(details)) return unreadableError(provider, 'it is longer than any answer of the service', error);
  if (NO_TOKEN.test(details)) return fail(NETWORK.test(details) ? UNAVAILABLE : DENIED);
  if (status === 'INVALID_ARGUMENT' && CHECKSUM.test(details)) {
    return integrityError(provider, 'the request was changed on its way', error);
  }
  if (opens && (status === 'INVALID_ARGUMENT' || (UNOPENED_STATUSES.has(status) && UNOPENED.test(details)))) {
    return new ClavigerError('INVALID_CIPHERTEXT', invalidCiphertext().message, { cause: error, native });
  }
  if (status !== 'FAILED_PRECONDITION') return fail(BY_STATUS[status]);
  const row = BY_STATE.find(([pattern]) => [details, ...violations].some((text) => pattern.test(text)))?.[1];
  return fail(row ?? STATE);
}

/** An answer that fails its check, and must not be used. No other home is asked in its place. */
export function integrityError(provider: string, what: string, cause?: unknown): ClavigerError {
  return new ClavigerError(
    'PROVIDER_INTEGRITY',
    `provider \`${provider}\` gave an answer that fails its integrity check, and it was thrown away: ${what}`,
    { native: { provider, code: INTEGRITY, requestId: null }, ...(cause === undefined ? {} : { cause }) },
  );
}

/** What came is no answer of the service's, as far as we know it. Another home may be asked. */
export function unreadableError(provider: string, what: string, cause?: unknown): ClavigerError {
  return new ClavigerError(
    'PROVIDER_UNAVAILABLE',
    `what came from provider \`${provider}\` cannot be read as an answer: ${what}`,
    { native: { provider, code: UNREADABLE, requestId: null }, ...(cause === undefined ? {} : { cause }) },
  );
}

interface ServiceError {
  readonly status: Status;
  /** The service's words. */
  readonly details: string;
  /** Types of the violations, and the reason of an `ErrorInfo`. */
  readonly violations: readonly string[];
}

/** Reads what the library throws, which has a type of its own, or none. */
function readError(error: unknown): ServiceError {
  const { code, message, details, statusDetails, reason } = Object(error) as Readonly<Record<string, unknown>>;
  const words = [details, message].find((text) => typeof text === 'string') ?? String(error);
  const outer = (typeof code === 'number' ? STATUS_NAMES[code] : undefined) ?? 'UNKNOWN';
  return {
    status: outer === 'INTERNAL' || outer === 'UNKNOWN' ? (wrappedStatus(words) ?? outer) : outer,
    details: words,
    violations: [...violationsOf(statusDetails), ...(typeof reason === 'string' && reason !== '' ? [reason] : [])],
  };
}

/** `InvalidArgument` in words → `INVALID_ARGUMENT`. */
function wrappedStatus(words: string): Status | undefined {
  const code = WRAPPED.exec(words)?.groups?.['code'];
  const name = code?.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
  return STATUS_NAMES.find((status) => status === name);
}

function violationsOf(details: unknown): readonly string[] {
  if (!Array.isArray(details)) return [];
  return details
    .flatMap((detail: unknown) => (Object(detail) as { readonly violations?: unknown }).violations ?? [])
    .map((violation: unknown) => (Object(violation) as { readonly type?: unknown }).type)
    .filter((type) => typeof type === 'string' && /^[A-Z_]{1,64}$/.test(type)) as readonly string[];
}
