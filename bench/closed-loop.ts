/**
 * The cases, each as fast as it is answered: one request in flight on every connection, always.
 *
 * @module
 */
import type { Bench } from './bench.ts';
import { CASES, type Prepared } from './cases.ts';
import { startRaws, type ServerProcess } from './children.ts';
import { closedOrder, rateOf, warmUp } from './orders.ts';
import { caseResult, type CaseResult, type Round } from './report.ts';
import { whole } from './table.ts';
import { newestIndex } from './world.ts';

/** The bare loop is steadier than the server, and needs less. */
const RAW_MS_MAX = 300;

export async function runCases(bench: Bench, names: readonly string[]): Promise<readonly CaseResult[]> {
  const server = await bench.serve();
  const raws = startRaws();
  const rawMs = Math.min(RAW_MS_MAX, bench.windowMs / 8);
  try {
    const prepared = new Map<string, Prepared>();
    for (const name of names) {
      const made = await CASES[name]!.prepare(server.world);
      prepared.set(name, made);
      await warmUp(bench, [closedOrder(bench, server, made)]);
    }
    const done = new Map<string, Round[]>(names.map((name) => [name, []]));
    for (let round = 1; round <= bench.rounds; round++) {
      for (const name of names) {
        const raw = await raws.ask({ name: CASES[name]!.raw, durationMs: rawMs });
        const result = await roundOf(bench, server, prepared.get(name)!);
        done.get(name)!.push({ raw, ...result });
        const rate = rateOf(result.load);
        bench.say(`${round}/${bench.rounds}  ${CASES[name]!.title}: ${whole(rate)} requests/s`);
      }
    }
    return names.map((name) => caseResult(name, done.get(name)!));
  } finally {
    raws.stop();
  }
}

async function roundOf(bench: Bench, server: ServerProcess, prepared: Prepared): Promise<Omit<Round, 'raw'>> {
  const before = await newestIndex(server.world);
  const load = await bench.load(closedOrder(bench, server, prepared));
  // The question before the round left a record of its own.
  const recorded = (await newestIndex(server.world)) - before - 1;
  let wrong: string | null = null;
  try {
    await prepared.check(load.firstAnswer);
  } catch (error) {
    wrong = (error as Error).message;
  }
  return { load, recorded, wrong };
}
