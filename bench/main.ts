/**
 * `npm run bench`: the real server as its own process, driven over HTTP, with everything on that a caller gets.
 *
 * Absolute numbers belong to a machine and its neighbours. So each round measures the bare operation of node:crypto
 * just before the server, and rounds go over all cases in turn, that a slow minute hits all of them.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { VERSION } from '../src/server/version.ts';
import type { Bench, ScenarioResult } from './bench.ts';
import { CASES } from './cases.ts';
import { startLoads, startServer, type ServerProcess } from './children.ts';
import { runCases } from './closed-loop.ts';
import { figuresIn } from './figures.ts';
import { machineOf } from './machine.ts';
import { profileSummary } from './profile.ts';
import { markdown, plainText, runOf, type CaseResult, type Run, type ScenarioReport } from './report.ts';
import { SCENARIOS } from './scenarios/index.ts';
import { vaultComparison } from './vault.ts';

const ALL = 'all';
const USUAL = Object.keys(SCENARIOS).filter((name) => !(SCENARIOS[name]!.onRequest ?? false));
const IMAGES = join(import.meta.dirname, '..', 'docs', 'images');
const RESULTS = join(import.meta.dirname, 'results');

const HELP = `npm run bench -- [options]

Without any of the first three: all cases and scenarios, but for what runs only when it is named.

  --case NAME         only this case; may be given more than once; \`all\`
                      ${Object.keys(CASES).join(', ')}
  --scenario NAME     only this scenario; may be given more than once; \`all\` that need not be named
${Object.entries(SCENARIOS)
  .map(([name, { title, takes }]) => `                      ${name.padEnd(17)} ${title} (${takes})`)
  .join('\n')}
  --compare vault     only the comparison with Vault Transit, which is built at the first time (4 to 7 minutes)

  --quick             shorter rounds, and one of each: less exact
  --rounds N          rounds of each case and scenario (3)
  --seconds N         measured in each round (5)
  --connections N     with one request in flight on each (64)
  --minutes N         length of the soak (60)
  --name NAME         of the result: bench/results/<date>-NAME.json and .md (full, quick, or what was named)
  --folder DIRECTORY  where the server's store is made: a disk, not memory (the system's temporary folder)
  --profile           also profile the threads of the servers, which slows them, and say where the time goes
  --dry               write no result and no figure
  --draw FILE         only draw the figures again of a result's .json, into docs/images

Examples:
  npm run bench
  npm run bench -- --case p256-sign --rounds 5
  npm run bench -- --case all --scenario all --compare vault --name 2-cores
  npm run bench -- --scenario soak --minutes 60
`;

const { values } = parsed({
  quick: { type: 'boolean', default: false },
  case: { type: 'string', multiple: true },
  scenario: { type: 'string', multiple: true },
  compare: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  connections: { type: 'string', default: '64' },
  minutes: { type: 'string', default: '60' },
  name: { type: 'string' },
  folder: { type: 'string', default: tmpdir() },
  profile: { type: 'boolean', default: false },
  dry: { type: 'boolean', default: false },
  draw: { type: 'string' },
  help: { type: 'boolean', default: false },
});
if (values.help) {
  console.log(HELP);
  process.exit();
}
if (values.draw !== undefined) {
  draw(JSON.parse(readFileSync(values.draw, 'utf8')) as Run);
  process.exit();
}

const everything = values.case === undefined && values.scenario === undefined && values.compare === undefined;
const caseNames = named('case', values.case ?? (everything ? [ALL] : []), CASES, Object.keys(CASES));
const scenarioNames = named('scenario', values.scenario ?? (everything ? [ALL] : []), SCENARIOS, USUAL);
if (values.compare !== undefined && values.compare !== 'vault') {
  fail(`--compare takes \`vault\`, not \`${values.compare}\``);
}
const rounds = positive('rounds', values.rounds ?? (values.quick ? '1' : '3'));
const connections = positive('connections', values.connections);
const windowMs = positive('seconds', values.seconds ?? (values.quick ? '0.3' : '5')) * 1000;
const warmUpMs = Math.min(1000, windowMs / 4);
const soakMs = positive('minutes', values.minutes) * 60_000;

// In order: what hangs on this process is stopped at its exit.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const at = new Date().toISOString();
const machine = machineOf(values.folder);
const profiles = values.profile ? join(values.folder, `claviger-profile-${process.pid}`) : null;
const loads = startLoads();
const say = (line: string): void => console.error(line);
let cases: readonly CaseResult[] = [];
const scenarios: ScenarioReport[] = [];
try {
  if (caseNames.length > 0) cases = await withServers(profiles, (bench) => runCases(bench, caseNames));
  for (const name of scenarioNames) {
    const { title, run } = SCENARIOS[name]!;
    scenarios.push(await reportOf(name, title, run));
  }
  if (values.compare !== undefined) {
    scenarios.push(await reportOf('vault', vaultComparison.title, vaultComparison.run));
  }
} finally {
  loads.stop();
}
const run = runOf({ at, version: VERSION, machine, connections, windowMs, rounds, cases, scenarios });
console.log(`\n${plainText(run)}`);
if (profiles !== null) console.log(`\n${profileSummary(profiles)}`);
if (!values.dry) {
  write(run);
  if (!values.quick) draw(run);
}

/** Runs something with servers of its own. */
async function withServers<T>(profileFolder: string | null, action: (bench: Bench) => Promise<T>): Promise<T> {
  const servers: ServerProcess[] = [];
  const serve = async (env: Readonly<Record<string, string>> = {}): Promise<ServerProcess> => {
    const server = await startServer(values.folder, { profileFolder, env });
    servers.push(server);
    return server;
  };
  const { folder } = values;
  try {
    return await action({
      serve,
      load: (order) => loads.ask(order),
      say,
      rounds,
      windowMs,
      warmUpMs,
      connections,
      folder,
      soakMs,
    });
  } finally {
    for (const server of servers) await server.stop();
  }
}

