/**
 * A service in this process on a folder of its own, with a clock that the test moves and jobs that the test runs.
 *
 * @module
 */
import { join } from 'node:path';
import { systemRandom } from '../../src/crypto/random.ts';
import type { Principal, Role } from '../../src/model/principal.ts';
import { execute } from '../../src/operations/execute.ts';
import { OPERATION_KEYS, OPERATIONS, type ClavigerApi } from '../../src/operations/index.ts';
import { ownCall } from '../../src/operations/job-call.ts';
import type { Operation } from '../../src/operations/operation.ts';
import type { Services } from '../../src/operations/services.ts';
import { runLifecycle } from '../../src/jobs/lifecycle.ts';
import { fileUnseal } from '../../src/seal/root-key.ts';
import { ensureTenants } from '../../src/server/bootstrap.ts';
import { openService, type ServiceOptions } from '../../src/server/open-service.ts';
import { FakeClock } from './clock.ts';
import { removeFolder, testFolder } from './server.ts';

export interface TestService {
  readonly folder: string;
  readonly clock: FakeClock;
  readonly services: Services;
  /** Id of the tenant `default`. */
  readonly tenantId: string;
  /** The operations in the name of somebody with these roles. */
  as(...roles: readonly Role[]): ClavigerApi;
  /** The operations in the name of a principal. */
  of(principal: Principal): ClavigerApi;
  /** As a key administrator and crypto user. */
  readonly api: ClavigerApi;
  /** Id of a tenant of this name, made where there is none. */
  tenant(name: string): Promise<string>;
  /** Does what has fallen due. */
  runJobs(): Promise<void>;
  /** Ends the service; the folder stays until `remove`. */
  close(): Promise<void>;
  /** Ends the service and removes the folder. */
  remove(): Promise<void>;
}

export interface TestServiceOptions extends Partial<ServiceOptions> {
  readonly clock?: FakeClock;
}

export async function openTestService(options: TestServiceOptions = {}): Promise<TestService> {
  const folder = options.folder ?? testFolder();
  const clock = options.clock ?? new FakeClock();
  const opened = await openService({
    unseal: fileUnseal(join(folder, 'root.key'), systemRandom),
    region: 'us-east-1',
    limits: { cryptoPerSecond: 10_000_000, changesPerSecond: 10_000_000 },
    jobs: false,
    ...options,
    folder,
    clock,
  });
  const { services } = opened;
  const tenant = async (name: string): Promise<string> => (await ensureTenants(services, [{ name }])).id;
  const tenantId = await tenant('default');
  const of = (principal: Principal): ClavigerApi => apiOf(services, principal);
  const as = (...roles: readonly Role[]): ClavigerApi => of(principalOf(tenantId, roles));
  return {
    folder,
    clock,
    services,
    tenantId,
    as,
    of,
    api: as('key-administrator', 'crypto-user'),
    tenant,
    runJobs: () => runLifecycle(services),
    close: () => opened.close(),
    remove: async () => {
      await opened.close();
      removeFolder(folder);
    },
  };
}

export function principalOf(tenantId: string, roles: readonly Role[], more: Partial<Principal> = {}): Principal {
  const name = roles.join('+');
  return { id: `library/${name}`, name, tenantId, roles, systemScope: false, via: 'library', ...more };
}

function apiOf(services: Services, principal: Principal): ClavigerApi {
  const run = async (operation: Operation<object, unknown>, input: object): Promise<unknown> => {
    const call = ownCall(services, principal, 'library');
    const answer = await execute(services, operation, call, input);
    if (answer.kind === 'replay') throw new Error('nothing is replayed in-process');
    return answer.output;
  };
  const methods = OPERATION_KEYS.map((name) => [
    name,
    (input: object = {}) => run(OPERATIONS[name] as Operation<object, unknown>, input),
  ]);
  return Object.fromEntries(methods) as ClavigerApi;
}
