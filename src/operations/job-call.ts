/**
 * Calls of the service itself, with a principal of their own, so that policy and log hold for them as for everybody.
 *
 * @module
 */
import type { Principal } from '../model/principal.ts';
import { monotonicMs } from '../ports/clock.ts';
import type { Call } from './operation.ts';
import type { Services } from './services.ts';

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

/** @param name of the job, such as `lifecycle` */
export function jobPrincipal(name: string, tenantId: string): Principal {
  return { id: `job/${name}`, name: `${name} job`, tenantId, roles: [], systemScope: false, via: 'job' };
}
