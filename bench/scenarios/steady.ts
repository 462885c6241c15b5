/**
 * P-256 signatures at 10,000/s on a schedule, for a minute. This is the latency that callers see who do not wait for each
 * other.
 *
 * @module
 */
import type { Scenario } from '../bench.ts';
import { storeBytes } from '../footprint.ts';
import { prepareGood } from '../good-clients.ts';
import { closedOrder, failureCount, failuresOf, otherCoresOf, rateOf, warmUp } from '../orders.ts';

const PER_SECOND = 10_000;
const FULL_MS = 60_000;
/** A window that is shorter than this is a quick look: a minute would not be quick. */
const FULL_WINDOW_MS = 5000;

export const steady: Scenario = {
  title: 'P-256 sign at 10,000/s, open loop',
  takes: '65 s',
  run: async (bench) => {
    const server = await bench.serve();
    const prepared = await prepareGood(server);
    const order = closedOrder(bench, server, prepared);
    await warmUp(bench, [order]);
    const durationMs = bench.windowMs >= FULL_WINDOW_MS ? FULL_MS : 2 * bench.windowMs;
    const bytesBefore = storeBytes(server.folder);
    const result = await bench.load({ ...order, durationMs, pace: { kind: 'open', perSecond: PER_SECOND } });
    const { mean, p50, p99, p999, max } = result.latencyMs;
    return {
      figures: {
        seconds: durationMs / 1000,
        requestsPerSecond: rateOf(result),
        meanMs: mean,
        p50Ms: p50,
        p99Ms: p99,
        p999Ms: p999,
        maxMs: max,
        lateSentP99Ms: result.lateSentP99Ms,
        bytesPerRecord: (storeBytes(server.folder) - bytesBefore) / result.answersInAll,
        otherCores: otherCoresOf(result),
        failures: failureCount(result),
      },
      failures: await failuresOf([result], prepared),
    };
  },
};
