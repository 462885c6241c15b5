/**
 * What the homes of keys tell of themselves, put into numbers and the server's log.
 *
 * @module
 */
import type { Log } from '../ports/log.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { GuardEvents } from '../resilience/index.ts';

export function homeEvents(metrics: Metrics, log: Log): GuardEvents {
  return {
    called: (call) => metrics.providerCalled(call),
    retried: (provider) => metrics.providerRetried(provider),
    circuit: ({ provider, state, reason }) => {
      const level = state === 'closed' ? 'info' : state === 'quarantined' ? 'error' : 'warn';
      log.write(level, 'circuit', { provider, state, reason });
    },
  };
}
