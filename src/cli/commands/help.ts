/**
 * `claviger help`: of a command, or of a topic that is not one.
 *
 * @module
 */
import { CliCommand } from '../command.ts';
import { EXIT_MEANINGS } from '../exit-codes.ts';
import { record } from '../table.ts';
import { UsageError } from '../usage-error.ts';

const TOPICS: Readonly<Record<string, () => string>> = {
  'exit-codes': () => record(EXIT_MEANINGS.map(([code, meaning]) => [String(code), meaning])),
  environment: () =>
    [
      record([
        ['CLAVIGER_ENDPOINT', 'server to use'],
        ['CLAVIGER_TOKEN', 'API token'],
        ['CLAVIGER_PROFILE', 'profile of `claviger login` to use; `dev` is the development server of this folder'],
        ['CLAVIGER_CONFIG', 'configuration file of `claviger dev` and `claviger serve`'],
        ['CLAVIGER_PORT', 'port that they listen on'],
        ['CLAVIGER_DATA_DIR', 'their data folder; `./claviger-data` where it is not set'],
        ['CLAVIGER_DEBUG', 'show where an error comes from'],
        ['NO_COLOR', 'no colours'],
        ['NODE_EXTRA_CA_CERTS', 'file with certificates of further authorities to trust, PEM'],
        ['XDG_CONFIG_HOME', 'folder of claviger/profiles.json; `~/.config` where it is not set'],
      ]),
      '',
      'A server and a token are looked for in this order: --profile and --endpoint; CLAVIGER_ENDPOINT and CLAVIGER_TOKEN;',
      'CLAVIGER_PROFILE or the profile `default`; the development server of this folder. `claviger doctor` says what was found.',
    ].join('\n'),
};

export function helpCommand(): CliCommand {
  const command = new CliCommand('help');
  return command
    .description(`Help on a command, or on one of the topics ${Object.keys(TOPICS).join(' and ')}`)
    .argument('[words...]', 'a command or a topic')
    .examples('claviger help keys create', 'claviger help exit-codes')
    .run((session, _options, ...words) => {
      const topic = words.length === 1 && Object.hasOwn(TOPICS, words[0]!) ? TOPICS[words[0]!] : undefined;
      if (topic !== undefined) session.terminal.print(topic());
      else named(command.top(), words).outputHelp();
    });
}

/** The command that the words name. @throws UsageError */
function named(program: CliCommand, words: readonly string[]): CliCommand {
  let command = program;
  for (const word of words) {
    const found = (command.commands as readonly CliCommand[]).find((one) => one.name() === word);
    if (found === undefined) throw new UsageError(`there is no command \`${command.path()} ${word}\``, command.path());
    command = found;
  }
  return command;
}
