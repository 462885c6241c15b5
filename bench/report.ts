/**
 * What a run came to: numbers for a program, and a page for a reader.
 *
 * @module
 */
import type { ScenarioResult } from './bench.ts';
import { CASES } from './cases.ts';
import type { RawRates } from './children.ts';
import { NO_CPU_TIME, totalOf, type CpuTime } from './cpu-time.ts';
import type { LoadResult } from './load.ts';
import { median, spreadOf, type Latency, type Spread } from './stats.ts';
import { table, whole, wordsOf } from './table.ts';
import { figureText, outcomesOf, outcomeText, type Figures, type Outcome } from './targets.ts';

/** Cores busy with neither server nor load, above which requests/s say little. */
const OTHER_CORES_MAX = 0.2;
const REASON_CHARS_MAX = 300;

/** One round of one case. */
export interface Round {
  readonly raw: RawRates;
  readonly load: LoadResult;
  /** Records that the log has more after the round than before, its own questions aside. */
  readonly recorded: number;
  /** Why the first answer is not right; null where it is. */
  readonly wrong: string | null;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  readonly openssl: string;
  /** Of the folder with the store: where this is memory, nothing durable was measured. */
  readonly fileSystem: string;
  /** Median of one 4 KiB write with fdatasync beside the store, ms. */
  readonly syncMs: number;
}

export interface Run {
  readonly at: string;
  readonly version: string;
  readonly machine: Machine;
  readonly connections: number;
  readonly windowMs: number;
  readonly rounds: number;
  readonly cases: readonly CaseResult[];
  readonly scenarios: readonly ScenarioReport[];
  readonly outcomes: readonly Outcome[];
}

/** A scenario, or the comparison with Vault, that has run. */
export interface ScenarioReport extends ScenarioResult {
  readonly name: string;
  readonly title: string;
}

/** Everything of one case; times of the processor are microseconds a request. */
export interface CaseResult {
  readonly name: string;
  readonly title: string;
  readonly items: number;
  readonly requestsPerSecond: Spread;
  readonly itemsPerSecond: number;
  readonly latencyMs: Latency;
  readonly serverCpuUs: CpuTime & { readonly total: number };
  /** What the load itself cost, beside the server on the same cores. */
  readonly loadCpuUs: number;
  /** What one SigV4 signature cost the load, before the clock ran; 0 where there is none. */
  readonly signingUs: number;
  /** Cores that were busy with neither server nor load. */
  readonly otherCores: number;
  readonly raw: { readonly perSecond: number; readonly cpuUs: number; readonly allCoresPerSecond: number };
  /** Operations a second through the server ÷ those of the bare loop on one core, within one run. */
  readonly ratioToRaw: number;
  /** The same ÷ those of a bare loop on each core. */
  readonly shareOfRaw: number;
  readonly failures: number;
  readonly failureReasons: readonly string[];
}

export function caseResult(name: string, rounds: readonly Round[]): CaseResult {
  const { title, items } = CASES[name]!;
  const rates = rounds.map(({ load }) => (load.answers * 1000) / load.windowMs);
  const requestsPerSecond = spreadOf(rates);
  const perRequest = (pick: (load: LoadResult) => number): number =>
    median(rounds.map(({ load }) => pick(load) / Math.max(1, load.answers)));
  const latency = (figure: keyof Latency): number => median(rounds.map(({ load }) => load.latencyMs[figure]));
  const parts = Object.keys(NO_CPU_TIME) as (keyof CpuTime)[];
  const serverCpuUs = Object.fromEntries(
    parts.map((part) => [part, perRequest(({ serverCpu }) => serverCpu[part])]),
  ) as unknown as CpuTime;
  const failed = rounds.map(failuresOf);
  return {
    name,
    title,
    items,
    requestsPerSecond,
    itemsPerSecond: requestsPerSecond.median * items,
    latencyMs: {
      mean: latency('mean'),
      p50: latency('p50'),
      p99: latency('p99'),
      p999: latency('p999'),
      max: latency('max'),
    },
    serverCpuUs: { ...serverCpuUs, total: perRequest(({ serverCpu }) => totalOf(serverCpu)) },
    loadCpuUs: perRequest(({ loadCpuUs }) => loadCpuUs),
    signingUs: median(rounds.map(({ load }) => load.signingUs)),
    otherCores: median(rounds.map(({ load }) => load.otherCpuUs / 1000 / load.windowMs)),
    raw: {
      perSecond: median(rounds.map(({ raw }) => raw.oneCore.perSecond)),
      cpuUs: median(rounds.map(({ raw }) => raw.oneCore.cpuUs)),
      allCoresPerSecond: median(rounds.map(({ raw }) => raw.allCoresPerSecond)),
    },
    ratioToRaw: median(rounds.map(({ raw }, at) => (rates[at]! * items) / raw.oneCore.perSecond)),
    shareOfRaw: median(rounds.map(({ raw }, at) => (rates[at]! * items) / raw.allCoresPerSecond)),
    failures: failed.reduce((sum, { count }) => sum + count, 0),
    failureReasons: [...new Set(failed.flatMap(({ reasons }) => reasons))],
  };
}

function failuresOf({ load, recorded, wrong }: Round): { count: number; reasons: string[] } {
  const refused = Object.entries(load.statuses).filter(([status]) => status !== '200');
  const unrecorded = Math.max(0, load.answersInAll - recorded);
  const found: [number, string][] = [
    ...refused.map(([status, count]): [number, string] => [count, `status ${status}: ${load.firstAnswer.body}`]),
    [load.unanswered, 'a request without an answer'],
    [unrecorded, 'an answer without a record in the log'],
    [wrong === null ? 0 : 1, wrong ?? ''],
  ];
  const real = found.filter(([count]) => count > 0);
  return { count: real.reduce((sum, [count]) => sum + count, 0), reasons: real.map(([, reason]) => reason) };
}

