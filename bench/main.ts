/**
 * `npm run bench`: the real server as its own process, driven over HTTP, with everything on that a caller gets.
 *
 * Absolute numbers belong to a machine and its neighbours. So each round measures the bare operation of node:crypto
 * just before the server, and rounds go over all cases in turn, that a slow minute hits all of them.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ClavigerClient } from '../src/client/index.ts';
import type { Spec } from '../src/model/spec.ts';
import { VERSION } from '../src/server/version.ts';
import { CASES, type Prepared, type World } from './cases.ts';
import { startLoad, startRaw, startServer, type ServerProcess } from './children.ts';
import type { LoadResult } from './load.ts';
import { machineOf } from './machine.ts';
import { profileSummary } from './profile.ts';
import { caseResult, markdown, notes, table, whole, type Round, type Run } from './report.ts';

const HELP = `npm run bench -- [options]

  --quick             about 20 seconds in all: shorter rounds, less exact
  --case NAME         only this one; may be given more than once
                      ${Object.keys(CASES).join(', ')}
  --rounds N          rounds of each case (3)
  --seconds N         measured in each round (5)
  --connections N     with one request in flight on each (64)
  --name NAME         of the result: bench/results/<date>-NAME.json and .md (full, quick, or the case)
  --folder DIRECTORY  where the server's store is made: a disk, not memory (the system's temporary folder)
  --profile           also profile the server's threads, which slows them, and say where the time goes
  --dry               write no result
`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    case: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string' },
    connections: { type: 'string', default: '64' },
    name: { type: 'string' },
    folder: { type: 'string', default: tmpdir() },
    profile: { type: 'boolean', default: false },
    dry: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const names = values.case ?? Object.keys(CASES);
const unknown = names.filter((name) => !Object.hasOwn(CASES, name));
if (values.help || unknown.length > 0) {
  console.log(unknown.length > 0 ? `there is no case ${unknown.join(', ')}\n\n${HELP}` : HELP);
  process.exit(unknown.length > 0 ? 2 : 0);
}

const rounds = positive('rounds', values.rounds);
const connections = positive('connections', values.connections);
const windowMs = positive('seconds', values.seconds ?? (values.quick ? '0.3' : '5')) * 1000;
const warmUpMs = Math.min(1000, windowMs / 4);
const rawMs = Math.min(300, windowMs / 8);
const shortName = values.name ?? values.case?.join('-') ?? (values.quick ? 'quick' : 'full');

const at = new Date().toISOString();
const machine = machineOf(values.folder);
const profiles = values.profile ? join(values.folder, `claviger-profile-${process.pid}`) : null;
const server = await startServer(values.folder, profiles);
const load = startLoad();
const raw = startRaw();
try {
  const world = worldOf(server);
  const prepared = new Map<string, Prepared>();
  for (const name of names) {
    prepared.set(name, await CASES[name]!.prepare(world));
    // Compiled and cached before anything counts.
    await loadOf(prepared.get(name)!, 0, 2 * warmUpMs);
  }
  const done = new Map<string, Round[]>(names.map((name) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const name of names) {
      const result = await roundOf(world, name, prepared.get(name)!);
      done.get(name)!.push(result);
      const rate = (result.load.answers * 1000) / result.load.windowMs;
      console.error(`${round}/${rounds}  ${CASES[name]!.title}: ${whole(rate)} requests/s`);
    }
  }
  const cases = names.map((name) => caseResult(name, done.get(name)!));
  const run: Run = { at, version: VERSION, machine, connections, windowMs, rounds, cases };
  console.log(['', ...table(cases), '', ...notes(cases)].join('\n'));
  if (!values.dry) write(run);
} finally {
  load.stop();
  raw.stop();
  await server.stop();
}
if (profiles !== null) console.log(`\n${profileSummary(profiles)}`);

async function roundOf({ client }: World, name: string, prepared: Prepared): Promise<Round> {
  const bare = await raw.ask({ name: CASES[name]!.raw, durationMs: rawMs });
  const before = await newestIndex(client);
  const result = await loadOf(prepared, warmUpMs, windowMs);
  // The question before the round left a record of its own.
  const recorded = (await newestIndex(client)) - before - 1;
  let wrong: string | null = null;
  try {
    await prepared.check(result.firstAnswer);
  } catch (error) {
    wrong = (error as Error).message;
  }
  return { raw: bare, load: result, recorded, wrong };
}

function loadOf({ plan }: Prepared, warmUpMs: number, durationMs: number): Promise<LoadResult> {
  return load.ask({ port: server.port, serverPid: server.pid, connections, warmUpMs, durationMs, plan });
}

async function newestIndex(client: ClavigerClient): Promise<number> {
  const { records } = await client.listAuditRecords({ limit: 1 });
  return records[0]!.index;
}

function worldOf({ credentials }: ServerProcess): World {
  const client = new ClavigerClient({ endpoint: credentials.endpoint, token: credentials.token });
  const keys = new Map<Spec, Promise<string>>();
  return {
    client,
    credentials,
    key: (spec) => {
      const known = keys.get(spec) ?? client.createKey({ spec }).then(({ id }) => id);
      keys.set(spec, known);
      return known;
    },
  };
}

function write(run: Run): void {
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${run.at.slice(0, 10)}-${shortName}`);
  writeFileSync(`${file}.json`, `${JSON.stringify(run, rounded, 2)}\n`);
  writeFileSync(`${file}.md`, markdown(run));
  console.log(`\nwritten: ${file}.md and .json`);
}

/** Digits that no repetition confirms only stand in the way of a comparison. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(5)) : value;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  console.error(`--${name} takes a number greater than 0, not \`${text}\``);
  process.exit(2);
}
