/**
 * `claviger audit redact`: has old records forget whom and what they were about.
 *
 * @module
 */
import { momentAgo } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { progress } from '../../progress.ts';

interface RedactOptions {
  readonly before: string;
}

export function redactCommand(): CliCommand {
  return new CliCommand('redact')
    .description('Forget what old records commit to: principals, addresses, digests, contexts. Their proofs stay whole')
    .requiredOption(
      '--before <when>',
      'a time, or so long ago, such as 400d; not within `audit.retentionDays`',
      momentAgo,
    )
    .examples('claviger audit redact --before 2026-01-31', 'claviger audit redact --before 400d')
    .run<RedactOptions>(async (session, { before }) => {
      const told = progress(session.terminal);
      const client = session.client();
      let redacted = 0;
      for (;;) {
        const { from, to, done } = await client.redactAuditRecords({ before });
        redacted += to - from;
        if (done) break;
        told.show(`${redacted} records`);
      }
      told.clear();
      session.answer({ before, redacted }, () =>
        redacted === 0 ? 'there was nothing left to redact' : `${redacted} records have forgotten what they commit to`,
      );
    });
}
