/**
 * Homes of a key for tests: fake providers behind guards.
 *
 * @module
 */
import { systemRandom } from '../../src/crypto/random.ts';
import type { ErrorCode } from '../../src/errors.ts';
import type { Usage } from '../../src/model/spec.ts';
import { systemClock } from '../../src/ports/clock.ts';
import type { Random } from '../../src/ports/random.ts';
import { FakeProvider, type FakeFault, type FakeOptions } from '../../src/providers/fake/index.ts';
import type { CallOptions } from '../../src/providers/provider.ts';
import {
  Guard,
  type GroupSettings,
  type GuardEvents,
  type GuardSettings,
  type Home,
} from '../../src/resilience/index.ts';

export const GUARD: GuardSettings = {
  timeoutMs: 500,
  attempts: 3,
  maxConcurrent: 256,
  breaker: { failures: 5, openMs: 10_000 },
};

export const GROUP: GroupSettings = {
  wrapQuorum: 1,
  wrapGraceMs: 50,
  deadlineMs: 2000,
  balance: 'order',
  hedgeMs: null,
};

/** Random bytes, but for the four of a jitter, which are zeros: then times in tests are whole numbers. */
export const withoutJitter: Random = {
  bytes: (length) => (length === 4 ? Buffer.alloc(length) : systemRandom.bytes(length)),
};

export interface FakeHome extends Home {
  readonly fake: FakeProvider;
}

export interface FakeHomeOptions {
  readonly guard?: Partial<GuardSettings>;
  readonly fake?: Partial<FakeOptions>;
  readonly events?: GuardEvents;
  readonly random?: Random;
  readonly weight?: number;
  readonly spec?: 'AES-256-GCM' | 'P-256' | 'HMAC-SHA-256';
}

const USAGES: Readonly<Record<NonNullable<FakeHomeOptions['spec']>, Usage>> = {
  'AES-256-GCM': 'encrypt-decrypt',
  'P-256': 'sign-verify',
  'HMAC-SHA-256': 'mac',
};

/** Options of a call that is never ended from outside. */
export function patient(timeoutMs = 60_000): CallOptions {
  return { signal: new AbortController().signal, timeoutMs };
}

/** A provider with one key, and its guard; making it takes no time, however slow it is. */
export async function fakeHome(name: string, options: FakeHomeOptions = {}): Promise<FakeHome> {
  const { spec = 'AES-256-GCM', random = withoutJitter } = options;
  const { latencyMs = 0, ...rest } = options.fake ?? {};
  let isMade = false;
  const latency = (): number => (!isMade ? 0 : typeof latencyMs === 'number' ? latencyMs : latencyMs());
  const fake = new FakeProvider({ name, clock: systemClock, random, ...rest, latencyMs: latency });
  const { ref } = await fake.lifecycle.create({ spec, usage: USAGES[spec], name: 'key', tags: {} }, patient());
  isMade = true;
  const guard = new Guard(
    fake,
    { ...GUARD, ...options.guard },
    { clock: systemClock, random, ...(options.events === undefined ? {} : { events: options.events }) },
  );
  const { weight } = options;
  return { guard, fake, key: fake.key(ref, spec), ...(weight === undefined ? {} : { weight }) };
}

/** Fails so many calls, or all, but for probes. */
export function failing(code: ErrorCode, times = Number.POSITIVE_INFINITY, applied = false): FakeProvider['fault'] {
  return calls({ kind: 'fail', code, applied }, times);
}

/** Never answers so many calls, or all, but for probes. */
export function hanging(times = Number.POSITIVE_INFINITY): FakeProvider['fault'] {
  return calls({ kind: 'hang', applied: false }, times);
}

function calls(fault: FakeFault, times: number): FakeProvider['fault'] {
  let left = times;
  return ({ operation }) => (operation === 'probe' || left-- <= 0 ? null : fault);
}
