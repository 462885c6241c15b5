/**
 * `claviger serve`: a server for production, which logs JSON lines to standard error.
 *
 * @module
 */
import { jsonLog } from '../../server/log.ts';
import { VERSION } from '../../server/version.ts';
import { CliCommand } from '../command.ts';
import type { Session } from '../session.ts';
import { record } from '../table.ts';
import { CONFIG_HELP, startServer } from './start-server.ts';
import { untilStopped } from './until-stopped.ts';

interface ServeOptions {
  readonly config?: string;
  readonly insecureHttp?: boolean;
}

export function serveCommand(): CliCommand {
  return new CliCommand('serve')
    .description('Run a server for production')
    .option('--config <file>', CONFIG_HELP)
    .option('--insecure-http', 'listen on a network without TLS, where a proxy in front does it')
    .examples('claviger serve --config /etc/claviger/claviger.yaml')
    .run<ServeOptions>(serve);
}

async function serve(
  { terminal, json }: Session,
  { config: file, insecureHttp = false }: ServeOptions,
): Promise<number> {
  const { config, server } = await startServer(terminal, file, ({ runServe }, config) =>
    runServe({ config, log: jsonLog, insecureHttp }),
  );
  const ended = untilStopped(server, (signal) => jsonLog.write('info', 'stopping', { signal }));
  const { url, first, accountId, unsealedBy } = server;
  jsonLog.write('info', 'listening', { url, version: VERSION, folder: config.store.folder, unsealedBy });
  if (first !== null) {
    const credentials = { endpoint: url, ...first, region: config.region, accountId };
    terminal.print(json ? JSON.stringify(credentials) : firstCredentials(credentials));
  }
  return ended;
}

function firstCredentials(credentials: Readonly<Record<string, string>>): string {
  return [
    'First start. These credentials are shown now and never again:',
    '',
    record([
      ['  endpoint', credentials['endpoint']],
      ['  token (security officer)', credentials['token']],
      ['  AWS access key id (applications)', credentials['awsAccessKeyId']],
      ['  AWS secret access key', credentials['awsSecretAccessKey']],
    ]),
    '',
    'Keep the token with `claviger login`; make tokens for others with `claviger token create`.',
    '',
  ].join('\n');
}
