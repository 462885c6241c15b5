/**
 * Orders to the load, and what its results come to.
 *
 * @module
 */
import type { Bench } from './bench.ts';
import type { Prepared } from './cases.ts';
import type { ServerProcess } from './children.ts';
import { totalOf } from './cpu-time.ts';
import type { LoadOrder, LoadResult } from './load.ts';

/** An order for what runs as fast as it is answered. */
export function closedOrder(bench: Bench, server: Pick<ServerProcess, 'pid' | 'port'>, { plan }: Prepared): LoadOrder {
  const { port, pid: serverPid } = server;
  const { connections, warmUpMs, windowMs: durationMs } = bench;
  return { port, serverPid, connections, pace: { kind: 'closed' }, warmUpMs, durationMs, plan };
}

/** Runs orders for a moment, side by side: processes are there, code is compiled and keys are cached before anything counts. */
export async function warmUp(bench: Bench, orders: readonly LoadOrder[]): Promise<void> {
  await Promise.all(orders.map((order) => bench.load({ ...order, warmUpMs: 0, durationMs: 2 * bench.warmUpMs })));
}

/** What is wrong with the answers to a plan, in words: a status that is no 200, none at all, or a wrong first one. */
export async function failuresOf(results: readonly LoadResult[], prepared: Prepared): Promise<readonly string[]> {
  const found: string[] = [];
  for (const result of results) {
    found.push(...refusedOf(result, '200'));
    await prepared.check(result.firstAnswer).catch((error: Error) => found.push(error.message));
  }
  return [...new Set(found)];
}

/** Answers with another status than the expected, and requests without an answer. */
export function refusedOf({ statuses, unanswered }: LoadResult, expected: string): readonly string[] {
  const others = Object.entries(statuses).filter(([status]) => status !== expected);
  return [
    ...others.map(([status, count]) => `${count} answers with status ${status}`),
    ...(unanswered === 0 ? [] : [`${unanswered} requests without an answer`]),
  ];
}

/** Answers with another status than 200, and requests without an answer. */
export function failureCount({ statuses, unanswered }: LoadResult): number {
  return Object.entries(statuses).reduce((sum, [status, count]) => (status === '200' ? sum : sum + count), unanswered);
}

/** Answers a second. */
export function rateOf({ answers, windowMs }: LoadResult): number {
  return (answers * 1000) / windowMs;
}

/** Processor time of the server for one answer, microseconds. */
export function cpuOf({ serverCpu, answers }: LoadResult): number {
  return totalOf(serverCpu) / Math.max(1, answers);
}

/** Cores that were busy with neither the server nor this load. */
export function otherCoresOf({ otherCpuUs, windowMs }: LoadResult): number {
  return otherCpuUs / 1000 / windowMs;
}
