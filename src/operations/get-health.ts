/**
 * getHealth: what an operator looks at first.
 *
 * @module
 */
import type { Operation } from './operation.ts';

export interface HealthOutput {
  readonly status: 'ok' | 'failed';
  readonly version: string;
  readonly log: { readonly id: string; readonly healthy: boolean };
  readonly providers: readonly { readonly name: string; readonly kind: string; readonly status: 'ok' }[];
}

export const getHealth: Operation<Record<string, never>, HealthOutput> = {
  name: 'GetHealth',
  run(scope) {
    scope.readTenant();
    const { ledger, software, version } = scope.services;
    return {
      output: {
        status: ledger.healthy ? 'ok' : 'failed',
        version,
        log: { id: ledger.logId, healthy: ledger.healthy },
        providers: [{ name: software.name, kind: software.kind, status: 'ok' }],
      },
    };
  },
};
