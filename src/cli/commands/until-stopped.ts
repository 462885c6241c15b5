/**
 * A server in the foreground: waits for its end, and passes on what the operating system asks of it.
 *
 * @module
 */
import { constants } from 'node:os';
import type { RunningServer } from '../../server/run.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** A terminal's Ctrl-C reaches us twice where npm or our own launcher passes it on as well. */
const ECHO_MS = 300;

/**
 * Runs a server to its end; gives the exit code. The first signal stops it gracefully, a second one ends the process.
 *
 * @param stopping told at the first signal
 */
export async function untilStopped(server: RunningServer, stopping: (signal: string) => void): Promise<number> {
  let firstMs: number | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (firstMs !== null) {
      if (performance.now() - firstMs > ECHO_MS) process.exit(128 + constants.signals[signal]);
      return;
    }
    firstMs = performance.now();
    stopping(signal);
    server.stop();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const code = await server.stopped;
  // A server that failed still holds its port and answers nothing; its supervisor starts it anew.
  if (code !== 0) process.exit(code);
  for (const signal of SIGNALS) process.off(signal, onSignal);
  return code;
}
