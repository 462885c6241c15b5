/**
 * `claviger config check`: reads a configuration as a server would, and tells its mistakes or what it comes to.
 *
 * @module
 */
import { existsSync } from 'node:fs';
import type { Config } from '../../server/config.ts';
import { CliCommand } from '../command.ts';
import type { Session } from '../session.ts';
import { isLoopback } from '../connection.ts';
import { record } from '../table.ts';
import { CONFIG_HELP } from './start-server.ts';

export function configCommand(): CliCommand {
  return new CliCommand('config')
    .description('Look at a configuration')
    .examples('claviger config check --config claviger.yaml')
    .group(checkCommand());
}

function checkCommand(): CliCommand {
  return new CliCommand('check')
    .description('Check a configuration, and say what it comes to')
    .option('--config <file>', CONFIG_HELP)
    .examples('claviger config check --config claviger.yaml')
    .run<{ readonly config?: string }>(check);
}

async function check(session: Session, { config: named }: { readonly config?: string }): Promise<void> {
  const [{ configFile, serverConfig }, { withoutSecrets }, { requireUsableFiles }, { quorumOf }] = await Promise.all([
    import('./server-config.ts'),
    import('../../server/config.ts'),
    import('../../server/config-files.ts'),
    import('../../server/checkpoint-keepers.ts'),
  ]);
  const file = configFile(session.terminal, named) ?? null;
  const config = serverConfig(session.terminal, named);
  requireUsableFiles(config);
  const shown = withoutSecrets(config);
  session.answer(
    { file, config: shown },
    () => `${words(config, quorumOf(config.audit))}\n\nOK: ${file ?? 'the defaults'}`,
  );
}

function words(config: Config, quorum: number): string {
  const { region, listen, tls, store, seal, tenants, audit, providers, groups, alerts, limits, policies } = config;
  return record([
    ['listen', `${listen.address}:${listen.port}`],
    [
      'tls',
      tls === undefined
        ? tlsOffWords(listen.address)
        : `${tls.minVersion} or newer, ${fileWords(tls.certificate)}, ${fileWords(tls.key)}`,
    ],
    ['store', `${store.kind} in ${store.folder}`],
    ['seal', seal === undefined ? 'none: only `claviger dev` starts' : `${seal.kind}, ${seal.path}`],
    ['region', region],
    [
      'tenants',
      tenants.map(({ name, accountId }) => (accountId === undefined ? name : `${name} (${accountId})`)).join(', '),
    ],
    ['limits', `${limits.cryptoPerSecond} uses and ${limits.changesPerSecond} changes a second for each principal`],
    [
      'audit',
      `signed as ${audit.origin ?? 'claviger/LOGID'}, redactable after ${audit.retentionDays} days, ` +
        `${audit.refusalsPerSecond} single records a second for refused strangers`,
    ],
    ['witnesses', witnessWords(audit.witnesses, quorum)],
    ['copies', namesOf(audit.copies)],
    ['sinks', namesOf(audit.sinks)],
    ['providers', providers.length === 0 ? 'the built-in keystore alone' : namesOf(providers)],
    ['groups', groups.length === 0 ? 'none' : groups.map(groupWords).join(', ')],
    ['alerts', alerts.channels.length === 0 ? 'to the server log only' : namesOf(alerts.channels)],
    ['policies', policies === undefined ? 'the built-in ones' : fileWords(policies)],
  ]);
}

/** `north, south (2 make a checkpoint a cosigned one)`. */
function witnessWords(witnesses: Config['audit']['witnesses'], quorum: number): string {
  if (witnesses.length === 0) return 'none';
  return `${witnesses.map(({ name }) => name).join(', ')} (${quorum} make a checkpoint a cosigned one)`;
}

function tlsOffWords(address: string): string {
  if (isLoopback(address)) return 'off';
  return `off: a server refuses ${address} without --insecure-http`;
}

/** `payments (2 of aws-main, hsm-1, bao)`. */
function groupWords({ name, wrapQuorum, members }: Config['groups'][number]): string {
  return `${name} (${wrapQuorum} of ${members.join(', ')})`;
}

function namesOf(list: readonly { readonly name: string; readonly kind: string }[]): string {
  return list.length === 0 ? 'none' : list.map(({ name, kind }) => `${name} (${kind})`).join(', ');
}

function fileWords(path: string): string {
  return existsSync(path) ? path : `${path} (does not exist)`;
}
