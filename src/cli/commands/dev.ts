/**
 * `claviger dev`: a server for development, which says what to type next.
 *
 * @module
 */
import type { runDev } from '../../server/run.ts';
import { CliCommand } from '../command.ts';
import type { Session } from '../session.ts';
import { record } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { nextCommands } from './next-commands.ts';
import { startServer, withStartOptions, type StartOptions } from './start-server.ts';
import { untilStopped } from './until-stopped.ts';

interface DevOptions extends StartOptions {
  readonly insecureHttp?: boolean;
}

export function devCommand(): CliCommand {
  return withStartOptions(new CliCommand('dev').description('Run a server for development, and see what to type next'))
    .option('--insecure-http', 'listen on a network without TLS')
    .examples('claviger dev', 'CLAVIGER_PORT=9000 CLAVIGER_DATA_DIR=/tmp/keys claviger dev')
    .run<DevOptions>(dev);
}

async function dev({ terminal, json }: Session, options: DevOptions): Promise<number> {
  const { insecureHttp = false } = options;
  const { config, server } = await startServer(terminal, options, 'text', ({ runDev }, config, log) =>
    runDev({ config, log, insecureHttp }),
  );
  const ended = untilStopped(server, () => terminal.say('stopping; once more ends it at once'));
  const { url, credentialsFile, unsealedBy } = server;
  const { folder } = config.store;
  if (json) terminal.print(JSON.stringify({ endpoint: url, folder, credentialsFile, unsealedBy }));
  else terminal.print(words(terminal, server, folder, await nextCommands(terminal, credentialsFile)));
  return ended;
}

function words(
  terminal: Terminal,
  { url, first, credentialsFile, unsealedBy }: Awaited<ReturnType<typeof runDev>>,
  folder: string,
  commands: readonly string[],
): string {
  const warning = 'FOR DEVELOPMENT ONLY: one token may do everything. `claviger serve` is for production.';
  return [
    `${terminal.styled('bold', 'Claviger')} answers at ${terminal.styled('cyan', url)}`,
    '',
    terminal.styled('yellow', warning),
    '',
    record([
      ['store', folder],
      ['root key', unsealedBy.replace(/^root key /, '')],
      ['credentials', `${credentialsFile}${first === null ? '' : ', new'}`],
      ['API', `${url}/docs`],
    ]),
    '',
    'Type next, in another terminal in this folder:',
    '',
    ...commands.map((command) => `  ${command}`),
    '',
    'Ctrl-C stops the server.',
  ].join('\n');
}
