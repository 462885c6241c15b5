/**
 * A key handle whose calls leave a span each. Only traced requests get one.
 *
 * @module
 */
import { toClavigerError } from '../errors.ts';
import type { Span } from '../ports/tracing.ts';
import type { KeyHandle } from '../providers/key-handle.ts';

export function tracedHandle(handle: KeyHandle, provider: string, span: Span): KeyHandle {
  const traced =
    <A extends readonly unknown[], R>(facet: string, call: (...args: A) => R) =>
    (...args: A): R =>
      within(span.child(`${provider} ${facet}`, { 'claviger.provider': provider }), () => call(...args));
  const { aead, decrypt, sign, mac, agree, decapsulate } = handle;
  return {
    ...(aead === undefined ? {} : { aead: { seal: traced('seal', aead.seal), open: traced('open', aead.open) } }),
    ...(decrypt === undefined ? {} : { decrypt: traced('decrypt', decrypt) }),
    ...(sign === undefined ? {} : { sign: traced('sign', sign) }),
    ...(mac === undefined ? {} : { mac: traced('mac', mac) }),
    ...(agree === undefined ? {} : { agree: traced('agree', agree) }),
    ...(decapsulate === undefined ? {} : { decapsulate: traced('decapsulate', decapsulate) }),
  };
}

/** Runs a call and ends its span with it; of a promise, once that is settled. */
function within<R>(span: Span, call: () => R): R {
  const failed = (error: unknown): void => span.end(toClavigerError(error).code);
  try {
    const result = call();
    if (result instanceof Promise) result.then(() => span.end(), failed);
    else span.end();
    return result;
  } catch (error) {
    failed(error);
    throw error;
  }
}
