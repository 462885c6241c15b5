/**
 * The start of a server: every reason for which it fails is one message, and exit code 1 for a supervisor.
 *
 * The server is loaded only here, so that a command that talks to one starts without it.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { Log } from '../../ports/log.ts';
import type { Config } from '../../server/config.ts';
import { createLog, LOG_FORMATS, LOG_LEVELS, type LogOptions } from '../../server/log.ts';
import type * as Server from '../../server/run.ts';
import { Option } from 'commander';
import type { CliCommand } from '../command.ts';
import { StartError } from '../start-error.ts';
import type { Terminal } from '../terminal.ts';

export const CONFIG_HELP = 'configuration file, YAML or JSON; CLAVIGER_CONFIG names one as well';

export interface StartOptions {
  readonly config?: string;
  readonly logFormat?: LogOptions['format'];
  readonly logLevel?: LogOptions['level'];
}

type Run = typeof Server;

/** Adds `--config`, `--log-format` and `--log-level`. */
export function withStartOptions(command: CliCommand): CliCommand {
  return command
    .option('--config <file>', CONFIG_HELP)
    .addOption(new Option('--log-format <format>', 'in place of `log.format`').choices(LOG_FORMATS))
    .addOption(new Option('--log-level <level>', 'in place of `log.level`').choices(LOG_LEVELS));
}

/**
 * Reads the configuration and starts a server with it.
 *
 * @param usualFormat of its log, where nobody says one
 * @throws StartError
 */
export async function startServer<S>(
  terminal: Terminal,
  { config: configFile, logFormat, logLevel }: StartOptions,
  usualFormat: LogOptions['format'],
  start: (run: Run, config: Config, log: Log) => Promise<S>,
): Promise<{ readonly config: Config; readonly log: Log; readonly server: S }> {
  const { serverConfig } = await import('./server-config.ts');
  const run = await import('../../server/run.ts');
  try {
    const config = serverConfig(terminal, configFile);
    const { format = usualFormat, level } = config.log;
    const log = createLog({ format: logFormat ?? format, level: logLevel ?? level });
    return { config, log, server: await start(run, config, log) };
  } catch (cause) {
    if (cause instanceof ClavigerError && cause.code !== 'INTERNAL') throw new StartError(cause.message, { cause });
    const { code, message } = cause as NodeJS.ErrnoException;
    // The operating system says why: a folder that cannot be made, a certificate that cannot be read.
    if (code !== undefined && /^E[A-Z]+$/.test(code)) throw new StartError(message, { cause });
    throw cause;
  }
}
