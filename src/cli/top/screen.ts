/**
 * A view as lines for a person: as wide as the terminal, the busiest rows first, nothing that needs colour to be seen.
 *
 * @module
 */
import { plain } from '../table.ts';
import type { Latency, ProviderRow, Row, View } from './view.ts';

export interface ScreenOptions {
  /** Columns and rows that there are. */
  readonly width: number;
  readonly height: number;
  /** What the rows are: `OPERATION`. */
  readonly heading: string;
  readonly title: string;
  readonly bold: (text: string) => string;
  readonly alarm: (text: string) => string;
}

/** Fits `INVALID_CIPHERTEXT` beside the numbers on 80 columns. */
const COLUMNS = [
  { heading: 'RATE/s', width: 9, of: (row: Row) => count(row.perSecond) },
  { heading: 'ERR/s', width: 8, of: (row: Row) => count(row.errorsPerSecond) },
  { heading: 'p50 ms', width: 8, of: (row: Row) => milliseconds(row.p50Ms) },
  { heading: 'p99 ms', width: 8, of: (row: Row) => milliseconds(row.p99Ms) },
] as const;
const NAME_WIDTH_MIN = 16;
const NAME_WIDTH_MAX = 36;

export function screenOf(view: View, options: ScreenOptions): readonly string[] {
  const { width, height, heading, title, bold, alarm } = options;
  const { total, audit, process: own } = view;
  const head = [
    bold(cut(`${title}  version ${view.version}, up ${span(view.uptimeSeconds)}`, width)),
    facts(width, [
      ['requests', `${count(total.perSecond)}/s`],
      ['errors', `${count(total.errorsPerSecond)}/s`],
      ['p50', latencyText(total, 'p50Ms')],
      ['p99', latencyText(total, 'p99Ms')],
      ['in flight', count(view.inFlight)],
      ['connections', count(view.connections)],
    ]),
    facts(width, [
      ['loop busy', percent(view.loop.busy)],
      ['late p99', `${milliseconds(view.loop.delayP99Ms)} ms`],
      ['writer busy', percent(view.writer.busy)],
      ['slow operations', `${view.slow.running}+${view.slow.waiting}`],
      ['cache', view.cache.hitRatio === null ? '-' : percent(view.cache.hitRatio)],
    ]),
    logLine(view, width, alarm),
    facts(width, [
      ['cpu', percent(own.cpu)],
      ['memory', bytes(own.residentBytes)],
      ['heap', bytes(own.heapBytes)],
      ['files', own.openFiles === null ? '-' : count(own.openFiles)],
      ['store', bytes(view.store.bytes)],
      ['free', bytes(view.store.freeBytes)],
    ]),
    ...view.providers.map((provider) => providerLine(provider, width, alarm)),
    '',
  ];
  const room = Math.max(0, height - head.length - 1);
  const rows = view.rows.slice(0, room);
  const fixed = COLUMNS.reduce((sum, column) => sum + column.width, 0);
  const nameWidth = Math.min(NAME_WIDTH_MAX, Math.max(NAME_WIDTH_MIN, width - fixed - 22));
  const line = (name: string, cells: readonly string[], more: string): string =>
    cut([name.slice(0, nameWidth).padEnd(nameWidth), ...cells, more === '' ? '' : `  ${more}`].join(''), width);
  return [
    ...head,
    bold(
      line(
        heading,
        COLUMNS.map((column) => column.heading.padStart(column.width)),
        audit.available ? 'MOST ERRORS ARE' : '',
      ),
    ),
    ...rows.map((row) =>
      line(
        plain(row.name),
        COLUMNS.map((column) => column.of(row).padStart(column.width)),
        plain(row.commonError ?? ''),
      ),
    ),
  ];
}

function providerLine(provider: ProviderRow, width: number, alarm: (text: string) => string): string {
  const { name, circuit, perSecond, errorsPerSecond, retriesPerSecond, failoversPerSecond, missingPerSecond } =
    provider;
  const line = facts(width, [
    [plain(name).padEnd(16), circuit.padEnd(11)],
    ['calls', `${count(perSecond)}/s`],
    ['errors', `${count(errorsPerSecond)}/s`],
    ['p99', latencyText(provider, 'p99Ms')],
    ['again', `${count(retriesPerSecond)}/s`],
    ['failed over', `${count(failoversPerSecond)}/s`],
    ['wraps missing', `${count(missingPerSecond)}/s`],
  ]);
  return circuit === 'closed' ? line : alarm(line);
}

function logLine({ audit }: View, width: number, alarm: (text: string) => string): string {
  if (!audit.available) return alarm(cut('THE AUDIT LOG CANNOT BE WRITTEN: nothing is answered', width));
  const late = audit.checkpointLagSeconds >= 1 ? ` for ${span(audit.checkpointLagSeconds)}` : '';
  return facts(width, [
    ['log', `${count(audit.records)} records`],
    ['group', audit.groupSize === null ? '-' : count(audit.groupSize)],
    ['commit p50', latencyText(audit.commit, 'p50Ms')],
    ['p99', latencyText(audit.commit, 'p99Ms')],
    ['waiting', count(audit.waiting)],
    ['uncovered', `${count(audit.uncovered)}${late}`],
  ]);
}

/** As many as there is room for: those that matter come first. */
function facts(width: number, pairs: readonly (readonly [name: string, value: string])[]): string {
  return pairs
    .map(([name, value]) => `${name} ${value}`)
    .reduce((line, fact) => (line.length + 2 + fact.length <= width ? `${line}  ${fact}` : line));
}

function latencyText(latency: Latency, which: keyof Latency): string {
  return `${milliseconds(latency[which])} ms`;
}

/** `12,345`, `12.3` below a hundred, `0` for nothing. */
export function count(value: number): string {
  const rounded = value < 100 ? Math.round(value * 10) / 10 : Math.round(value);
  return rounded.toLocaleString('en-US');
}

export function milliseconds(value: number | null): string {
  if (value === null) return '-';
  return value < 100 ? value.toFixed(value < 10 ? 2 : 1) : Math.round(value).toLocaleString('en-US');
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function bytes(value: number): string {
  const power = Math.min(BYTE_UNITS.length - 1, value < 1 ? 0 : Math.floor(Math.log2(value) / 10));
  return `${count(value / 1024 ** power)} ${BYTE_UNITS[power]}`;
}

/** `3d 4h`, `4h 12m`, `12m 5s`, `5s`. */
export function span(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [Math.floor(seconds) % 60, 's'],
  ] as const;
  const first = parts.findIndex(([number]) => number > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .map(([number, unit]) => `${number}${unit}`)
    .join(' ');
}

function cut(text: string, width: number): string {
  return text.length <= width ? text.trimEnd() : text.slice(0, width);
}
