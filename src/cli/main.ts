/**
 * The command line: reads arguments, runs one command, gives its exit code.
 *
 * @module
 */
import { createProgram } from './program.ts';
import { report } from './report.ts';
import { processTerminal, type Environment } from './terminal.ts';

/**
 * @param argv arguments without node and script
 * @param environment as this process was started with
 * @returns the exit code; `claviger help exit-codes` has what each says
 */
export async function main(argv: readonly string[], environment: Environment): Promise<number> {
  const terminal = processTerminal(environment);
  const program = createProgram(terminal);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return program.exitCode;
  } catch (thrown) {
    return report(terminal, thrown, program.opts<{ json?: boolean }>().json ?? false);
  }
}
