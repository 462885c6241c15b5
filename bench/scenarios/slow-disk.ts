/**
 * A disk that takes 5 ms for each commit: the server runs with a library before its own that makes every `fdatasync` that
 * much longer. Many clients then share each commit.
 *
 * @module
 */
import { realpathSync } from 'node:fs';
import { onDisk } from '../../tools/disk-shim/environment.ts';
import { havePeer } from '../../tools/peers/install.ts';
import type { Scenario } from '../bench.ts';
import type { ServerProcess } from '../children.ts';
import { prepareGood } from '../good-clients.ts';
import { closedOrder, failuresOf, otherCoresOf, rateOf, warmUp } from '../orders.ts';
import { median, spreadOf } from '../stats.ts';

const COMMIT_MS = 5;
const CONNECTIONS = 256;

export const slowDisk: Scenario = {
  title: `P-256 sign with ${COMMIT_MS} ms a commit, ${CONNECTIONS} connections`,
  takes: '25 s',
  run: async (bench) => {
    const { library } = await havePeer('disk-shim', bench.say);
    const folder = realpathSync(bench.folder);
    const server = await bench.serve(onDisk(library, { folder, syncDelayUs: COMMIT_MS * 1000 }));
    const prepared = await prepareGood(server);
    const order = { ...closedOrder(bench, server, prepared), connections: CONNECTIONS };
    await warmUp(bench, [order]);
    const oneAloneMs = await signOnce(server);
    const results = [];
    for (let round = 1; round <= bench.rounds; round++) {
      results.push(await bench.load(order));
      const { answers, windowMs } = results.at(-1)!;
      bench.say(`${round}/${bench.rounds}  ${Math.round((answers * 1000) / windowMs)} requests/s`);
    }
    const rate = spreadOf(results.map(rateOf));
    return {
      figures: {
        requestsPerSecond: rate.median,
        minPerSecond: rate.min,
        maxPerSecond: rate.max,
        p50Ms: median(results.map(({ latencyMs }) => latencyMs.p50)),
        p99Ms: median(results.map(({ latencyMs }) => latencyMs.p99)),
        oneAloneMs,
        otherCores: median(results.map(otherCoresOf)),
      },
      failures: [
        ...(await failuresOf(results, prepared)),
        ...(oneAloneMs < COMMIT_MS
          ? [`the disk was not slow: one signature alone took ${oneAloneMs.toFixed(1)} ms`]
          : []),
      ],
    };
  },
};

/** How long one signature takes while nobody else asks: a commit, and little more. */
async function signOnce({ world }: ServerProcess): Promise<number> {
  const key = await world.key('P-256');
  const begunMs = performance.now();
  await world.client.sign({ key, message: Buffer.from('alone') });
  return performance.now() - begunMs;
}
