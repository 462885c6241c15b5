/**
 * What the homes of keys tell of themselves, put into numbers and the server's log.
 *
 * @module
 */
import type { Log } from '../ports/log.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { GuardEvents } from '../resilience/index.ts';

/** @param circuit told since when a provider's circuit is open; null once it is closed */
export function homeEvents(
  metrics: Metrics,
  log: Log,
  circuit: (provider: string, sinceMs: number | null) => void,
): GuardEvents {
  return {
    called: (call) => metrics.providerCalled(call),
    retried: (provider) => metrics.providerRetried(provider),
    circuit: ({ provider, state, since, reason }) => {
      const level = state === 'closed' ? 'info' : state === 'quarantined' ? 'error' : 'warn';
      log.write(level, 'circuit', { provider, state, reason });
      // While it is being tried it is still not well.
      if (state !== 'half-open') circuit(provider, state === 'closed' ? null : since);
    },
  };
}
