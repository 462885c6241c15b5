/**
 * `claviger audit key`, `claviger audit checkpoint` and `claviger audit receipt`: what an auditor keeps to check the log
 * by.
 *
 * @module
 */
import { CliCommand } from '../../command.ts';
import { writeText } from '../../output.ts';
import { jsonOf } from '../../session.ts';

interface OutputFile {
  readonly output?: string;
}

export function keyCommand(): CliCommand {
  return new CliCommand('key')
    .description('The key that the log is signed with: keep it where the server cannot change it')
    .option('-o, --output <file>', 'write it here')
    .examples('claviger audit key', 'claviger audit key -o log.key')
    .run<OutputFile>(async (session, { output }) => {
      const content = await session.client().getAuditLogKey();
      if (session.json) session.answer({ key: content.trim() }, () => '');
      else writeText(session.terminal, content, output);
    });
}

export function checkpointCommand(): CliCommand {
  return new CliCommand('checkpoint')
    .description('The newest checkpoint: how long the log is and what it hashes to, signed')
    .option('-o, --output <file>', 'write it here')
    .option('--cosigned', 'the newest that enough witnesses have signed as well; it may be a little older')
    .examples(
      'claviger audit checkpoint',
      'claviger audit checkpoint -o checkpoint-2026-01-31',
      'claviger audit checkpoint --cosigned',
    )
    .run<OutputFile & { readonly cosigned?: true }>(async (session, { output, cosigned }) => {
      const content = await session.client().getAuditCheckpoint(cosigned === true ? { cosigned } : {});
      if (session.json) session.answer({ checkpoint: content }, () => '');
      else writeText(session.terminal, content, output);
    });
}

export function receiptCommand(): CliCommand {
  return new CliCommand('receipt')
    .description('The record of a request with all that proves it, as JSON: it is checked offline, with the key alone')
    .argument('<request-id>', '`x-request-id` of the answer; `claviger audit list --json` shows it too')
    .option('-o, --output <file>', 'write it here')
    .examples(
      'claviger audit receipt 019a3c5e-6b1a-7c7e-9d8a-3f0d2f1e4b5c -o receipt.json',
      'claviger audit verify receipt.json --key log.key',
    )
    .run<OutputFile>(async (session, { output }, requestId) => {
      const receipt = await session.client().getAuditReceipt({ requestId });
      writeText(session.terminal, jsonOf(receipt), output);
    });
}
