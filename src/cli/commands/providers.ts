/**
 * `claviger providers`: how each provider does, and having one called again that was left alone.
 *
 * @module
 */
import type { ProviderHealth } from '../../operations/provider-health.ts';
import { CliCommand } from '../command.ts';
import type { Session } from '../session.ts';
import { plain, shortTime, table } from '../table.ts';

export function providersCommand(): CliCommand {
  return new CliCommand('providers')
    .description('See how the providers do, and have one called again')
    .examples('claviger providers', 'claviger providers clear aws-main')
    .groupWithDefault(listCommand(), clearCommand());
}

function listCommand(): CliCommand {
  return new CliCommand('list')
    .description('List the providers: circuit, since when, latency, last error')
    .examples('claviger providers list', "claviger providers --json | jq -r '.providers[] | [.name, .circuit] | @tsv'")
    .run(async (session) => {
      const { providers } = await session.client().getHealth();
      session.answer({ providers }, () => inWords(session, providers));
    });
}

function clearCommand(): CliCommand {
  return new CliCommand('clear')
    .description('Have a provider called again, once you have set right what was wrong with it')
    .argument('<provider>', 'its name')
    .examples('claviger providers clear aws-main')
    .run(async (session, _options, provider) => {
      const cleared = await session.client().clearProvider({ provider });
      session.answer(cleared, () => inWords(session, [cleared]));
    });
}

function inWords({ terminal }: Session, providers: readonly ProviderHealth[]): string {
  const rows = providers.map((provider) => {
    const { name, kind, circuit, since, latencyMs, calls, failures, retries } = provider;
    return [
      name,
      kind,
      circuit === 'closed' ? circuit : terminal.styled('red', circuit),
      shortTime(since),
      latencyMs === null ? '-' : `${latencyMs.mean} / ${latencyMs.p99}`,
      `${calls}`,
      `${failures}`,
      `${retries}`,
      errorText(provider),
    ];
  });
  const headings = [
    'PROVIDER',
    'KIND',
    'CIRCUIT',
    'SINCE (UTC)',
    'MEAN / p99 ms',
    'CALLS',
    'FAILED',
    'AGAIN',
    'LAST ERROR',
  ];
  return table(headings, rows);
}

function errorText({ lastError }: ProviderHealth): string {
  return lastError === null ? '' : `${shortTime(lastError.at)} ${lastError.code}: ${plain(lastError.message)}`;
}
