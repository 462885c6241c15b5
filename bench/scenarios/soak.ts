/**
 * An hour at 60 % of the limit: does memory stay where it is, and does every descriptor come back?
 *
 * The limit is measured first, on the same server. Memory is the resident set of the whole process; a line is drawn
 * through its samples by least squares, those of the first tenth left out, when caches fill and the compiler works.
 *
 * @module
 */
import { statfsSync } from 'node:fs';
import type { Scenario } from '../bench.ts';
import { prepareGood } from '../good-clients.ts';
import { footprintOf, storeBytes } from '../footprint.ts';
import { closedOrder, failureCount, failuresOf, otherCoresOf, rateOf, warmUp } from '../orders.ts';
import { lineThrough, type Point } from '../stats.ts';

const SHARE_OF_LIMIT = 0.6;
const SAMPLES = 360;
const SAMPLE_MS_MIN = 1000;
/** Left out of the line. */
export const SETTLING_SHARE = 0.1;
/** What one record takes in the store, with room: a soak must not fill somebody's disk. */
const RECORD_BYTES_MAX = 1500;
/** Before that, caches and the compiler have not settled: a slope would be their growth told by the hour. */
const SLOPE_MS_MIN = 20 * 60_000;
const TOLD_EVERY_MS = 5 * 60_000;

export const soak: Scenario = {
  title: 'soak: P-256 sign at 60 % of the limit',
  takes: '60 min, or --minutes',
  onRequest: true,
  run: async (bench) => {
    const server = await bench.serve();
    const prepared = await prepareGood(server);
    const closed = closedOrder(bench, server, prepared);
    await warmUp(bench, [closed]);
    const limit = await bench.load(closed);
    const limitPerSecond = rateOf(limit);
    const perSecond = Math.round(SHARE_OF_LIMIT * limitPerSecond);
    bench.say(`the limit is ${Math.round(limitPerSecond)}/s; ${perSecond}/s for ${bench.soakMs / 60_000} minutes`);
    requireRoom(bench.folder, (perSecond * bench.soakMs) / 1000);

    const samples: { readonly minutes: number; readonly rssMib: number; readonly descriptors: number }[] = [];
    const begunMs = performance.now();
    let toldMs = begunMs;
    const sampling = setInterval(
      () => {
        const nowMs = performance.now();
        samples.push({ minutes: (nowMs - begunMs) / 60_000, ...footprintOf(server.pid) });
        if (nowMs - toldMs < TOLD_EVERY_MS) return;
        toldMs = nowMs;
        const { minutes, rssMib, descriptors } = samples.at(-1)!;
        bench.say(`${Math.round(minutes)} min: ${Math.round(rssMib)} MiB, ${descriptors} descriptors`);
      },
      Math.max(SAMPLE_MS_MIN, bench.soakMs / SAMPLES),
    );
    const order = { ...closed, warmUpMs: 0, durationMs: bench.soakMs, pace: { kind: 'open', perSecond } as const };
    const bytesBefore = storeBytes(server.folder);
    const result = await bench.load(order).finally(() => clearInterval(sampling));

    const settled = samples.filter(
      ({ minutes }) => minutes * 60_000 >= SETTLING_SHARE * bench.soakMs && minutes * 60_000 <= bench.soakMs,
    );
    const memory = settled.map(({ minutes, rssMib }): Point => [minutes, rssMib]);
    const { slope } = lineThrough(memory);
    const { mean, p50, p99, p999, max } = result.latencyMs;
    return {
      figures: {
        minutes: bench.soakMs / 60_000,
        limitPerSecond,
        requestsPerSecond: rateOf(result),
        meanMs: mean,
        p50Ms: p50,
        p99Ms: p99,
        p999Ms: p999,
        maxMs: max,
        ...(bench.soakMs < SLOPE_MS_MIN ? {} : { mibPerHour: slope * 60 }),
        mibFirst: memory[0]![1],
        mibLast: memory.at(-1)![1],
        descriptorsGained: settled.at(-1)!.descriptors - settled[0]!.descriptors,
        bytesPerRecord: (storeBytes(server.folder) - bytesBefore) / result.answersInAll,
        otherCores: otherCoresOf(result),
        failures: failureCount(result),
      },
      failures: await failuresOf([limit, result], prepared),
      series: { rssMib: samples.map(({ minutes, rssMib }): Point => [minutes, rssMib]) },
    };
  },
};

/** @throws Error where the records would not fit */
function requireRoom(folder: string, records: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const needed = records * RECORD_BYTES_MAX;
  if (needed < bavail * bsize) return;
  const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(0)} GiB`;
  throw new Error(
    `the soak would write up to ${gib(needed)} to ${folder}, which has ${gib(bavail * bsize)}: give it another --folder or fewer --minutes`,
  );
}
