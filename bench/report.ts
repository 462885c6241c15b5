/**
 * What a run came to: numbers for a program, and a page for a reader.
 *
 * @module
 */
import { CASES } from './cases.ts';
import { NO_CPU_TIME, totalOf, type CpuTime } from './cpu-time.ts';
import type { LoadResult } from './load.ts';
import type { RawResult } from './raw.ts';

/** Cores busy with neither server nor load, above which requests/s say little. */
const OTHER_CORES_MAX = 0.2;

/** One round of one case. */
export interface Round {
  readonly raw: RawResult;
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
}

interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Everything of one case; times of the processor are microseconds a request. */
export interface CaseResult {
  readonly name: string;
  readonly title: string;
  readonly items: number;
  readonly requestsPerSecond: Spread;
  readonly itemsPerSecond: number;
  readonly latencyMs: { readonly mean: number; readonly p50: number; readonly p99: number };
  readonly serverCpuUs: CpuTime & { readonly total: number };
  /** What the load itself cost, beside the server on the same cores. */
  readonly loadCpuUs: number;
  /** What one SigV4 signature cost the load, before the clock ran; 0 where there is none. */
  readonly signingUs: number;
  /** Cores that were busy with neither server nor load. */
  readonly otherCores: number;
  readonly raw: { readonly perSecond: number; readonly cpuUs: number };
  /** Operations a second through the server ÷ those of the bare loop on one core, within one run. */
  readonly ratioToRaw: number;
  readonly failures: number;
  readonly failureReasons: readonly string[];
  readonly floor: { readonly perSecond: number; readonly met: boolean } | null;
}

export function caseResult(name: string, rounds: readonly Round[]): CaseResult {
  const { title, items, floorPerSecond } = CASES[name]!;
  const rates = rounds.map(({ load }) => (load.answers * 1000) / load.windowMs);
  const requestsPerSecond = { median: median(rates), min: Math.min(...rates), max: Math.max(...rates) };
  const perRequest = (pick: (load: LoadResult) => number): number =>
    median(rounds.map(({ load }) => pick(load) / Math.max(1, load.answers)));
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
      mean: median(rounds.map(({ load }) => load.latencyMs.mean)),
      p50: median(rounds.map(({ load }) => load.latencyMs.p50)),
      p99: median(rounds.map(({ load }) => load.latencyMs.p99)),
    },
    serverCpuUs: { ...serverCpuUs, total: perRequest(({ serverCpu }) => totalOf(serverCpu)) },
    loadCpuUs: perRequest(({ loadCpuUs }) => loadCpuUs),
    signingUs: median(rounds.map(({ load }) => load.signingUs)),
    otherCores: median(rounds.map(({ load }) => load.otherCpuUs / 1000 / load.windowMs)),
    raw: {
      perSecond: median(rounds.map(({ raw }) => raw.perSecond)),
      cpuUs: median(rounds.map(({ raw }) => raw.cpuUs)),
    },
    ratioToRaw: median(rounds.map(({ raw }, at) => (rates[at]! * items) / raw.perSecond)),
    failures: failed.reduce((sum, { count }) => sum + count, 0),
    failureReasons: [...new Set(failed.flatMap(({ reasons }) => reasons))],
    floor:
      floorPerSecond === undefined
        ? null
        : { perSecond: floorPerSecond, met: requestsPerSecond.median >= floorPerSecond },
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

export function markdown({ at, version, machine, connections, windowMs, rounds, cases }: Run): string {
  const { cpu, cores, kernel, node, openssl, fileSystem, syncMs } = machine;
  return [
    `# Claviger ${version}, ${at.slice(0, 16).replace('T', ' ')} UTC`,
    '',
    `${cpu}, ${cores} cores, Linux ${kernel}; Node ${node}, OpenSSL ${openssl}; store on ${fileSystem}, ` +
      `${syncMs.toFixed(2)} ms a synced write. ${connections} connections from one load process on the same cores; ` +
      `median of ${rounds} rounds of ${seconds(windowMs)}. Bearer token (SigV4 where it says AWS), policy and durable audit on.`,
    '',
    ...table(cases),
    '',
    ...notes(cases),
    '',
    'How to read it: [bench/README.md](../README.md).',
    '',
  ].join('\n');
}

/** A Markdown table that is aligned for a terminal as well. */
export function table(cases: readonly CaseResult[]): readonly string[] {
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
      whole(result.failures),
    ];
  });
  const all = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join(' | ')} |`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(HEAD), `| ${rule.join(' | ')} |`, ...rows.map(line)];
}

const HEAD = [
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
  'failures',
];

/** Floors, failures, and whether the machine had something else to do. */
export function notes(cases: readonly CaseResult[]): readonly string[] {
  const busiest = Math.max(...cases.map(({ otherCores }) => otherCores));
  const disturbed = `- disturbed: up to ${busiest.toFixed(1)} cores were busy with something else; compare CPU µs, not requests/s`;
  return [...cases.flatMap(notesOf), ...(busiest > OTHER_CORES_MAX ? [disturbed] : [])];
}

function notesOf({ title, requestsPerSecond: { median }, floor, failureReasons }: CaseResult): readonly string[] {
  return [
    ...(floor === null
      ? []
      : [`- floor of ${title}: ${floor.met ? 'met' : 'MISSED'}, ${whole(median)}/s of ${whole(floor.perSecond)}/s`]),
    ...failureReasons.map((reason) => `- FAILURE of ${title}: ${reason.slice(0, 300)}`),
  ];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}
