/**
 * What Azure and its client throw → our codes.
 *
 * The service answers `{ error: { code, message, innererror: { code } } }`. The innermost code is the exact one; some
 * answers lack it, and then status and words decide. Nothing of the client's own errors is kept as it is: they carry the
 * request and the answer, with data keys and tokens in them.
 *
 * @module
 * @see https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
 */
import { ClavigerError, invalidCiphertext, type ErrorCode, type NativeError } from '../../errors.ts';

/** True where a refused parameter means that a ciphertext does not open. */
export interface Asked {
  readonly opens: boolean;
}

interface Row {
  readonly code: ErrorCode;
  /** What to say; `%` is the name of the provider. */
  readonly words: string;
}

const DENIED: Row = { code: 'PROVIDER_DENIED', words: '`%` refused our credentials, or what they may do' };
const DISABLED: Row = { code: 'KEY_DISABLED', words: 'the key is disabled in `%`' };
const DELETED: Row = { code: 'KEY_STATE', words: 'the key is deleted in `%`; recover it there, or by restoring it' };
const NOT_NOW: Row = { code: 'KEY_STATE', words: 'the key is not valid in `%` now: see its `nbf` and `exp`' };
const USAGE: Row = { code: 'KEY_USAGE', words: 'the key in `%` does not allow this operation: see its `key_ops`' };
const NOT_FOUND: Row = { code: 'KEY_NOT_FOUND', words: '`%` has no such key' };
const PARAMETER: Row = { code: 'INVALID_ARGUMENT', words: '`%` refused a parameter' };
const TRANSITION: Row = { code: 'KEY_STATE', words: 'the key is being deleted or recovered in `%`; try again later' };

/** Codes of the service, from `innererror` or, where there is none, from `error`. */
const BY_CODE: ReadonlyMap<string, Row> = new Map([
  ['KeyDisabled', DISABLED],
  ['KeyOperationForbidden', USAGE],
  ['KeyNotYetValid', NOT_NOW],
  ['KeyExpired', NOT_NOW],
  ['ObjectIsDeletedButRecoverable', DELETED],
  ['ObjectIsBeingDeleted', TRANSITION],
  ['ObjectIsBeingRecovered', TRANSITION],
  ['ForbiddenByRbac', DENIED],
  ['ForbiddenByFirewall', DENIED],
  ['ForbiddenByConnection', DENIED],
  ['ForbiddenByPolicy', DENIED],
  ['AccessDenied', DENIED],
  ['KeyNotFound', NOT_FOUND],
  ['DeletedKeyNotFound', NOT_FOUND],
]);

/** Words of a refusal that came without an inner code. */
const BY_WORDS: readonly (readonly [pattern: RegExp, row: Row])[] = [
  [/disabled key/i, DISABLED],
  [/is not permitted on this key/i, USAGE],
  [/expired|not yet valid|nbf/i, NOT_NOW],
  [/deleted but recoverable/i, DELETED],
];

const BY_STATUS: ReadonlyMap<number, Row> = new Map([
  [400, PARAMETER],
  [401, DENIED],
  [403, DENIED],
  [404, NOT_FOUND],
  [408, { code: 'PROVIDER_TIMEOUT', words: '`%` took too long' }],
  [409, { code: 'CONFLICT', words: '`%` is busy with another change of the key; try again' }],
  [413, { code: 'LIMIT_EXCEEDED', words: '`%` takes no input of this length' }],
  [429, { code: 'THROTTLED', words: '`%` has had too many requests' }],
]);

const UNREACHABLE: Row = { code: 'PROVIDER_UNAVAILABLE', words: '`%` does not answer' };
const FAILING: Row = { code: 'PROVIDER_UNAVAILABLE', words: '`%` failed' };
const ELSEWHERE: Row = {
  code: 'PROVIDER_MISCONFIGURED',
  words: '`%` does not answer like a vault: see whether `vaultUrl` is right',
};
const CHALLENGE: Row = {
  code: 'PROVIDER_MISCONFIGURED',
  words:
    '`%` asks for a token of another domain than its own; if that is meant, set `disableChallengeResourceVerification`',
};
const UNTRUSTED: Row = {
  code: 'PROVIDER_UNAVAILABLE',
  words: 'the certificate of `%` is not trusted: see whether it has expired, and whether `caFile` names its authority',
};

