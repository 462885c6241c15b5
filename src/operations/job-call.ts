/**
 * Calls of the service itself, with a principal of their own, so that policy and log hold for them as for everybody.
 *
 * @module
 */
import type { Principal } from '../model/principal.ts';
import { monotonicMs } from '../ports/clock.ts';
import type { Call } from './operation.ts';
import type { Services } from './services.ts';

/** Every job that calls operations; in a record it is `job/` and the name. */
export const JOBS = ['bootstrap', 'audit-sinks', 'lifecycle', 'homes'] as const;
type JobName = (typeof JOBS)[number];

export function jobCall(services: Services, principal: Principal): Call {
  return ownCall(services, principal, 'job');
}

/** A call that comes from this process, by whoever it says. */
export function ownCall(services: Services, principal: Principal, gateway: Call['gateway']): Call {
  return {
    proof: { kind: 'principal', principal },
    gateway,
    source: null,
    requestId: services.requestId(),
    startedMs: monotonicMs(),
    dryRun: false,
    idempotency: null,
    trace: null,
  };
}

/**
 * Who a job is, in policies and in the log.
 *
 * @param more of what it has beyond a tenant's job
 */
export function jobPrincipal(
  name: JobName,
  tenantId: string,
  more: Partial<Pick<Principal, 'name' | 'roles' | 'systemScope'>> = {},
): Principal {
  return { id: `job/${name}`, name: `${name} job`, tenantId, roles: [], systemScope: false, via: 'job', ...more };
}
