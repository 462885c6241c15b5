/**
 * `claviger serve`: a server for production, which logs JSON lines to standard error.
 *
 * @module
 */
import { VERSION } from '../../server/version.ts';
import { CliCommand } from '../command.ts';
import type { Session } from '../session.ts';
import { record } from '../table.ts';
import { startServer, withStartOptions, type StartOptions } from './start-server.ts';
import { untilStopped } from './until-stopped.ts';

interface ServeOptions extends StartOptions {
  readonly insecureHttp?: boolean;
}

export function serveCommand(): CliCommand {
  return withStartOptions(new CliCommand('serve').description('Run a server for production'))
    .option('--insecure-http', 'listen on a network without TLS, where a proxy in front does it')
    .examples(
      'claviger serve --config /etc/claviger/claviger.yaml',
      'claviger serve --config claviger.yaml --log-format text --log-level warn',
    )
    .run<ServeOptions>(serve);
}

async function serve({ terminal, json }: Session, options: ServeOptions): Promise<number> {
  const { insecureHttp = false } = options;
  const { config, log, server } = await startServer(terminal, options, 'json', ({ runServe }, config, log) =>
    runServe({ config, log, insecureHttp }),
  );
  const ended = untilStopped(server, (signal) => log.write('info', 'stopping', { signal }));
  const { url, first, accountId, unsealedBy } = server;
  log.write('info', 'listening', { url, version: VERSION, folder: config.store.folder, unsealedBy });
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
