/**
 * Configuration of `claviger dev` and `claviger serve`: a file, or the defaults, and what the environment replaces.
 *
 * @module
 */
import { resolve } from 'node:path';
import { defaultConfig, loadConfig, type Config } from '../../server/config.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';

const PORT_MAX = 65_535;

/** File of the configuration, or undefined for the defaults. */
export function configFile({ env, folder }: Terminal, named: string | undefined): string | undefined {
  const file = named ?? (env['CLAVIGER_CONFIG'] || undefined);
  return file === undefined ? undefined : resolve(folder, file);
}

/**
 * The configuration, with CLAVIGER_PORT and CLAVIGER_DATA_DIR in place of what it says.
 *
 * @throws ClavigerError that names each mistake; UsageError for a port that is none
 */
export function serverConfig(terminal: Terminal, named: string | undefined): Config {
  const { env, folder } = terminal;
  const file = configFile(terminal, named);
  const config = file === undefined ? defaultConfig() : loadConfig(file, env);
  const dataFolder = env['CLAVIGER_DATA_DIR'] || config.store.folder;
  return {
    ...config,
    listen: { ...config.listen, port: portOf(env['CLAVIGER_PORT']) ?? config.listen.port },
    store: { ...config.store, folder: resolve(folder, dataFolder) },
  };
}

function portOf(text: string | undefined): number | null {
  if (text === undefined || text === '') return null;
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= PORT_MAX) return port;
  throw new UsageError(`CLAVIGER_PORT is \`${text}\`; it must be a number from 0 to ${PORT_MAX}, 0 takes a free port`);
}
