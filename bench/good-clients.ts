/**
 * The good clients: P-256 signatures on a schedule, well below what the server can do, so that their latency shows
 * whatever is in their way and not their own queue. They are measured alone and beside it, in turn.
 *
 * @module
 */
import type { Bench } from './bench.ts';
import { CASES, type Prepared } from './cases.ts';
import type { ServerProcess } from './children.ts';
import type { LoadOrder, LoadResult } from './load.ts';
import { closedOrder, failuresOf, warmUp } from './orders.ts';
import { median } from './stats.ts';

const GOOD_PER_SECOND = 1000;
/** More than are ever busy at once: they wait for the server, not for a connection of their own. */
const GOOD_CONNECTIONS = 64;

/** What is in the way: there while `during` runs. */
export type Beside = (during: () => Promise<LoadResult>) => Promise<LoadResult>;

export interface Comparison {
  readonly figures: { readonly p99AloneMs: number; readonly p99Ms: number; readonly p99Ratio: number };
  readonly failures: readonly string[];
}

export function prepareGood({ world }: ServerProcess): Promise<Prepared> {
  return CASES['p256-sign']!.prepare(world);
}

/** An order for the good clients. */
export function goodOrder(bench: Bench, server: ServerProcess, prepared: Prepared): LoadOrder {
  const pace = { kind: 'open', perSecond: GOOD_PER_SECOND } as const;
  return { ...closedOrder(bench, server, prepared), connections: GOOD_CONNECTIONS, pace };
}

/** Measures an order alone and beside something, as often as the bench has rounds. */
export async function compare(bench: Bench, order: LoadOrder, prepared: Prepared, beside: Beside): Promise<Comparison> {
  await warmUp(bench, [order]);
  const alone: LoadResult[] = [];
  const together: LoadResult[] = [];
  for (let round = 1; round <= bench.rounds; round++) {
    alone.push(await bench.load(order));
    together.push(await beside(() => bench.load(order)));
    const [a, b] = [alone.at(-1)!, together.at(-1)!].map(({ latencyMs }) => latencyMs.p99.toFixed(1));
    bench.say(`${round}/${bench.rounds}  p99 of the good clients: ${a} ms alone, ${b} ms beside`);
  }
  const p99AloneMs = median(alone.map(({ latencyMs }) => latencyMs.p99));
  const p99Ms = median(together.map(({ latencyMs }) => latencyMs.p99));
  return {
    figures: { p99AloneMs, p99Ms, p99Ratio: p99Ms / p99AloneMs },
    failures: await failuresOf([...alone, ...together], prepared),
  };
}