/** Node's codes for a certificate that was not accepted. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ISSUER/;
/** Words of the SDK where the challenge names another domain. */
const FOREIGN_CHALLENGE = /challenge (resource|contains)/;
/** The client's code for an answer that is no JSON, or was cut; its words hold what was answered. */
const PARSE_ERROR = 'PARSE_ERROR';

/** What the client throws for an answer; its class is not loaded here. */
interface RestErrorLike extends Error {
  readonly code?: string;
  readonly statusCode?: number;
  readonly details?: { readonly error?: ServiceError };
  readonly response?: { readonly headers: { get(name: string): string | undefined } };
}

interface ServiceError {
  readonly code?: string;
  readonly message?: string;
  readonly innerError?: ServiceError;
}

/** Anything that a call to the service threw, as ours. */
export function azureError(provider: string, thrown: unknown, asked: Asked): ClavigerError {
  if (thrown instanceof ClavigerError) return thrown;
  const error = thrown as RestErrorLike;
  // The client stumbles over an answer that lacks what every answer has.
  if (thrown instanceof TypeError) return unreadableError(provider, 'it is none to what was asked');
  const { statusCode } = error;
  const service = error.details?.error;
  const code = innermost(service)?.code ?? service?.code ?? error.code ?? null;
  const native: NativeError = { provider, code, requestId: error.response?.headers.get('x-ms-request-id') ?? null };
  const options = { native, cause: harmless(error) };
  const row = statusCode === undefined ? transportRow(error) : answerRow(statusCode, code, service);
  if (asked.opens && row === PARAMETER) {
    return new ClavigerError('INVALID_CIPHERTEXT', invalidCiphertext().message, options);
  }
  return new ClavigerError(row.code, row.words.replace('%', provider), options);
}

/** An answer that cannot be right, whoever changed it. No other home is asked in its place. */
export function integrityError(provider: string, what: string): ClavigerError {
  return new ClavigerError('PROVIDER_INTEGRITY', `\`${provider}\` gave an answer that cannot be right: ${what}`, {
    native: { provider, code: 'integrity', requestId: null },
  });
}

/** What came is no answer of a vault: a part that every answer has is not there. Another home may be asked. */
export function unreadableError(provider: string, what: string): ClavigerError {
  return new ClavigerError('PROVIDER_UNAVAILABLE', `\`${provider}\` did not give an answer of a vault: ${what}`, {
    native: { provider, code: 'unreadable', requestId: null },
  });
}

/** The key was said not to be there, and is among the deleted ones. */
export function deletedError(provider: string, { native, cause }: ClavigerError): ClavigerError {
  return new ClavigerError(DELETED.code, DELETED.words.replace('%', provider), {
    cause,
    ...(native === undefined ? {} : { native }),
  });
}

/** True where the service did not take the token. */
export function isUnauthenticated(thrown: unknown): boolean {
  return (thrown as RestErrorLike).statusCode === 401;
}

/** The error without the request and the answer. */
export function harmless(thrown: unknown): Error {
  const { name, message, code } = thrown as RestErrorLike;
  const clean = new Error(code === PARSE_ERROR ? 'the answer could not be read' : message);
  clean.name = name ?? 'Error';
  return clean;
}

function answerRow(status: number, code: string | null, service: ServiceError | undefined): Row {
  if (status >= 500) return FAILING;
  const exact = BY_CODE.get(code ?? '');
  if (exact !== undefined) return exact;
  const said = BY_WORDS.find(([pattern]) => (status === 403 || status === 409) && pattern.test(service?.message ?? ''));
  if (said !== undefined) return said[1];
  if (code === PARSE_ERROR) return FAILING;
  // A proxy or another service says 404 as well, but not in the vault's words.
  if (status === 404 && service?.code === undefined) return ELSEWHERE;
  return BY_STATUS.get(status) ?? ELSEWHERE;
}

function transportRow({ code = '', message }: RestErrorLike): Row {
  if (CERTIFICATE.test(code)) return UNTRUSTED;
  if (FOREIGN_CHALLENGE.test(message)) return CHALLENGE;
  return UNREACHABLE;
}

function innermost(error: ServiceError | undefined): ServiceError | undefined {
  let found = error?.innerError;
  for (let depth = 0; depth < INNER_DEPTH_MAX && found?.innerError?.code !== undefined; depth += 1)
    found = found.innerError;
  return found;
}

/** The service nests one; a server that nests without end is not followed. */
const INNER_DEPTH_MAX = 8;
