/**
 * A call that ended before it was answered: by its caller, by its time, or because the provider is closed.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';

/**
 * What the end of a signal means: the caller's own error where it gave one, else PROVIDER_TIMEOUT or CANCELED.
 *
 * @param reason of the signal
 * @param native code of a call that was late
 */
export function endedError(provider: string, reason: unknown, native: string | null = null): ClavigerError {
  if (reason instanceof ClavigerError) return reason;
  if (reason instanceof DOMException && reason.name === 'TimeoutError') return lateError(provider, native, reason);
  return new ClavigerError('CANCELED', 'the caller gave up', { cause: reason });
}

/** No answer came in time; what was asked for may have been done. */
export function lateError(provider: string, native: string | null = null, cause?: unknown): ClavigerError {
  return new ClavigerError('PROVIDER_TIMEOUT', `provider \`${provider}\` did not answer in time`, {
    native: { provider, code: native, requestId: null },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** No call is made any more. */
export function closedError(provider: string, native: string | null = null): ClavigerError {
  return new ClavigerError('PROVIDER_UNAVAILABLE', `provider \`${provider}\` is closed`, {
    native: { provider, code: native, requestId: null },
  });
}
