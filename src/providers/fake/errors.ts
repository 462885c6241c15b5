/**
 * Errors of a fake provider, as a service would give them.
 *
 * @module
 */
import { ClavigerError, type ErrorCode } from '../../errors.ts';
import type { BackingState } from '../provider.ts';

export function serviceError(provider: string, code: ErrorCode, message: string, resource?: string): ClavigerError {
  return new ClavigerError(code, message, {
    ...(resource === undefined ? {} : { resource }),
    native: { provider, code: `Fake${code}`, requestId: null },
  });
}

export function faultError(provider: string, code: ErrorCode): ClavigerError {
  return serviceError(provider, code, `\`${provider}\` was told to fail with \`${code}\``);
}

export function notFound(provider: string, ref: string): ClavigerError {
  return serviceError(provider, 'KEY_NOT_FOUND', `there is no key \`${ref}\``, ref);
}

export function wrongState(provider: string, ref: string, state: BackingState): ClavigerError {
  return serviceError(provider, 'KEY_STATE', `key \`${ref}\` is \`${state}\``, ref);
}
