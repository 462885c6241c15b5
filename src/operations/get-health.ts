/**
 * getHealth: what an operator looks at first.
 *
 * @module
 */
import type { SinkStatus } from '../audit/sinks/host.ts';
import type { KeeperStatus } from '../audit/keepers.ts';
import type { Operation } from './operation.ts';
import { providerHealth, type ProviderHealth } from './provider-health.ts';

export interface HealthOutput {
  readonly status: 'ok' | 'failed';
  readonly version: string;
  readonly log: { readonly id: string; readonly healthy: boolean };
  /** Where the log is sent as well, and how far each has come; what went wrong last is told to the system scope only. */
  readonly sinks: readonly SinkStatus[];
  /** Witnesses and copies of the log's checkpoints; what went wrong last is told to the system scope only. */
  readonly keepers: readonly KeeperStatus[];
  /** Those that the caller's tenant may use; all of them for the system scope. */
  readonly providers: readonly ProviderHealth[];
}

export const getHealth: Operation<Record<string, never>, HealthOutput> = {
  name: 'GetHealth',
  async run(scope) {
    scope.readTenant();
    const { ledger, keepers, sinks, homes, version } = scope.services;
    const { systemScope } = scope.principal;
    const guards = systemScope ? homes.guards : homes.guardsOf((await scope.tenant()).name);
    // Errors name addresses and paths of the whole service.
    const shown = <S extends SinkStatus | KeeperStatus>(status: S): S =>
      systemScope ? status : { ...status, lastError: null };
    return {
      output: {
        status: ledger.healthy ? 'ok' : 'failed',
        version,
        log: { id: ledger.logId, healthy: ledger.healthy },
        sinks: sinks.status().map(shown),
        keepers: keepers.status().map(shown),
        providers: guards.map((guard) => providerHealth(guard, systemScope)),
      },
    };
  },
};
