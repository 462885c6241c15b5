/**
 * At each start: where the log is sent elsewhere than at the last one, that stands in the log.
 *
 * @module
 */
import type { SinkOptions } from '../audit/sinks/options.ts';
import { SYSTEM_TENANT_NAME } from '../model/principal.ts';
import { configureAuditSinks, sinksDiffer } from '../operations/configure-audit-sinks.ts';
import { execute } from '../operations/execute.ts';
import type { Services } from '../operations/services.ts';
import { jobCall, jobPrincipal } from '../operations/job-call.ts';

const JOB = jobPrincipal('audit-sinks', SYSTEM_TENANT_NAME, { name: 'audit sinks', systemScope: true });

/** @throws RefusedError or AUDIT_UNAVAILABLE where the record could not be written: then nothing is to start */
export async function recordSinks(services: Services, sinks: readonly SinkOptions[]): Promise<void> {
  if (!sinksDiffer(await services.cache.store.setting('audit-sinks'), sinks)) return;
  await execute(services, configureAuditSinks, jobCall(services, JOB), { sinks });
}
