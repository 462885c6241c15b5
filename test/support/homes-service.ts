/**
 * A service in this process whose keys live in three providers in memory, `a`, `b` and `c`, that fail on command.
 *
 * @module
 */
import type { TestContext } from 'node:test';
import { systemRandom } from '../../src/crypto/random.ts';
import { LIMITS_DEFAULT, type DataKeyCacheLimits } from '../../src/envelope/data-key-cache.ts';
import type { ErrorCode } from '../../src/errors.ts';
import type { GroupSetup } from '../../src/operations/homes.ts';
import { commonConfig } from '../../src/providers/config.ts';
import { FakeProvider, type FakeFault, type FakeOperation } from '../../src/providers/fake/index.ts';
import { DEFAULT_GROUP } from '../../src/resilience/index.ts';
import { FakeClock } from './clock.ts';
import { openTestService, type TestService } from './service.ts';

export interface HomesService extends TestService {
  readonly a: FakeProvider;
  readonly b: FakeProvider;
  readonly c: FakeProvider;
  /** Milliseconds that each call to them takes. */
  readonly pace: { ms: number };
}

/**
 * @param group settings of the group `three`, of all of them
 * @param more of the configuration, by provider
 * @param dataKeyCache of the group; none where it is not given
 */
export async function homesService(
  t: TestContext,
  group: Partial<GroupSetup['settings']> = {},
  more: Readonly<Record<string, object>> = {},
  dataKeyCache?: Partial<DataKeyCacheLimits>,
): Promise<HomesService> {
  const clock = new FakeClock();
  const pace = { ms: 0 };
  const [a, b, c] = ['a', 'b', 'c'].map(
    (name) => new FakeProvider({ name, clock, random: systemRandom, latencyMs: () => pace.ms }),
  ) as [FakeProvider, FakeProvider, FakeProvider];
  const settings = { ...DEFAULT_GROUP, wrapGraceMs: 2000, deadlineMs: 20_000, ...group };
  const service = await openTestService({
    clock,
    providers: [a, b, c].map((provider) => ({
      provider,
      config: commonConfig.parse({
        name: provider.name,
        timeoutMs: 5000,
        attempts: 3,
        adopt: ['*'],
        ...more[provider.name],
      }),
    })),
    groups: [
      {
        name: 'three',
        members: ['a', 'b', 'c'],
        weights: {},
        settings,
        tenants: null,
        ...(dataKeyCache === undefined ? {} : { dataKeyCache: { ...LIMITS_DEFAULT, ...dataKeyCache } }),
      },
    ],
  });
  t.after(() => service.remove());
  return { ...service, a, b, c, pace };
}

/** Fails calls of these operations, or all. */
export function failing(code: ErrorCode, ...operations: readonly FakeOperation[]): FakeProvider['fault'] {
  return ({ operation }): FakeFault | null =>
    operations.length === 0 || operations.includes(operation) ? { kind: 'fail', code, applied: false } : null;
}

/** Does something else as well, once, while a call of this operation is under way. */
export function meanwhile(
  operation: FakeOperation,
  work: () => Promise<unknown>,
  fault: FakeProvider['fault'] = () => null,
): FakeProvider['fault'] {
  let isDone = false;
  return (call) => {
    if (call.operation === operation && !isDone) {
      isDone = true;
      void work();
    }
    return fault(call);
  };
}
