/**
 * The start of a server: every reason for which it fails is one message, and exit code 1 for a supervisor.
 *
 * The server is loaded only here, so that a command that talks to one starts without it.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { Config } from '../../server/config.ts';
import type * as Server from '../../server/run.ts';
import { StartError } from '../start-error.ts';
import type { Terminal } from '../terminal.ts';

export const CONFIG_HELP = 'configuration file, YAML or JSON; CLAVIGER_CONFIG names one as well';

type Run = typeof Server;

/**
 * Reads the configuration and starts a server with it.
 *
 * @throws StartError
 */
export async function startServer<S>(
  terminal: Terminal,
  configFile: string | undefined,
  start: (run: Run, config: Config) => Promise<S>,
): Promise<{ readonly config: Config; readonly server: S }> {
  const { serverConfig } = await import('./server-config.ts');
  const run = await import('../../server/run.ts');
  try {
    const config = serverConfig(terminal, configFile);
    return { config, server: await start(run, config) };
  } catch (cause) {
    if (cause instanceof ClavigerError && cause.code !== 'INTERNAL') throw new StartError(cause.message, { cause });
    const { code, message } = cause as NodeJS.ErrnoException;
    // The operating system says why: a folder that cannot be made, a certificate that cannot be read.
    if (code !== undefined && /^E[A-Z]+$/.test(code)) throw new StartError(message, { cause });
    throw cause;
  }
}
