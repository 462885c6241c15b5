/**
 * `claviger audit`: the log.
 *
 * @module
 */
import type { AuditRecord } from '../../audit/opened.ts';
import { KEY_HELP, momentAgo } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { showPages, withPages, type PageOptions } from '../pages.ts';
import type { Session } from '../session.ts';
import { plain, shortTime } from '../table.ts';
import { checkpointCommand, keyCommand, receiptCommand } from './audit/checkpoint.ts';
import { exportCommand } from './audit/export.ts';
import { redactCommand } from './audit/redact.ts';
import { verifyCommand } from './audit/verify.ts';

interface ListOptions extends PageOptions {
  readonly outcome?: string;
  readonly principal?: string;
  readonly key?: string;
  readonly operation?: string;
  readonly requestId?: string;
  readonly since?: string;
  readonly intents?: true;
}

export function auditCommand(): CliCommand {
  return new CliCommand('audit')
    .description('Read, export, prove, verify and redact the audit log')
    .examples('claviger audit list --since 1h --outcome PERMISSION_DENIED')
    .group(
      listCommand(),
      keyCommand(),
      checkpointCommand(),
      receiptCommand(),
      exportCommand(),
      verifyCommand(),
      redactCommand(),
    );
}

function listCommand(): CliCommand {
  return withPages(new CliCommand('list').description('List records, newest first'))
    .option('--outcome <code>', '`OK` or the code of an error')
    .option('--principal <token>', 'id of the token that asked')
    .option('--key <key>', KEY_HELP)
    .option('--operation <name>', 'such as Decrypt')
    .option('--request-id <id>', 'of one request')
    .option('--since <when>', 'a time, or so long ago, such as 1h', momentAgo)
    .option('--intents', 'also what changes at homes were about to do, before their outcome')
    .examples(
      'claviger audit list --since 1h --outcome PERMISSION_DENIED',
      'claviger audit list --all --json | jq -r \'select(.operation == "Decrypt").key\'',
    )
    .run<ListOptions>((session, options) => {
      const { outcome, principal, key, operation, requestId, since, intents } = options;
      const client = session.client();
      const wanted = { outcome, principal, key, operation, requestId, since, intents };
      return showPages(session, options, {
        items: 'records',
        none: 'no record is like that',
        headings: ['INDEX', 'TIME (UTC)', 'OPERATION', 'OUTCOME', 'PRINCIPAL', 'ABOUT', 'SOURCE'],
        page: (input) => client.listAuditRecords({ ...wanted, ...input }),
        row: (found: AuditRecord) => rowOf(session, found),
      });
    });
}

function rowOf({ terminal }: Session, found: AuditRecord): readonly string[] {
  const { index, time, operation, outcome, principal, key, keyVersion, resource, source, aggregate } = found;
  const version = keyVersion === undefined ? '' : ` v${keyVersion}`;
  // An intent has no outcome yet.
  const ended = outcome ?? null;
  return [
    String(index),
    shortTime(time),
    operation ?? '-',
    ended === null || ended === 'OK' ? (ended ?? found.phase) : terminal.styled('red', ended),
    plain(principal ?? '-'),
    aggregate === undefined
      ? plain(key === undefined ? (resource ?? '') : `${key}${version}`)
      : `${aggregate.count} times`,
    plain(source ?? ''),
  ];
}
