/**
 * How each provider does, as operators are told.
 *
 * @module
 */
import type { ErrorCode } from '../errors.ts';
import type { ProviderKind } from '../providers/provider.ts';
import type { CircuitState, Guard } from '../resilience/index.ts';
import { isoTime } from './key-info.ts';

export interface ProviderHealth {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly status: 'ok' | 'degraded' | 'down';
  readonly circuit: CircuitState;
  /** Since when the circuit is in its state. */
  readonly since: string;
  /** In plain words; told to the system scope only, for it names addresses of the whole service. */
  readonly lastError: { readonly code: ErrorCode; readonly message: string; readonly at: string } | null;
  readonly latencyMs: { readonly mean: number; readonly p99: number } | null;
  readonly calls: number;
  readonly failures: number;
  readonly retries: number;
  readonly inFlight: number;
}

const STATUS = { closed: 'ok', 'half-open': 'degraded', open: 'down', quarantined: 'down' } as const;

export function providerHealth(guard: Guard, withErrors: boolean): ProviderHealth {
  const { state, sinceMs, lastError, latencyMs, calls, failures, retries, inFlight } = guard.status();
  const shown = withErrors && lastError !== null;
  return {
    name: guard.name,
    kind: guard.provider.kind,
    status: STATUS[state],
    circuit: state,
    since: isoTime(sinceMs),
    lastError: shown ? { code: lastError.code, message: lastError.message, at: isoTime(lastError.atMs) } : null,
    latencyMs: latencyMs === null ? null : { mean: rounded(latencyMs.mean), p99: rounded(latencyMs.p99) },
    calls,
    failures,
    retries,
    inFlight,
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
