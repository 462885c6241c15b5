/**
 * What falls due: destruction on the deletion date, automatic rotation, expiry of imported material. A scheduled caller
 * of operations, with a principal of its own, so policy and log hold for it as for everybody.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { destroyKey } from '../operations/destroy-key.ts';
import { execute } from '../operations/execute.ts';
import { expireKeyMaterial } from '../operations/import-key.ts';
import { jobCall, jobPrincipal } from '../operations/job-call.ts';
import type { KeyInfo } from '../operations/key-info.ts';
import type { Operation } from '../operations/operation.ts';
import { rotateDueKey } from '../operations/rotate-key.ts';
import type { Services } from '../operations/services.ts';
import type { KeyInput } from '../operations/transition.ts';

export const LIFECYCLE_INTERVAL_MS = 60_000;
/** Keys that one query gives; the next follows when they are done. */
const KEYS_AT_ONCE = 100;

const DUE = [
  ['deletion', destroyKey],
  ['expiry', expireKeyMaterial],
  ['rotation', rotateDueKey],
] as const satisfies readonly [string, Operation<KeyInput, KeyInfo>][];

/** Does all that is due. What fails is told to the operator and tried again the next time. */
export async function runLifecycle(services: Services): Promise<void> {
  for (const [what, operation] of DUE) {
    const failed = new Set<string>();
    for (;;) {
      const found = await services.cache.store.dueKeys(what, services.clock.now(), KEYS_AT_ONCE + failed.size);
      const due = found.filter((id) => !failed.has(id));
      if (due.length === 0) break;
      for (const id of due) if (!(await done(services, operation, id))) failed.add(id);
    }
  }
}

/** Runs `runLifecycle` now and every minute; the returned function ends it, after what is under way. */
export function startLifecycle(services: Services, intervalMs: number = LIFECYCLE_INTERVAL_MS): () => Promise<void> {
  let running: Promise<void> | null = null;
  const run = (): void => {
    running ??= runLifecycle(services)
      .catch((error: unknown) => services.log.write('error', 'lifecycle job failed', { cause: String(error) }))
      .finally(() => {
        running = null;
      });
  };
  const timer = setInterval(run, intervalMs);
  run();
  return async () => {
    clearInterval(timer);
    await running;
  };
}

async function done(services: Services, operation: Operation<KeyInput, KeyInfo>, id: string): Promise<boolean> {
  try {
    const found = await services.cache.key(id);
    if (found === null) throw new ClavigerError('KEY_NOT_FOUND', 'the key is gone');
    await execute(services, operation, jobCall(services, jobPrincipal('lifecycle', found.key.tenantId)), { key: id });
    return true;
  } catch (error) {
    services.log.write('error', `${operation.name} failed`, { keyId: id, cause: (error as Error).message });
    return false;
  }
}
