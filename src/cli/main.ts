/**
 * The command line: reads arguments, runs one command, gives its exit code.
 *
 * @module
 */
import { createProgram } from './program.ts';
import { report } from './report.ts';
import { processTerminal } from './terminal.ts';

/**
 * @param argv arguments without node and script
 * @returns the exit code; `claviger help exit-codes` has what each says
 */
export async function main(argv: readonly string[]): Promise<number> {
  const terminal = processTerminal();
  const program = createProgram(terminal);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return program.exitCode;
  } catch (thrown) {
    return report(terminal, thrown, program.opts<{ json?: boolean }>().json ?? false);
  }
}