/** What targets are held against. */
export function figuresOf({ cases, scenarios }: Pick<Run, 'cases' | 'scenarios'>): Figures {
  return {
    ...Object.fromEntries(
      cases.map(({ name, requestsPerSecond, itemsPerSecond, serverCpuUs, shareOfRaw }) => [
        name,
        {
          requestsPerSecond: requestsPerSecond.median,
          itemsPerSecond,
          cpuUs: serverCpuUs.total,
          mainCpuUs: serverCpuUs.main,
          shareOfRaw,
        },
      ]),
    ),
    ...Object.fromEntries(scenarios.map(({ name, figures }) => [name, figures])),
  };
}

export function runOf(run: Omit<Run, 'outcomes'>): Run {
  return { ...run, outcomes: outcomesOf(figuresOf(run)) };
}

/** The page of a run. */
export function markdown(run: Run): string {
  const { at, version, machine, connections, windowMs, rounds } = run;
  const { cpu, cores, kernel, node, openssl, fileSystem, syncMs } = machine;
  return [
    `# Claviger ${version}, ${at.slice(0, 16).replace('T', ' ')} UTC`,
    '',
    `${cpu}, ${cores} cores, Linux ${kernel}; Node ${node}, OpenSSL ${openssl}; store on ${fileSystem}, ` +
      `${syncMs.toFixed(2)} ms a synced write. ${connections} connections from one load process on the same cores; ` +
      `median of ${rounds} rounds of ${windowMs / 1000} s. Bearer token (SigV4 where it says AWS), policy and durable audit on.`,
    '',
    ...body(run, '## '),
    'How to read it: [bench/README.md](../README.md).',
    '',
  ].join('\n');
}

/** What a terminal shows of a run. */
export function plainText(run: Run): string {
  return [...body(run, ''), ...run.outcomes.map(outcomeText)].join('\n');
}

function body({ cases, scenarios, outcomes }: Run, heading: string): readonly string[] {
  return [
    ...(outcomes.length === 0 || heading === '' ? [] : [`${heading}Targets`, '', ...outcomeTable(outcomes), '']),
    ...(cases.length === 0 ? [] : [`${heading}As fast as it is answered`, '', ...caseTable(cases), '']),
    ...(scenarios.length === 0 ? [] : [`${heading}Scenarios`, '', ...scenarios.map(scenarioLine), '']),
    ...notes(cases, scenarios).flatMap((note) => [note, '']),
  ];
}

function outcomeTable(outcomes: readonly Outcome[]): readonly string[] {
  const rows = outcomes.map(({ met, what, bound, value, unit }) => [
    what,
    met ? 'met' : '**missed**',
    bound,
    `${figureText(value)}${unit}`,
  ]);
  return table(['target', '', 'to be', 'measured'], rows, 2);
}

/** Everything of the cases. */
function caseTable(cases: readonly CaseResult[]): readonly string[] {
  const rows = cases.map((result) => {
    const { requestsPerSecond: rate, latencyMs, serverCpuUs: cpu, raw } = result;
    return [
      result.title,
      whole(rate.median),
      `${whole(rate.min)}–${whole(rate.max)}`,
      result.items === 1 ? '' : whole(result.itemsPerSecond),
      latencyMs.p50.toFixed(1),
      latencyMs.p99.toFixed(1),
      cpu.total.toFixed(0),
      `${cpu.main.toFixed(0)} + ${cpu.workers.toFixed(0)} + ${cpu.others.toFixed(0)}`,
      result.loadCpuUs.toFixed(0),
      result.otherCores.toFixed(2),
      whole(raw.perSecond),
      result.ratioToRaw.toFixed(2),
      whole(raw.allCoresPerSecond),
      result.shareOfRaw.toFixed(2),
      whole(result.failures),
    ];
  });
  return table(CASE_HEAD, rows);
}

const CASE_HEAD = [
  'case',
  'requests/s',
  'min–max',
  'items/s',
  'p50 ms',
  'p99 ms',
  'CPU µs',
  'main + workers + others',
  'load µs',
  'other cores',
  'raw/s, 1 core',
  '÷ raw',
  'raw/s, all cores',
  '÷ raw of all',
  'failures',
];

function scenarioLine({ title, figures }: ScenarioReport): string {
  const parts = Object.entries(figures).map(([name, value]) => `${wordsOf(name)} ${figureText(value)}`);
  return `- **${title}**: ${parts.join(' · ')}`;
}

/** Failures, and whether the machine had something else to do. */
function notes(cases: readonly CaseResult[], scenarios: readonly ScenarioReport[]): readonly string[] {
  const failures = [
    ...cases.map(({ title, failureReasons }) => ({ title, reasons: failureReasons })),
    ...scenarios.map(({ title, failures }) => ({ title, reasons: failures })),
  ].flatMap(({ title, reasons }) =>
    reasons.map((reason) => `FAILURE of ${title}: ${reason.slice(0, REASON_CHARS_MAX)}`),
  );
  const busiest = Math.max(
    ...cases.map(({ otherCores }) => otherCores),
    ...scenarios.flatMap(({ figures }) =>
      Object.keys(figures)
        .filter(isOtherCores)
        .map((name) => figures[name]!),
    ),
  );
  const disturbed = `Disturbed: up to ${busiest.toFixed(1)} cores were busy with something else; compare CPU µs, not requests/s.`;
  return [...failures, ...(busiest > OTHER_CORES_MAX ? [disturbed] : [])];
}

function isOtherCores(figure: string): boolean {
  return /othercores$/i.test(figure);
}
