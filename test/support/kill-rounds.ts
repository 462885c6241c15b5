/**
 * `kill -9` at random moments of a load as fast as the machine gives it, many times: after each, the log is whole, and
 * what was answered is in it, once, and holds. CLAVIGER_KILL_ROUNDS sets how many times.
 *
 * Two test files share the rounds, for each has its time limit.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { startChildServer, type ChildServer } from './child-server.ts';
import {
  checkFacts,
  checkRecords,
  factsOf,
  isLife,
  makeSharedKeys,
  Work,
  type Done,
  type Fact,
  type SharedKeys,
} from './lasting-work.ts';
import { servedText, verifyServed } from './served-log.ts';
import { removeFolder, testFolder } from './server.ts';
import { runLoad } from './socket-load.ts';
import { checkLog, readLog } from './stored-log.ts';

const { CI, CLAVIGER_KILL_ROUNDS = CI === 'true' ? '200' : '10' } = process.env;
/** Half of them in each file. */
const ROUNDS = Math.ceil(Number(CLAVIGER_KILL_ROUNDS) / 2);
/** Kills of one folder; its log grows with each, and is verified from its beginning at the end. */
const ROUNDS_OF_FOLDER = 25;
const CONNECTIONS = 64;
/** How far into the load a kill may come; a server that has just started gets faster for about a second. */
const LOAD_MS_MAX = 600;
/** Ciphertexts and signatures, and keys, that are tried after each kill: the last ones. */
const OUTPUTS_TRIED = 10;
const KEYS_TRIED = 25;
const CONFIG = 'limits: { changesPerSecond: 1000000 }';

/**
 * Registers the tests.
 *
 * @param changeOf calls for each that changes a key
 */
export function testKills(changeOf: number): void {
  let folder: string;
  beforeEach(() => {
    folder = testFolder();
  });
  afterEach(() => removeFolder(folder));

  for (let first = 0; first < ROUNDS; first += ROUNDS_OF_FOLDER) {
    const last = Math.min(first + ROUNDS_OF_FOLDER, ROUNDS);
    test(`after each of the kills ${first + 1} to ${last} every answer is in the log once, and holds`, () =>
      killAgainAndAgain(folder, last - first, changeOf));
  }
}

async function killAgainAndAgain(folder: string, rounds: number, changeOf: number): Promise<void> {
  let server = await startChildServer(folder, { config: CONFIG });
  const shared = await makeSharedKeys(server);
  const known = new Set<string>();
  const rates: number[] = [];
  let records = 0;
  let answers = 0;
  let oldest: readonly Done[] = [];
  const checkpoints: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const { done, perSecond, checkpoint } = await loadAndKill(server, shared, changeOf);
    server = await startChildServer(folder, { config: CONFIG });
    checkRecords(readLog(folder, records), done, known);
    records = checkLog(folder, records);
    await checkFacts(server, tried(done));
    if (checkpoint !== null) checkpoints.push(checkpoint);
    if (round === 0) oldest = done;
    answers += done.length;
    rates.push(perSecond);
  }
  // The oldest hold too, not only those since the last start.
  await checkFacts(
    server,
    factsOf(oldest)
      .filter((fact) => !isLife(fact))
      .slice(0, OUTPUTS_TRIED),
  );
  assert.ok((await verifyServed(server, checkpoints)) > answers);
  assert.equal(await server.terminate(), 0);
  const sorted = rates.toSorted((a, b) => a - b).map(Math.round);
  console.log(
    `${rounds} kills, ${answers} answers; answers a second before a kill: median ${sorted[sorted.length >> 1]}, most ${sorted.at(-1)}`,
  );
}

interface Killed {
  readonly done: readonly Done[];
  /** Answers a second in the last half of the load. */
  readonly perSecond: number;
  /** The last one that was seen before the kill. */
  readonly checkpoint: string | null;
}

/** Calls without a pause over many connections, until somewhere in it the server is gone. */
async function loadAndKill(server: ChildServer, shared: SharedKeys, changeOf: number): Promise<Killed> {
  const work = new Work(server, shared, changeOf);
  const done: Done[] = [];
  const load = runLoad({
    endpoint: server.endpoint,
    connections: CONNECTIONS,
    next: (connection) => work.next(connection),
    answered: (answer, connection) => done.push(work.done(answer, connection)),
  });
  while (done.length < CONNECTIONS) await pause(1);
  const loadMs = Math.random() * LOAD_MS_MAX;
  await pause(loadMs / 2);
  const begun = { count: done.length, atMs: performance.now() };
  const checkpoint = await servedText(server, 'checkpoint');
  await pause(loadMs / 2);
  const perSecond = ((done.length - begun.count) / (performance.now() - begun.atMs)) * 1000;
  await server.kill();
  await load;
  return { done, perSecond, checkpoint };
}

/** What was answered last was the most in danger. */
function tried(done: readonly Done[]): readonly Fact[] {
  const facts = factsOf(done);
  const keys = new Set([...new Set(facts.filter(isLife).map(({ key }) => key))].slice(-KEYS_TRIED));
  return [
    ...facts.filter((fact) => isLife(fact) && keys.has(fact.key)),
    ...facts.filter((fact) => !isLife(fact)).slice(-OUTPUTS_TRIED),
  ];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
