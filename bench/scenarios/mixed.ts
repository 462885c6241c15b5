/**
 * P-256 beside what is slow: RSA-4096 and ML-DSA are kept at saturation by clients of their own, as many connections each
 * as the bench has, while P-256 does what it does alone.
 *
 * @module
 */
import type { Scenario } from '../bench.ts';
import { CASES } from '../cases.ts';
import { compare, prepareGood } from '../good-clients.ts';
import type { LoadResult } from '../load.ts';
import { closedOrder, failuresOf, rateOf, warmUp } from '../orders.ts';
import { median } from '../stats.ts';

const SLOW = ['rsa4096-pss-sign', 'ml-dsa-65-sign'] as const;

export const mixed: Scenario = {
  title: 'P-256 sign beside saturated RSA-4096 and ML-DSA-65',
  takes: '40 s',
  run: async (bench) => {
    const server = await bench.serve();
    const good = await prepareGood(server);
    const slow = await Promise.all(SLOW.map((name) => CASES[name]!.prepare(server.world)));
    const slowResults: LoadResult[][] = [];
    const order = closedOrder(bench, server, good);
    const slowOrders = slow.map((prepared) => closedOrder(bench, server, prepared));
    await warmUp(bench, [order, ...slowOrders]);
    const { figures, failures } = await compare(bench, order, good, async (during) => {
      const [result, ...others] = await Promise.all([during(), ...slowOrders.map(bench.load)]);
      slowResults.push(others);
      return result;
    });
    const rate = (at: number): number => median(slowResults.map((results) => rateOf(results[at]!)));
    const slowFailures = await Promise.all(
      slow.map((prepared, at) =>
        failuresOf(
          slowResults.map((results) => results[at]!),
          prepared,
        ),
      ),
    );
    return {
      figures: { ...figures, rsa4096PerSecond: rate(0), mlDsa65PerSecond: rate(1) },
      failures: [...failures, ...slowFailures.flat()],
    };
  },
};
