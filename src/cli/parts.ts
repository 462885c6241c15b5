/**
 * Results of several parts: each to its own file, or in base64 on standard output.
 *
 * @module
 */
import { writeFile } from './output.ts';
import type { Session } from './session.ts';
import { record } from './table.ts';

export interface Part {
  readonly name: string;
  /** Absent where it was not asked for. */
  readonly value: Uint8Array | string | undefined;
  /** Where it goes instead of standard output. */
  readonly file?: string | undefined;
  /** What stands in the file, where that is not the value itself. */
  readonly inFile?: Uint8Array | string | undefined;
  readonly secret?: boolean;
}

/** Writes the parts that have files, and shows the others; with `--json` the whole answer is shown. */
export function showParts(session: Session, answer: object, parts: readonly Part[]): void {
  for (const { value, file, inFile = value, secret = false } of parts) {
    if (file !== undefined && inFile !== undefined) writeFile(file, inFile, secret);
  }
  session.answer(answer, () => record(parts.map(({ name, value, file }) => [name, file ?? textOf(value)])));
}

function textOf(value: Uint8Array | string | undefined): string | undefined {
  return value instanceof Uint8Array ? value.toBase64() : value;
}
