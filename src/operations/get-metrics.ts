/**
 * getMetrics: what Prometheus scrapes. Who has the system scope sees every tenant's requests, others their own tenant's;
 * what is of the whole process is shown to both.
 *
 * @module
 */
import type { Operation } from './operation.ts';

export const getMetrics: Operation<Record<string, never>, string> = {
  name: 'GetMetrics',
  async run(scope) {
    scope.readTenant();
    const { principal, services } = scope;
    return { output: await services.observer.metrics.render(principal.systemScope ? null : principal.tenantId) };
  },
};
