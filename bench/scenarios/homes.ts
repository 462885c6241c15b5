/**
 * Many homes: what a group costs beside the call of a provider, and how long a hundred wraps over three homes take.
 *
 * In this process, with homes that only wait: no server, no network, no cryptography. The cost is processor time of calls through the group,
 * less that of the same calls without it. The wraps go to homes of 5, 10 and 20 ms; what they are held against is as many
 * calls of the slowest home alone, in turn with them.
 *
 * @module
 */
import { setTimeout } from 'node:timers/promises';
import { systemRandom } from '../../src/crypto/random.ts';
import { NO_CONTEXT } from '../../src/model/encryption-context.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { silentLog } from '../../src/ports/log.ts';
import { FakeProvider } from '../../src/providers/fake/index.ts';
import type { Made } from '../../src/providers/provider.ts';
import {
  anyHome,
  Guard,
  wrapEverywhere,
  type GroupSettings,
  type GuardEvents,
  type Home,
} from '../../src/resilience/index.ts';
import { homeEvents } from '../../src/server/home-events.ts';
import { ServerMetrics } from '../../src/server/metrics/server-metrics.ts';
import type { Scenario } from '../bench.ts';
import { median } from '../stats.ts';

/** Of three cloud services in one region, about. */
const LATENCIES_MS = [5, 10, 20] as const;
const CONCURRENT = 100;
/** Calls in flight while the cost is measured. */
const BUSY = 64;
const CALLS_MIN = 2_000;
const TURNS = 20;
const GUARD = { timeoutMs: 2000, attempts: 3, maxConcurrent: 256, breaker: { failures: 5, openMs: 10_000 } };
const GROUP: GroupSettings = {
  wrapQuorum: 3,
  wrapGraceMs: 250,
  deadlineMs: 5000,
  balance: 'least-latency',
  hedgeMs: null,
};
const DATA_KEY = Buffer.alloc(32, 7);
const ANSWER: Made<Buffer> = { value: Buffer.alloc(60), version: '1' };
const NEVER = new AbortController().signal;

export const homes: Scenario = {
  title: `a group of three homes: what it costs, and ${CONCURRENT} wraps at once`,
  takes: '20 s',
  run: async (bench) => {
    const metrics = new ServerMetrics({ tenantName: () => '' });
    const events = homeEvents(metrics, silentLog, { answered: () => undefined, circuit: () => undefined });
    const group = LATENCIES_MS.map((latencyMs) => homeOf(latencyMs, events));
    const alone = (): Promise<unknown> => answeredAfter(LATENCIES_MS.at(-1)!);
    const everywhere = (): Promise<unknown> => wrapEverywhere(group, DATA_KEY, () => NO_CONTEXT, GROUP, NEVER);
    const throughGroup = async (): Promise<void> => {
      await anyHome(group, 'unwrap', true, answered, GROUP, new AbortController().signal);
    };

    const overheadsUs: number[] = [];
    const ratios: number[] = [];
    for (let round = 1; round <= bench.rounds; round += 1) {
      for (const forMs of [bench.warmUpMs, bench.windowMs]) {
        const costUs = (await cpuUs(throughGroup, forMs)) - (await cpuUs(answered, forMs));
        if (forMs === bench.windowMs) overheadsUs.push(costUs);
      }
      const { aloneMs, everywhereMs } = await inTurn(alone, everywhere);
      ratios.push(everywhereMs / aloneMs);
      bench.say(
        `${round}/${bench.rounds}  ${overheadsUs.at(-1)!.toFixed(1)} µs a call; ` +
          `${CONCURRENT} wraps ${everywhereMs.toFixed(1)} ms, the slowest home alone ${aloneMs.toFixed(1)} ms`,
      );
    }
    const retries = group.reduce((sum, { guard }) => sum + guard.status().retries, 0);
    for (const { guard } of group) await guard.close();
    return {
      figures: { overheadUs: median(overheadsUs), wrapsRatio: median(ratios) },
      failures: retries === 0 ? [] : [`${retries} calls were made again, and none should have failed`],
    };
  },
};

/** A home that answers after so many milliseconds, and does nothing in this process meanwhile. */
function homeOf(latencyMs: number, events: GuardEvents): Home {
  const name = `home-${latencyMs}`;
  const provider = new FakeProvider({ name, clock: systemClock, random: systemRandom });
  const guard = new Guard(provider, GUARD, { clock: systemClock, random: systemRandom, events });
  const wrap = (): Promise<Made<Buffer>> => answeredAfter(latencyMs);
  return { guard, key: { ref: 'key', wrap: { bindsContext: true, wrap, unwrap: wrap } } };
}

function answeredAfter(latencyMs: number): Promise<Made<Buffer>> {
  return setTimeout(latencyMs, ANSWER);
}

/** The call of a provider that answers in the next turn of the event loop. */
function answered(): Promise<Made<Buffer>> {
  return new Promise((resolve) => setImmediate(resolve, ANSWER));
}

/** Processor time of this process for one call, in microseconds, with many in flight. */
async function cpuUs(call: () => Promise<unknown>, forMs: number): Promise<number> {
  const before = process.cpuUsage();
  const untilMs = performance.now() + forMs;
  let calls = 0;
  while (calls < CALLS_MIN || performance.now() < untilMs) {
    await Promise.all(Array.from({ length: BUSY }, call));
    calls += BUSY;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

/** Medians of both, measured in turn; the first turn is for the compiler. */
async function inTurn(
  alone: () => Promise<unknown>,
  everywhere: () => Promise<unknown>,
): Promise<{ readonly aloneMs: number; readonly everywhereMs: number }> {
  const aloneMs: number[] = [];
  const everywhereMs: number[] = [];
  for (let turn = 0; turn <= TURNS; turn += 1) {
    aloneMs.push(await wallMs(alone));
    everywhereMs.push(await wallMs(everywhere));
  }
  return { aloneMs: median(aloneMs.slice(1)), everywhereMs: median(everywhereMs.slice(1)) };
}

/** Until all of many calls that begin together have been answered. */
async function wallMs(call: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await Promise.all(Array.from({ length: CONCURRENT }, call));
  return performance.now() - begunMs;
}
