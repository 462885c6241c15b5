/**
 * Tables and records for people: aligned columns without frames, which `cut`, `grep` and eyes read alike.
 *
 * @module
 */
import { stripVTControlCharacters } from 'node:util';

const GAP = '  ';
/** Control characters would let a key's description rewrite the screen. */
const CONTROL = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Rows under headings; the last column is not padded. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => shownLength(row[column] ?? ''))),
  );
  return [headings, ...rows].map((row) => line(row, widths)).join('\n');
}

/** Names and values, one a line; what has no value is left out. */
export function record(fields: readonly (readonly [name: string, value: string | null | undefined])[]): string {
  const shown = fields.filter((field): field is readonly [string, string] => Boolean(field[1]));
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}${GAP}${value}`).join('\n');
}

/** Text from the server, safe to show. */
export function plain(text: string): string {
  return text.replace(CONTROL, '?');
}

/** `2026-01-31 12:00:00`, UTC. */
export function shortTime(iso: string | null): string {
  return iso === null ? '' : iso.slice(0, 19).replace('T', ' ');
}

function line(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => cell + ' '.repeat(Math.max(0, widths[column]! - shownLength(cell))))
    .join(GAP)
    .trimEnd();
}

function shownLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
