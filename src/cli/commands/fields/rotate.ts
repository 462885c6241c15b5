/**
 * `claviger fields rotate`: new field keys, and everything encrypted again under them, while your programs go on.
 *
 * @module
 */
import { rotateFields, type RotateReport } from '../../../envelope/fields/index.ts';
import { CliCommand } from '../../command.ts';
import { EXIT, type ExitCode } from '../../exit-codes.ts';
import { failureLines } from './failures.ts';
import { withTables, withWork, type FieldsCommandOptions } from './work.ts';

interface Options extends FieldsCommandOptions {
  readonly adopt?: boolean;
  readonly keepKeys?: boolean;
  readonly dryRun?: boolean;
  /** False for --no-wait. */
  readonly wait: boolean;
}

export function rotateCommand(): CliCommand {
  const command = new CliCommand('rotate').description(
    'Make new field keys and encrypt again under them, while others write; again to go on where it was interrupted',
  );
  return withTables(command, 'only this table, and those that share its keys')
    .option(
      '--keep-keys',
      'make no new keys: only what is not under the newest is encrypted again, and indexes brought up to date',
    )
    .option('--adopt', 'encrypt plaintext that stands in the columns since before they were encrypted')
    .option('--no-wait', 'end where it would wait until every program knows the new keys; run it again after that')
    .option('--dry-run', 'make and change nothing; count what is to be encrypted again')
    .examples('claviger fields rotate', 'claviger fields rotate --table customers --keep-keys --adopt --dry-run')
    .run<Options>((session, options) =>
      withWork(session, options, async ({ sets, options: shared }) => {
        const { adopt = false, keepKeys = false, dryRun = false, wait } = options;
        const reports: RotateReport[] = [];
        for (const { tables } of sets) {
          reports.push(await rotateFields(tables, { ...shared, adopt, newKeys: !keepKeys, dryRun, wait }));
        }
        session.answer({ rotated: reports }, () => reports.map(reportText).join('\n'));
        return exitCodeOfAll(reports);
      }),
    );
}

function exitCodeOfAll(reports: readonly RotateReport[]): ExitCode {
  if (reports.some(({ tables }) => tables.some(({ failures }) => failures > 0))) return EXIT.notAuthentic;
  return reports.some(({ state }) => state === 'incomplete') ? EXIT.failed : EXIT.ok;
}

const STATES: Readonly<Record<RotateReport['state'], string>> = {
  done: 'rotated',
  waiting: 'the new keys are written with from the time below; run it again after that',
  'dry-run': 'nothing was changed',
  incomplete: 'values are left under older keys, which stay in use: mend what is named, and run it again',
};

function reportText({ keySet, state, activeFrom, keysMade, tables, failures }: RotateReport): string {
  const lines = tables.map(
    ({ table, rows, values, terms, adopted, raced, failures: failed }) =>
      `  ${table}: ${rows} rows read, ${values} values and ${terms} index terms written` +
      (adopted > 0 ? `, ${adopted} of them plaintext before` : '') +
      (raced > 0 ? `, ${raced} rows changed by others meanwhile` : '') +
      (failed > 0 ? `, ${failed} FAILED` : ''),
  );
  const from = activeFrom === null ? [] : [`  from ${activeFrom}`];
  return [`${keySet}: ${STATES[state]}, ${keysMade} new keys`, ...from, ...lines, ...failureLines(failures)].join('\n');
}
