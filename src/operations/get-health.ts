/**
 * getHealth: what an operator looks at first.
 *
 * @module
 */
import type { SinkStatus } from '../audit/sinks/host.ts';
import type { Operation } from './operation.ts';

export interface HealthOutput {
  readonly status: 'ok' | 'failed';
  readonly version: string;
  readonly log: { readonly id: string; readonly healthy: boolean };
  /** Where the log is sent as well, and how far each has come. */
  readonly sinks: readonly SinkStatus[];
  readonly providers: readonly { readonly name: string; readonly kind: string; readonly status: 'ok' }[];
}

export const getHealth: Operation<Record<string, never>, HealthOutput> = {
  name: 'GetHealth',
  run(scope) {
    scope.readTenant();
    const { ledger, sinks, software, version } = scope.services;
    return {
      output: {
        status: ledger.healthy ? 'ok' : 'failed',
        version,
        log: { id: ledger.logId, healthy: ledger.healthy },
        sinks: sinks.status(),
        providers: [{ name: software.name, kind: software.kind, status: 'ok' }],
      },
    };
  },
};
