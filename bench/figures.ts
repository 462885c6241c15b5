/**
 * The figures of the documentation, drawn from a run: each only where its parts were measured.
 *
 * @module
 */
import type { Run } from './report.ts';
import { lineThrough } from './stats.ts';
import { barChart, lineChart, type Bar } from './svg.ts';
import { whole } from './table.ts';
import { figureText, TARGETS, type Figures } from './targets.ts';
import { figuresOf } from './report.ts';
import { SETTLING_SHARE } from './scenarios/soak.ts';

export interface Figure {
  /** Name in docs/images. */
  readonly file: string;
  readonly svg: string;
}

export function figuresIn(run: Run): readonly Figure[] {
  const figures = figuresOf(run);
  const where = `${run.machine.cores} cores, load included`;
  return [
    ...throughput(figures, where),
    ...latency(figures, where),
    ...neighbours(figures, where),
    ...beside(figures, where),
    ...memory(run, figures),
  ];
}

const THROUGHPUT: readonly (readonly [part: string, figure: string, label: string])[] = [
  ['p256-sign', 'requestsPerSecond', 'P-256 sign'],
  ['p256-sign-aws', 'requestsPerSecond', 'P-256 sign, AWS protocol'],
  ['ed25519-sign', 'requestsPerSecond', 'Ed25519 sign'],
  ['rsa2048-pss-sign', 'requestsPerSecond', 'RSA-2048 PSS sign'],
  ['aes-encrypt-1k', 'requestsPerSecond', 'AES-256-GCM encrypt 1 KiB'],
  ['hmac-sha256', 'requestsPerSecond', 'HMAC-SHA-256'],
  ['p256-sign-batch', 'itemsPerSecond', 'P-256 sign, batches of 100'],
  ['aes-encrypt-batch', 'itemsPerSecond', 'AES-256-GCM, batches of 100'],
];

function throughput(figures: Figures, where: string): readonly Figure[] {
  const bars = THROUGHPUT.flatMap(([part, figure, label]): Bar[] => {
    const value = figures[part]?.[figure];
    return value === undefined ? [] : [bar(label, value, `${whole(value)}/s`, part, figure)];
  });
  if (bars.length < THROUGHPUT.length) return [];
  const title = `Operations a second, each with a durable audit record (${where})`;
  return [{ file: 'bench-throughput.svg', svg: barChart({ title, description: inWords(bars), bars }) }];
}

const PERCENTILES: readonly (readonly [figure: string, label: string])[] = [
  ['meanMs', 'mean'],
  ['p50Ms', 'p50'],
  ['p99Ms', 'p99'],
  ['p999Ms', 'p99.9'],
  ['maxMs', 'slowest'],
];

function latency(figures: Figures, where: string): readonly Figure[] {
  const steady = figures['steady'];
  if (steady?.['meanMs'] === undefined) return [];
  const bars = PERCENTILES.map(([figure, label]) => {
    const value = steady[figure] ?? 0;
    return bar(label, value, `${figureText(value)} ms`, 'steady', figure);
  });
  const title = `Latency of P-256 signatures at 10,000/s for ${whole(steady['seconds'] ?? 0)} s (${where})`;
  return [{ file: 'bench-latency.svg', svg: barChart({ title, description: inWords(bars), bars }) }];
}

const NEIGHBOURS: readonly (readonly [part: string, label: string])[] = [
  ['mixed', 'RSA-4096 and ML-DSA'],
  ['slow-client', 'slow clients'],
  ['idle-connections', '10,000 idle connections'],
  ['flood', 'a flood of strangers'],
];

function neighbours(figures: Figures, where: string): readonly Figure[] {
  const bars = NEIGHBOURS.flatMap(([part, label]): Bar[] => {
    const { p99AloneMs, p99Ms } = figures[part] ?? {};
    if (p99AloneMs === undefined || p99Ms === undefined) return [];
    const limit = TARGETS.find((target) => target.part === part && target.figure === 'p99Ratio')?.bound;
    const ratio = limit !== undefined && 'atMost' in limit ? limit.atMost : NaN;
    return [
      {
        label: `beside ${label}`,
        value: p99Ms,
        text: `${figureText(p99Ms)} ms`,
        tone: 'own',
        mark: { value: ratio * p99AloneMs, text: `${ratio} ×` },
      },
      { label: 'alone', value: p99AloneMs, text: `${figureText(p99AloneMs)} ms`, tone: 'other' },
    ];
  });
  if (bars.length < 2 * NEIGHBOURS.length) return [];
  const title = `p99 of P-256 signatures beside bad neighbours (${where})`;
  return [{ file: 'bench-neighbours.svg', svg: barChart({ title, description: inWords(bars), bars }) }];
}

const PAIRS: readonly (readonly [name: string, label: string])[] = [
  ['sign', 'P-256 sign'],
  ['encrypt', 'AES-256-GCM encrypt 1 KiB'],
];

function beside(figures: Figures, where: string): readonly Figure[] {
  const { vault } = figures;
  if (vault?.['signRatio'] === undefined) return [];
  const bars = PAIRS.flatMap(([name, label]): Bar[] => {
    const ours = vault[`${name}PerSecond`] ?? 0;
    const theirs = vault[`${name}VaultPerSecond`] ?? 0;
    const ratio = vault[`${name}Ratio`] ?? 0;
    return [
      {
        label,
        value: ours,
        text: `${whole(ours)}/s, ${ratio.toFixed(1)} ×`,
        tone: 'own',
        mark: { value: 3 * theirs, text: '3 ×' },
      },
      { label: 'Vault Transit', value: theirs, text: `${whole(theirs)}/s`, tone: 'other' },
    ];
  });
  const title = `Beside Vault Transit with its file audit device, in one run (${where})`;
  return [{ file: 'bench-vault.svg', svg: barChart({ title, description: inWords(bars), bars }) }];
}

function memory({ scenarios }: Run, figures: Figures): readonly Figure[] {
  const points = scenarios.find(({ name }) => name === 'soak')?.series?.['rssMib'];
  const { minutes, mibPerHour, requestsPerSecond } = figures['soak'] ?? {};
  if (points === undefined || minutes === undefined || mibPerHour === undefined) return [];
  const fromX = SETTLING_SHARE * minutes;
  const line = lineThrough(points.filter(([x]) => x >= fromX && x <= minutes));
  const fitText = `${mibPerHour >= 0 ? '+' : '−'}${figureText(Math.abs(mibPerHour))} MiB an hour`;
  const title = `Memory of the server at ${whole(requestsPerSecond ?? 0)} P-256 signatures a second`;
  const svg = lineChart({
    title,
    description: `Resident memory over ${figureText(minutes)} minutes; a line through it from minute ${figureText(fromX)} on: ${fitText}.`,
    points,
    fit: { fromX, ...line, text: fitText },
    xText: `${figureText(minutes)} min`,
    yText: 'MiB',
  });
  return [{ file: 'bench-soak.svg', svg }];
}

/** A bar of ours, with a mark where it has a target. */
function bar(label: string, value: number, text: string, part: string, figure: string): Bar {
  const bound = TARGETS.find((target) => target.part === part && target.figure === figure)?.bound;
  if (bound === undefined) return { label, value, text, tone: 'own' };
  const limit = Object.values(bound)[0] as number;
  return {
    label,
    value,
    text,
    tone: 'own',
    mark: { value: limit, text: `${'atLeast' in bound ? '≥' : '<'} ${whole(limit)}` },
  };
}

function inWords(bars: readonly Bar[]): string {
  return `${bars.map(({ label, text }) => `${label}: ${text}`).join('; ')}.`;
}
