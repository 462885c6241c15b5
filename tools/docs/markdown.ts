/**
 * The little Markdown that the generated pages are made of.
 *
 * @module
 */

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map((row) => line(row.map(cell)))].join('\n');
}

export function code(text: string): string {
  return `\`${text}\``;
}

/** Blocks with an empty line between them, and a line feed at the end. */
export function blocks(...parts: readonly string[]): string {
  return `${parts.join('\n\n')}\n`;
}

/** A vertical bar would begin a new cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
