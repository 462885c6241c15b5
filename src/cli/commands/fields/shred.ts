/**
 * `claviger fields shred`: destroys the field keys of one data subject, and prints a receipt.
 *
 * @module
 */
import { shredSubject, type ShredReceipt } from '../../../envelope/fields/index.ts';
import { integer } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { UsageError } from '../../usage-error.ts';
import { ask } from '../../prompt.ts';
import { withTables, withWork, type FieldsCommandOptions } from './work.ts';

interface Options extends FieldsCommandOptions {
  readonly subject: string;
  readonly tenant?: string;
  readonly backupRetentionDays?: number;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export function shredCommand(): CliCommand {
  const command = new CliCommand('shred').description(
    'Destroy the field keys of one data subject, for ever; again to go on, and to confirm it after the caches',
  );
  return withTables(command, 'table of the subject; those that share its keys lose the subject too')
    .requiredOption('--subject <id>', 'as it stands in the column of the subject')
    .option('--tenant <name>', 'whose subject, where the tenant stands in a column')
    .option(
      '--backup-retention-days <days>',
      'how long backups of the database are kept; that of the configuration',
      integer(0, 36_525),
    )
    .option('--dry-run', 'destroy nothing; say what would be lost')
    .option('--yes', 'do not ask')
    .examples('claviger fields shred --table customers --subject 4711 --yes --json > receipt.json')
    .run<Options>((session, options) =>
      withWork(session, options, async ({ config, sets, options: shared }) => {
        const [set, ...others] = sets;
        if (others.length > 0) throw new UsageError('there are several key sets: name the --table of the subject');
        const days = options.backupRetentionDays ?? config.backupRetentionDays;
        if (days === undefined) {
          throw new UsageError(
            'say how long backups are kept, with --backup-retention-days or in the configuration; 0 for none',
          );
        }
        const names = set!.tables.map(({ declared }) => declared.table).join(', ');
        const lost = `the field keys of subject ${options.subject} of ${names}`;
        if (options.dryRun ?? false) return session.terminal.say(`this would destroy ${lost}`);
        if (!(options.yes ?? false)) await confirm(session.terminal.input.isTty, lost, (q) => ask(session.terminal, q));
        const receipt = await shredSubject(set!.tables, {
          ...shared,
          subject: options.subject,
          ...(options.tenant === undefined ? {} : { tenant: options.tenant }),
          backupRetentionDays: days,
        });
        session.answer(receipt, () => receiptText(receipt));
      }),
    );
}

async function confirm(isTty: boolean, lost: string, asked: (question: string) => Promise<string>): Promise<void> {
  if (!isTty) throw new UsageError(`this destroys ${lost}, for ever: say --yes`);
  const answer = await asked(`this destroys ${lost}, for ever. Type \`shred\` to do it: `);
  if (answer.trim() !== 'shred') throw new UsageError('nothing was destroyed');
}

function receiptText({
  subject,
  shreddedAt,
  keysDestroyed,
  tables,
  complete,
  confirmed,
  provided,
}: ShredReceipt): string {
  return [
    `subject ${subject}: ${keysDestroyed} field keys destroyed at ${shreddedAt}`,
    ...tables.map(
      ({ table, rows, nulledColumns, rowsNulled }) =>
        `  ${table}: ${rows} rows; ${nulledColumns.length === 0 ? 'nothing' : nulledColumns.join(', ')} set to NULL in ${rowsNulled}`,
    ),
    `complete from ${complete.from}: programs until ${complete.cachesUntil}, backups until ${complete.backupsUntil}`,
    confirmed
      ? 'confirmed: the time of the caches was over'
      : `run it again after ${complete.cachesUntil} to confirm it`,
    'provided that',
    ...provided.map((each) => `  ${each}`),
  ].join('\n');
}
