/**
 * How far a file is: a bar, bytes, rate and time left, on a terminal only.
 *
 * @module
 */
import { progress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

const SHOW_MS = 100;
const BAR_COLUMNS = 24;
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export interface Meter {
  /** So many bytes more. */
  readonly add: (bytes: number) => void;
  readonly clear: () => void;
}

export interface Measured {
  readonly name: string;
  readonly bytes: number;
  /** Null where nobody knows. */
  readonly total: number | null;
  readonly elapsedMs: number;
}

/** @param total bytes that there will be, null where nobody knows */
export function meter(terminal: Terminal, name: string, total: number | null): Meter {
  const told = progress(terminal);
  const startMs = performance.now();
  let bytes = 0;
  let shownMs = 0;
  return {
    add: (more) => {
      bytes += more;
      const nowMs = performance.now();
      if (nowMs - shownMs < SHOW_MS) return;
      shownMs = nowMs;
      told.show(meterText({ name, bytes, total, elapsedMs: nowMs - startMs }));
    },
    clear: () => told.clear(),
  };
}

/** `big.bin [=====>   ] 45 %  460.0 MiB of 1.0 GiB  512.0 MiB/s  1 s left` */
export function meterText({ name, bytes, total, elapsedMs }: Measured): string {
  const perSecond = elapsedMs > 0 ? (bytes * 1000) / elapsedMs : 0;
  const rate = `${sizeText(perSecond)}/s`;
  if (total === null || bytes > total) return `${name}  ${sizeText(bytes)}  ${rate}`;
  const share = total === 0 ? 1 : bytes / total;
  const leftText = perSecond > 0 ? `  ${timeText((total - bytes) / perSecond)} left` : '';
  return `${name} ${bar(share)} ${Math.floor(share * 100)} %  ${sizeText(bytes)} of ${sizeText(total)}  ${rate}${leftText}`;
}

/** `512 B`, `1.5 KiB`. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What would be rounded to 1,024 is one of the next unit.
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]!}`;
}

function bar(share: number): string {
  const full = Math.floor(share * BAR_COLUMNS);
  return `[${'='.repeat(full)}${full < BAR_COLUMNS ? '>'.padEnd(BAR_COLUMNS - full) : ''}]`;
}

function timeText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
