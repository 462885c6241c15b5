/**
 * `kill -9` at random moments of a load as fast as the machine gives it, many times: after each, the log is whole, and
 * what was answered is in it, once, and holds. CLAVIGER_KILL_ROUNDS sets how many times.
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test, type TestContext } from 'node:test';
import { startChildServer, type ChildServer } from '../support/child-server.ts';
import {
  checkFacts,
  checkRecords,
  factsOf,
  isLife,
  makeSharedKeys,
  Work,
  type Done,
  type SharedKeys,
} from '../support/lasting-work.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { runLoad } from '../support/socket-load.ts';
import { servedText, verifyServed } from '../support/served-log.ts';
import { checkLog, readLog } from '../support/stored-log.ts';

const { CI, CLAVIGER_KILL_ROUNDS = CI === 'true' ? '200' : '10' } = process.env;
const ROUNDS = Number(CLAVIGER_KILL_ROUNDS);
/** Kills of one folder; its log grows with each, and is verified from its beginning at the end. */
const ROUNDS_OF_FOLDER = 25;
const CONNECTIONS = 64;
/** Calls for each that changes a key. */
const CHANGE_OF = 100;
/** How far into the load a kill may come; a server that has just started gets faster for about a second. */
const LOAD_MS_MAX = 600;
/** Ciphertexts and signatures that are tried after each kill: the last ones. */
const OUTPUTS_TRIED = 10;
const CONFIG = 'limits: { changesPerSecond: 1000000 }';

let folder: string;
beforeEach(() => {
  folder = testFolder();
});
afterEach(() => removeFolder(folder));

for (let first = 0; first < ROUNDS; first += ROUNDS_OF_FOLDER) {
  const last = Math.min(first + ROUNDS_OF_FOLDER, ROUNDS);
  test(`after each of the kills ${first + 1} to ${last} every answer is in the log once, and holds`, (t) =>
    killAgainAndAgain(t, last - first));
}

async function killAgainAndAgain(t: TestContext, rounds: number): Promise<void> {
  let server = await startChildServer(folder, { config: CONFIG });
  const shared = await makeSharedKeys(server);
  const known = new Set<string>();
  const rates: number[] = [];
  let records = 0;
  let answers = 0;
  let oldest: readonly Done[] = [];
  const checkpoints: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const { done, perSecond, checkpoint } = await loadAndKill(server, shared);
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
async function loadAndKill(server: ChildServer, shared: SharedKeys): Promise<Killed> {
  const work = new Work(server, shared, CHANGE_OF);
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

function tried(done: readonly Done[]) {
  const facts = factsOf(done);
  return [...facts.filter(isLife), ...facts.filter((fact) => !isLife(fact)).slice(-OUTPUTS_TRIED)];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
