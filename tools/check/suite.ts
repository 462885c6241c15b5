/**
 * Runs checks one after the other, shows what each failure said, and sums up.
 *
 * @module
 */
import { duration } from '../run.ts';

export interface Finding {
  readonly ok: boolean;
  /** Shown where the check failed. */
  readonly output: string;
  /** What was examined, in a few words, for the line of a check that passed. */
  readonly note?: string;
}

export interface Check {
  readonly name: string;
  readonly run: () => Promise<Finding>;
}

/** Runs every check, also after one has failed; gives the exit code. A check that throws has failed. */
export async function runChecks(checks: readonly Check[], print: (line: string) => void): Promise<0 | 1> {
  const failed: string[] = [];
  for (const check of checks) {
    const startMs = performance.now();
    const finding = await check.run().catch(thrown);
    const time = duration(performance.now() - startMs);
    const note = finding.note === undefined ? '' : `  (${finding.note})`;
    print(`${finding.ok ? 'ok    ' : 'FAILED'}  ${check.name.padEnd(8)} ${time.padStart(10)}${note}`);
    if (finding.ok) continue;
    failed.push(check.name);
    print(indent(finding.output.trimEnd() || 'it failed without a word'));
  }
  const ok = failed.length === 0 && checks.length > 0;
  if (checks.length === 0) print('check: nothing was checked');
  else if (ok) print(`check: all ${checks.length} passed`);
  else print(`check: ${failed.length} of ${checks.length} failed: ${failed.join(', ')}`);
  return ok ? 0 : 1;
}

function thrown(error: unknown): Finding {
  return { ok: false, output: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gmu, '    ');
}
