/**
 * What an error means for the request that met it, and for the provider that gave it.
 *
 * The first is read off the `disposition` column of the error table, and off nothing else. The second is about health: a
 * provider that refuses is well, however little the caller likes the answer.
 *
 * @module
 */
import { ClavigerError, type Disposition, type ErrorCode } from '../errors.ts';

/**
 * - `refusal`: somebody or something says no. The request ends; no other home is asked, for that would work around it.
 * - `retry`: this home may answer later; another cannot help.
 * - `failover`: this home may answer later, and another may answer now.
 * - `failover-idempotent`: the same, for calls that may happen twice; it is not known whether this one has happened.
 */
export type Verdict = 'refusal' | 'retry' | 'failover' | 'failover-idempotent';

const VERDICTS: Readonly<Record<Disposition, Verdict>> = {
  fatal: 'refusal',
  pending: 'refusal',
  retry: 'retry',
  failover: 'failover',
  'failover-idempotent': 'failover-idempotent',
};

export function verdictOf(error: ClavigerError): Verdict {
  return VERDICTS[error.disposition];
}

/** True where the same home may be asked again. */
export function mayRetry(error: ClavigerError, idempotent: boolean): boolean {
  return verdictOf(error) === 'retry' || mayFailOver(error, idempotent);
}

/** True where another home may be asked. */
export function mayFailOver(error: ClavigerError, idempotent: boolean): boolean {
  const verdict = verdictOf(error);
  return verdict === 'failover' || (verdict === 'failover-idempotent' && idempotent);
}

/**
 * What the outcome of a call says of the provider's health.
 * - `well`: it answered, be it with a refusal. A wrong answer (PROVIDER_INTEGRITY) is one too: if it opened the circuit, later
 *   requests would go elsewhere without a word, and that is for a person to decide.
 * - `ill`: it could not be reached, or did not answer; so many in a row open its circuit.
 * - `throttled`: it lives and wants less. Not a reason to leave it alone for ten seconds, but to ask it less for one.
 * - `silent`: nothing. We ended the call ourselves, or the fault is in our own process.
 */
export type HealthSign = 'well' | 'ill' | 'throttled' | 'silent';

const SIGNS: Readonly<Partial<Record<ErrorCode, HealthSign>>> = {
  PROVIDER_UNAVAILABLE: 'ill',
  PROVIDER_TIMEOUT: 'ill',
  THROTTLED: 'throttled',
  CANCELED: 'silent',
  PROVIDER_MISCONFIGURED: 'silent',
  INTERNAL: 'silent',
};

export function healthSignOf(error: ClavigerError): HealthSign {
  return SIGNS[error.code] ?? 'well';
}

/** True for an error that is about the provider or our way to it, and not about a key or an input. */
export function speaksOfProvider({ code }: ClavigerError): boolean {
  return code === 'THROTTLED' || code.startsWith('PROVIDER_');
}

/** How a call ends whose caller gave up: with the signal's own reason, where that is one of our errors. */
export function canceledBy({ reason }: { readonly reason: unknown }): ClavigerError {
  if (reason instanceof ClavigerError) return reason;
  return new ClavigerError('CANCELED', 'the caller gave up', { cause: reason });
}
