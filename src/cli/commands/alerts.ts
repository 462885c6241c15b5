/**
 * `claviger alerts`: what the log shows that somebody should look at.
 *
 * @module
 */
import type { AlertInfo, AlertRuleInfo, ListAlertsOutput } from '../../operations/alerts.ts';
import { CliCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import type { Session } from '../session.ts';
import { plain, shortTime, table } from '../table.ts';
import type { Terminal } from '../terminal.ts';

interface TestOptions {
  readonly channel?: string;
}

export function alertsCommand(): CliCommand {
  return new CliCommand('alerts')
    .description('See what fires, and try the channels that tell of it')
    .examples('claviger alerts list', 'claviger alerts test --channel oncall')
    .group(listCommand(), testCommand());
}

function listCommand(): CliCommand {
  return new CliCommand('list')
    .description('List the alerts that fire now, the channels and the rules')
    .examples('claviger alerts list', "claviger alerts list --json | jq -r '.alerts[] | [.rule, .subject] | @tsv'")
    .run(async (session) => {
      const found = await session.client().listAlerts();
      session.answer(found, () => inWords(session.terminal, found));
    });
}

function testCommand(): CliCommand {
  return new CliCommand('test')
    .description('Send a test alert; it says for each channel whether the receiver took it')
    .option('--channel <name>', 'only this one')
    .examples('claviger alerts test', 'claviger alerts test --channel oncall')
    .run<TestOptions>(async (session, { channel }) => {
      const tried = await session.client().testAlerts({ channel });
      session.answer(tried, () => resultsInWords(session, tried.results));
      return tried.results.every(({ delivered }) => delivered) ? EXIT.ok : EXIT.failed;
    });
}

function resultsInWords(
  { terminal }: Session,
  results: readonly { channel: string; delivered: boolean; error: string | null }[],
): string {
  if (results.length === 0) return 'there is no channel; name one in `alerts.channels` of the configuration';
  return table(
    ['CHANNEL', 'RESULT'],
    results.map(({ channel, delivered, error }) => [
      channel,
      delivered ? 'taken' : terminal.styled('red', plain(error ?? 'not taken')),
    ]),
  );
}

function inWords(terminal: Terminal, { watching, alerts, rules, channels }: ListAlertsOutput): string {
  const parts = [
    ...(watching ? [] : ['nobody watches this log']),
    alerts.length === 0 ? 'nothing fires' : alertTable(terminal, alerts),
    ...(channels.length === 0
      ? []
      : [
          table(
            ['CHANNEL', 'KIND', 'TOLD OF', 'WAITING', 'STATE'],
            channels.map((each) => [
              each.name,
              each.kind,
              each.severities.join(' '),
              String(each.queued),
              each.failingSince === null
                ? 'works'
                : terminal.styled('red', `fails since ${shortTime(each.failingSince)}: ${plain(each.lastError ?? '')}`),
            ]),
          ),
        ]),
    table(
      ['RULE', 'SEVERITY', 'FIRES AT', 'FIRING', 'WHEN'],
      rules.map((rule) => [
        rule.id,
        rule.severity,
        limitOf(rule),
        rule.enabled ? String(rule.firing) : 'off',
        rule.title,
      ]),
    ),
  ];
  return parts.join('\n\n');
}

function alertTable(terminal: Terminal, alerts: readonly AlertInfo[]): string {
  return table(
    ['SINCE (UTC)', 'SEVERITY', 'RULE', 'SUBJECT', 'COUNT', 'LAST (UTC)'],
    alerts.map(({ firstAt, severity, rule, subject, count, lastAt }) => [
      shortTime(firstAt),
      severity === 'critical' ? terminal.styled('red', severity) : severity,
      rule,
      plain(subject),
      String(count),
      shortTime(lastAt),
    ]),
  );
}

/** `20 records in 60 s`, `300 seconds`. */
function limitOf({ threshold, unit, windowSeconds }: AlertRuleInfo): string {
  if (threshold === null) return 'once';
  if (windowSeconds === null) return `${threshold} ${unit}`;
  return threshold === 1 ? 'once' : `${threshold} ${unit} in ${windowSeconds} s`;
}
