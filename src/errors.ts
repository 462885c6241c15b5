/**
 * Every error that Claviger answers, in one table.
 *
 * A code is stable: it stands in metrics and in the audit log and is never renamed. A `reason` narrows a code where the
 * AWS protocol has a more exact exception. `disposition` decides retry and failover, and nothing else does.
 *
 * @module
 */

/**
 * What a caller, or the resilience layer, may do after an error.
 * - `fatal`: the same call will fail again.
 * - `retry`: the same call may succeed later, here.
 * - `failover`: retry, then another home may be asked.
 * - `failover-idempotent`: as `failover`, but only for a call that can be repeated without effect.
 * - `pending`: somebody has to act first.
 */
export type Disposition = 'fatal' | 'retry' | 'failover' | 'failover-idempotent' | 'pending';

interface ErrorRow {
  readonly http: number;
  readonly aws: string;
  readonly grpc: string;
  readonly disposition: Disposition;
  readonly title: string;
}

export const ERRORS = {
  INVALID_ARGUMENT: row(400, 'ValidationException', 'INVALID_ARGUMENT', 'fatal', 'invalid argument'),
  INVALID_CIPHERTEXT: row(400, 'InvalidCiphertextException', 'INVALID_ARGUMENT', 'fatal', 'invalid ciphertext'),
  INVALID_SIGNATURE: row(400, 'KMSInvalidSignatureException', 'INVALID_ARGUMENT', 'fatal', 'invalid signature'),
  INVALID_MAC: row(400, 'KMSInvalidMacException', 'INVALID_ARGUMENT', 'fatal', 'invalid MAC'),
  UNAUTHENTICATED: row(401, 'UnrecognizedClientException', 'UNAUTHENTICATED', 'fatal', 'not authenticated'),
  PERMISSION_DENIED: row(403, 'AccessDeniedException', 'PERMISSION_DENIED', 'fatal', 'permission denied'),
  APPROVAL_REQUIRED: row(403, 'AccessDeniedException', 'FAILED_PRECONDITION', 'pending', 'approval required'),
  KEY_NOT_FOUND: row(404, 'NotFoundException', 'NOT_FOUND', 'fatal', 'key not found'),
  NOT_FOUND: row(404, 'NotFoundException', 'NOT_FOUND', 'fatal', 'not found'),
  KEY_EXISTS: row(409, 'AlreadyExistsException', 'ALREADY_EXISTS', 'fatal', 'already exists'),
  CONFLICT: row(409, 'ConflictException', 'ABORTED', 'fatal', 'conflict'),
  KEY_DISABLED: row(409, 'DisabledException', 'FAILED_PRECONDITION', 'fatal', 'key is disabled'),
  KEY_STATE: row(409, 'KMSInvalidStateException', 'FAILED_PRECONDITION', 'fatal', 'wrong key state'),
  KEY_USAGE: row(400, 'InvalidKeyUsageException', 'INVALID_ARGUMENT', 'fatal', 'wrong key usage'),
  INCORRECT_KEY: row(400, 'IncorrectKeyException', 'INVALID_ARGUMENT', 'fatal', 'incorrect key'),
  UNSUPPORTED: row(400, 'UnsupportedOperationException', 'UNIMPLEMENTED', 'fatal', 'not supported'),
  LIMIT_EXCEEDED: row(400, 'LimitExceededException', 'RESOURCE_EXHAUSTED', 'fatal', 'limit exceeded'),
  THROTTLED: row(429, 'ThrottlingException', 'RESOURCE_EXHAUSTED', 'failover', 'too many requests'),
  PROVIDER_UNAVAILABLE: row(503, 'KeyUnavailableException', 'UNAVAILABLE', 'failover', 'provider unavailable'),
  PROVIDER_TIMEOUT: row(
    504,
    'DependencyTimeoutException',
    'DEADLINE_EXCEEDED',
    'failover-idempotent',
    'provider timed out',
  ),
  PROVIDER_DENIED: row(502, 'KMSInternalException', 'INTERNAL', 'fatal', 'provider refused our credentials'),
  PROVIDER_INTEGRITY: row(502, 'KMSInternalException', 'DATA_LOSS', 'fatal', "provider's answer failed its check"),
  PROVIDER_MISCONFIGURED: row(500, 'KMSInternalException', 'INTERNAL', 'fatal', 'provider misconfigured'),
  ALL_BACKINGS_FAILED: row(503, 'KeyUnavailableException', 'UNAVAILABLE', 'retry', 'all backings failed'),
  SEALED: row(503, 'KMSInternalException', 'UNAVAILABLE', 'retry', 'service is sealed'),
  AUDIT_UNAVAILABLE: row(503, 'KMSInternalException', 'UNAVAILABLE', 'retry', 'audit log unavailable'),
  STORE_UNAVAILABLE: row(503, 'KMSInternalException', 'UNAVAILABLE', 'retry', 'store unavailable'),
  DRY_RUN: row(412, 'DryRunOperationException', 'FAILED_PRECONDITION', 'fatal', 'dry run'),
  INTERRUPTED: row(500, 'KMSInternalException', 'ABORTED', 'fatal', 'interrupted'),
  CANCELED: row(499, 'KMSInternalException', 'CANCELLED', 'fatal', 'canceled'),
  INTERNAL: row(500, 'KMSInternalException', 'INTERNAL', 'fatal', 'internal error'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

interface ReasonRow {
  readonly code: ErrorCode;
  readonly aws: string;
  /** Replaces the code's HTTP status where the reason has one of its own. */
  readonly http?: number;
}

/** Reasons under a code, each with the exact AWS exception. */
export const REASONS = {
  InvalidArn: { code: 'INVALID_ARGUMENT', aws: 'InvalidArnException' },
  InvalidAliasName: { code: 'INVALID_ARGUMENT', aws: 'InvalidAliasNameException' },
  InvalidMarker: { code: 'INVALID_ARGUMENT', aws: 'InvalidMarkerException' },
  Tag: { code: 'INVALID_ARGUMENT', aws: 'TagException' },
  ExpiredImportToken: { code: 'INVALID_ARGUMENT', aws: 'ExpiredImportTokenException' },
  InvalidImportToken: { code: 'INVALID_ARGUMENT', aws: 'InvalidImportTokenException' },
  IncorrectKeyMaterial: { code: 'INVALID_ARGUMENT', aws: 'IncorrectKeyMaterialException' },
  MalformedPolicyDocument: { code: 'INVALID_ARGUMENT', aws: 'MalformedPolicyDocumentException' },
  Serialization: { code: 'INVALID_ARGUMENT', aws: 'SerializationException' },
  UnknownOperation: { code: 'INVALID_ARGUMENT', aws: 'UnknownOperationException' },
  MissingAuthentication: { code: 'UNAUTHENTICATED', aws: 'MissingAuthenticationTokenException' },
  IncompleteSignature: { code: 'UNAUTHENTICATED', aws: 'IncompleteSignatureException' },
  InvalidRequestSignature: { code: 'UNAUTHENTICATED', aws: 'InvalidSignatureException' },
  ExpiredCredential: { code: 'UNAUTHENTICATED', aws: 'ExpiredTokenException' },
  BodyTooLarge: { code: 'LIMIT_EXCEEDED', aws: 'LimitExceededException', http: 413 },
} as const satisfies Record<string, ReasonRow>;

export type Reason = keyof typeof REASONS;

export interface ClavigerErrorOptions extends ErrorOptions {
  readonly reason?: Reason;
  /** The key, alias or token that the error names, where a program wants it apart from the words. */
  readonly resource?: string;
  /** What the provider that failed said, for the operator. */
  readonly native?: NativeError;
  /** Of ALL_BACKINGS_FAILED: why each home did not answer. */
  readonly causes?: readonly ProviderCause[];
}

/** Why one home of a key did not answer. */
export interface ProviderCause {
  readonly provider: string;
  readonly error: ClavigerError;
}

/** An error of a provider in its own words. */
export interface NativeError {
  readonly provider: string;
  /** The service's own code or name of the error; null where it gave none. */
  readonly code: string | null;
  /** By which the service's operator finds the request; null where it gave none. */
  readonly requestId: string | null;
}

/**
 * The one error class. Messages are lower case, have no final period, put input in backticks and say what to do next
 * where there is something; they are shown to callers, so nothing of the inside stands in them.
 *
 * @example throw new ClavigerError('KEY_STATE', `cannot rotate key ${id}: state is \`Destroyed\``)
 */
export class ClavigerError extends Error {
  override readonly name = 'ClavigerError';
  readonly code: ErrorCode;
  readonly reason: Reason | undefined;
  readonly resource: string | undefined;
  readonly native: NativeError | undefined;
  readonly causes: readonly ProviderCause[] | undefined;

  constructor(code: ErrorCode, message: string, options: ClavigerErrorOptions = {}) {
    const depth = Error.stackTraceLimit;
    // Strangers may come by the ten thousands a second, and where in our code they were refused interests nobody.
    if (code === 'UNAUTHENTICATED') Error.stackTraceLimit = 0;
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    Error.stackTraceLimit = depth;
    this.code = code;
    this.reason = options.reason;
    this.resource = options.resource;
    this.native = options.native;
    this.causes = options.causes;
  }

  get http(): number {
    const reason: ReasonRow | undefined = this.reason && REASONS[this.reason];
    return reason?.http ?? ERRORS[this.code].http;
  }

  /** Name of the AWS exception, as it stands in `__type`. */
  get aws(): string {
    return this.reason ? REASONS[this.reason].aws : ERRORS[this.code].aws;
  }

  get disposition(): Disposition {
    return ERRORS[this.code].disposition;
  }
}

/**
 * An error as callers are told of it. What providers say of themselves names files, addresses and settings of the service:
 * that is for the operator, who finds it in the server's log and at `claviger providers`.
 */
export function toldToCallers(error: ClavigerError): ClavigerError {
  const { code, native } = error;
  if (native === undefined || !code.startsWith('PROVIDER_')) return error;
  return new ClavigerError(code, homeWords(native.provider, error), {
    native,
    cause: error,
    ...(error.resource === undefined ? {} : { resource: error.resource }),
  });
}

/** `` `west`: provider unavailable ``: how a provider fails, in words that every caller may read. */
export function homeWords(provider: string, { code }: ClavigerError): string {
  return `\`${provider}\`: ${ERRORS[code].title}`;
}

/** An error of a reason: the code follows from the table. */
export function errorOf(
  reason: Reason,
  message: string,
  options: Omit<ClavigerErrorOptions, 'reason'> = {},
): ClavigerError {
  return new ClavigerError(REASONS[reason].code, message, { ...options, reason });
}

/** The one refusal of whatever does not open: its words say nothing of where it failed, which an attacker could use. */
export function invalidCiphertext(): ClavigerError {
  return new ClavigerError(
    'INVALID_CIPHERTEXT',
    'the ciphertext does not open: it was changed, or key or encryption context are not the ones it was made with',
  );
}

/** Anything thrown, as a `ClavigerError`: what is not ours becomes INTERNAL and says nothing of the inside. */
export function toClavigerError(thrown: unknown): ClavigerError {
  if (thrown instanceof ClavigerError) return thrown;
  return new ClavigerError('INTERNAL', 'an internal error occurred; quote the request id to your operator', {
    cause: thrown,
  });
}

function row(http: number, aws: string, grpc: string, disposition: Disposition, title: string): ErrorRow {
  return { http, aws, grpc, disposition, title };
}
