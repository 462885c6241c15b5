/**
 * `claviger fields verify`: opens every value, and says which do not open.
 *
 * @module
 */
import { verifyFields, type VerifyReport } from '../../../envelope/fields/index.ts';
import { CliCommand } from '../../command.ts';
import { EXIT } from '../../exit-codes.ts';
import { failureLines } from './failures.ts';
import { withTables, withWork, type FieldsCommandOptions } from './work.ts';

export function verifyCommand(): CliCommand {
  const command = new CliCommand('verify').description(
    'Open every value, compare every index term, and name what is wrong',
  );
  return withTables(command, 'only this table, and those that share its keys')
    .examples('claviger fields verify', 'claviger fields verify --json > report.json')
    .run<FieldsCommandOptions>((session, options) =>
      withWork(session, options, async ({ sets, options: shared }) => {
        const reports: VerifyReport[] = [];
        for (const { tables } of sets) reports.push(await verifyFields(tables, shared));
        const verified = {
          tables: reports.flatMap(({ tables }) => tables),
          failures: reports.flatMap(({ failures }) => failures),
        };
        session.answer(verified, () => verifiedText(verified));
        return verified.tables.some(({ failures }) => failures > 0) ? EXIT.notAuthentic : EXIT.ok;
      }),
    );
}

function verifiedText({ tables, failures }: VerifyReport): string {
  const lines = tables.map(
    ({ table, rows, values, failures: failed, stale, shredded }) =>
      `${table}: ${rows} rows, ${values} values, ${failed === 0 ? 'all are right' : `${failed} FAILED`}` +
      (stale > 0 ? `, ${stale} under older keys` : '') +
      (shredded > 0 ? `, ${shredded} shredded` : ''),
  );
  return [...lines, ...failureLines(failures)].join('\n');
}