/** One that breaks down must not take the others' results with it. */
async function reportOf(
  name: string,
  title: string,
  action: (bench: Bench) => Promise<ScenarioResult & { readonly title?: string }>,
): Promise<ScenarioReport> {
  say(`${title} …`);
  try {
    return { name, title, ...(await withServers(profiles, action)) };
  } catch (error) {
    return { name, title, figures: {}, failures: [`it did not run: ${(error as Error).message}`] };
  }
}

function write(run: Run): void {
  mkdirSync(RESULTS, { recursive: true });
  const shortName = values.name ?? (everything ? (values.quick ? 'quick' : 'full') : [...chosen()].join('-'));
  const file = join(RESULTS, `${run.at.slice(0, 10)}-${shortName}`);
  writeFileSync(`${file}.json`, `${onOneLine(JSON.stringify(run, rounded, 2))}\n`);
  writeFileSync(`${file}.md`, markdown(run));
  console.log(`\nwritten: ${file}.md and .json`);
}

function* chosen(): Generator<string> {
  yield* values.case ?? [];
  yield* values.scenario ?? [];
  if (values.compare !== undefined) yield values.compare;
}

/** Draws the figures whose parts were measured. */
function draw(run: Run): void {
  for (const { file, svg } of figuresIn(run)) {
    writeFileSync(join(IMAGES, file), svg);
    console.log(`drawn: docs/images/${basename(file)}`);
  }
}

/** Digits that no repetition confirms only stand in the way of a comparison. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(5)) : value;
}

/** Points of a series take a line each, not four. */
function onOneLine(json: string): string {
  return json.replaceAll(/\[\s+(-?[\d.e-]+),\s+(-?[\d.e-]+)\s+\]/g, '[$1, $2]');
}

/** The names that were given, or all that are usual. */
function named(option: string, given: readonly string[], known: object, usual: readonly string[]): readonly string[] {
  const unknown = given.filter((name) => name !== ALL && !Object.hasOwn(known, name));
  if (unknown.length > 0) fail(`there is no ${option} ${unknown.join(', ')}`);
  return [...new Set(given.flatMap((name) => (name === ALL ? usual : [name])))];
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  return fail(`--${name} takes a number greater than 0, not \`${text}\``);
}

function parsed<const Options extends NonNullable<ParseArgsConfig['options']>>(options: Options) {
  try {
    return parseArgs({ options });
  } catch (error) {
    return fail((error as Error).message);
  }
}

function fail(message: string): never {
  console.error(`${message}\n\n${HELP}`);
  process.exit(2);
}
