/**
 * Markdown tables that are aligned for a terminal as well.
 *
 * @module
 */

/** The first `leftColumns` columns are words, the others numbers. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  leftColumns = 1,
): readonly string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const isLeft = (column: number): boolean => column < leftColumns;
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => (isLeft(at) ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join(' | ')} |`;
  const rule = widths.map((width, at) => (isLeft(at) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)];
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `p99AloneMs` as a reader says it: `p99 alone ms`. */
export function wordsOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
