/**
 * getHealth: what an operator looks at first.
 *
 * @module
 */
import type { SinkStatus } from '../audit/sinks/host.ts';
import type { KeeperStatus } from '../audit/keepers.ts';
import type { Operation } from './operation.ts';

export interface HealthOutput {
  readonly status: 'ok' | 'failed';
  readonly version: string;
  readonly log: { readonly id: string; readonly healthy: boolean };
  /** Where the log is sent as well, and how far each has come. */
  readonly sinks: readonly SinkStatus[];
  /** Witnesses and copies of the log's checkpoints; errors of theirs are told to the system scope only. */
  readonly keepers: readonly KeeperStatus[];
  readonly providers: readonly { readonly name: string; readonly kind: string; readonly status: 'ok' }[];
}

export const getHealth: Operation<Record<string, never>, HealthOutput> = {
  name: 'GetHealth',
  run(scope) {
    scope.readTenant();
    const { ledger, keepers, sinks, software, version } = scope.services;
    const { systemScope } = scope.principal;
    return {
      output: {
        status: ledger.healthy ? 'ok' : 'failed',
        version,
        log: { id: ledger.logId, healthy: ledger.healthy },
        sinks: sinks.status(),
        keepers: keepers.status().map((status) => (systemScope ? status : { ...status, lastError: null })),
        providers: [{ name: software.name, kind: software.kind, status: 'ok' }],
      },
    };
  },
};
