/**
 * A program in our place: it has our streams, gets our signals, and its exit code is ours.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process';
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
  let child: ChildProcess;
  const passOn = (signal: NodeJS.Signals): void => {
    if (!terminal.input.isTty || !BY_TERMINAL.has(signal)) child.kill(signal);
  };
  // Before it runs: a signal between its start and ours would end us, and leave it alone.
  for (const signal of PASSED_ON) process.on(signal, passOn);
  try {
    child = spawn(program!, args, { env: { ...env }, stdio: 'inherit' });
    return await ended(child);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'E2BIG')
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        'the values are more than the system gives to a program: leave some out with --only',
        { cause: error },
      );
    terminal.say(
      `claviger: cannot run \`${program!}\`: ${code === 'ENOENT' ? 'there is no such program' : (code ?? 'it did not start')}`,
    );
    return code === 'ENOENT' ? NOT_FOUND : NOT_RUN;
  } finally {
    for (const signal of PASSED_ON) process.off(signal, passOn);
  }
}

function ended(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  child.on('error', reject);
  return promise;
}
