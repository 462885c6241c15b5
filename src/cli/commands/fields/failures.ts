/**
 * Values that failed, one a line: where they stand, and never what they are.
 *
 * @module
 */
import type { FieldFailure } from '../../../envelope/fields/index.ts';
import { plain } from '../../table.ts';

/** More are told with --json. */
const SHOWN_MAX = 20;

export function failureLines(failures: readonly FieldFailure[]): readonly string[] {
  const shown = failures.slice(0, SHOWN_MAX);
  const rest = failures.length - shown.length;
  return [
    ...shown.map(({ table, row, column, why }) => plain(`  ${table} ${row} ${column}: ${why}`)),
    ...(rest > 0 ? [`  and ${rest} more; --json has them`] : []),
  ];
}
