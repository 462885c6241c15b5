/**
 * Standard input is read once.
 *
 * @module
 */
import { UsageError } from './usage-error.ts';

/** @throws UsageError where two inputs are to come from it */
export function requireOneStdin(...inputs: readonly (string | undefined)[]): void {
  if (inputs.filter((input) => input === undefined || input === '-').length < 2) return;
  throw new UsageError('only one input can come from standard input; name a file for the other');
}
