/**
 * A program in our place: it has our streams, gets our signals, and its exit code is ours.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { ClavigerError } from '../../errors.ts';
import type { Environment, Terminal } from '../terminal.ts';

/** As shells have them: not found, and found but not to be run. */
const NOT_FOUND = 127;
const NOT_RUN = 126;

/** What others send to us and mean the program. */
const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGQUIT'] as const;
/** What a terminal sends to us and to the program alike: passed on, it would come twice. */
const BY_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);

/**
 * Runs a program to its end.
 *
 * @returns its exit code, or 128 and the number of the signal that ended it
 * @throws INVALID_ARGUMENT where the variables are more than the system takes
 */
export async function runChild(
  terminal: Terminal,
  [program, ...args]: readonly string[],
  env: Environment,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn(program!, args, { env: { ...env }, stdio: 'inherit' });
  const passOn = (signal: NodeJS.Signals): void => {
    if (!terminal.input.isTty || !BY_TERMINAL.has(signal)) child.kill(signal);
  };
  for (const signal of PASSED_ON) process.on(signal, passOn);
  child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  child.on('error', (error: NodeJS.ErrnoException) => {
    const { code } = error;
    if (code === 'E2BIG') {
      reject(
        new ClavigerError(
          'INVALID_ARGUMENT',
          'the values are more than the system gives to a program: leave some out with --only',
          { cause: error },
        ),
      );
      return;
    }
    terminal.say(
      `claviger: cannot run \`${program!}\`: ${code === 'ENOENT' ? 'there is no such program' : (code ?? 'it did not start')}`,
    );
    resolve(code === 'ENOENT' ? NOT_FOUND : NOT_RUN);
  });
  try {
    return await promise;
  } finally {
    for (const signal of PASSED_ON) process.off(signal, passOn);
  }
}
