/**
 * What the homes of keys tell of themselves, put into numbers and the server's log.
 *
 * @module
 */
import type { Log } from '../ports/log.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { GuardEvents } from '../resilience/index.ts';

/** Who watches whether homes are well. */
interface Watch {
  /** A provider has done what it was asked to. */
  answered(provider: string): void;
  /** Since when its circuit is open; null once it is closed. */
  circuit(provider: string, sinceMs: number | null): void;
}

export function homeEvents(metrics: Metrics, log: Log, watch: Watch): GuardEvents {
  return {
    called: (call) => {
      metrics.providerCalled(call);
      if (call.outcome === 'OK') watch.answered(call.provider);
    },
    retried: (provider) => metrics.providerRetried(provider),
    circuit: ({ provider, state, since, reason }) => {
      const level = state === 'closed' ? 'info' : state === 'quarantined' ? 'error' : 'warn';
      log.write(level, 'circuit', { provider, state, reason });
      // While it is being tried it is still not well.
      if (state !== 'half-open') watch.circuit(provider, state === 'closed' ? null : since);
    },
  };
}
