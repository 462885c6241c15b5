/**
 * `claviger rewrap`: moves files to new keys, to the current versions of their keys, or to the homes that those have now.
 * With `-i` it completes one ciphertext, from stream to stream.
 *
 * @module
 */
import { keyOf } from '../ciphertext-key.ts';
import type { CommitmentPolicy } from '../../envelope/index.ts';
import { collected, contextOption, integer, KEY_HELP } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { commitmentPolicyOption } from '../files/places.ts';
import { rawOrBase64, readInput } from '../input.ts';
import { withOutput, writeResult, type OutputOptions } from '../output.ts';
import type { Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';

interface RewrapOptions extends OutputOptions {
  readonly key?: readonly string[];
  readonly context?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly recursive?: boolean;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly report?: string;
  readonly dryRun?: boolean;
  readonly concurrency?: number;
  readonly commitmentPolicy?: CommitmentPolicy;
}

/** More would wait for the same disk and the same processor. */
const CONCURRENCY_MAX = 16;
const CONCURRENCY = 2;

export function rewrapCommand(): CliCommand {
  const command = new CliCommand('rewrap')
    .description('Move files to new keys, versions or homes, each in one step; again to go on where it was interrupted')
    .argument('[files...]', 'messages and ciphertexts; folders with --recursive')
    .option(
      '--key <key>',
      `${KEY_HELP} that the files are to have, several for messages; the current versions of their own where it is not given`,
      collected,
    )
    .addOption(contextOption('--context <pairs...>', 'encryption context, where the files do not store it'))
    .option('-r, --recursive', 'go through folders; links are not followed')
    .option('--include <pattern>', 'only files of such names, like `*.enc`; with a slash, of such paths', collected)
    .option('--exclude <pattern>', 'no files and folders of such names', collected)
    .option('--dry-run', 'say what would be done')
    .option('--report <file>', 'add a JSON line for each file here')
    .option('--concurrency <n>', `files at a time; ${CONCURRENCY} where it is not given`, integer(1, CONCURRENCY_MAX))
    .addOption(commitmentPolicyOption())
    .option('-i, --input <file>', 'one ciphertext, as bytes or base64, whose missing homes are to be completed');
  return withOutput(command, 'the completed ciphertext')
    .examples(
      'claviger rewrap --key alias:orders-2027 backup.tar.enc',
      'claviger rewrap --recursive --include "*.enc" --report rewrap.jsonl /srv/backups',
      'claviger rewrap -i card.enc -o card.enc',
    )
    .run<RewrapOptions>(async (session, options, ...files) => {
      if (files.length === 0) return rewrapStream(session, options);
      if (options.input !== undefined || options.output !== undefined) {
        throw new UsageError('name the files, or say -i and -o; files that are named are replaced where they are');
      }
      const { rewrapAll } = await import('../files/rewrap/run.ts');
      return rewrapAll(session, files, {
        keys: options.key ?? [],
        context: options.context ?? {},
        commitmentPolicy: options.commitmentPolicy,
        recursive: options.recursive ?? false,
        include: options.include ?? [],
        exclude: options.exclude ?? [],
        dryRun: options.dryRun ?? false,
        concurrency: options.concurrency ?? CONCURRENCY,
        report: options.report,
      });
    });
}

/** One ciphertext that lacks the wraps of some homes. */
async function rewrapStream(session: Session, options: RewrapOptions): Promise<void> {
  for (const name of ['recursive', 'include', 'exclude', 'dryRun', 'report', 'concurrency'] as const) {
    if (options[name] === undefined) continue;
    throw new UsageError('name the files or folders to rewrap; without any, one ciphertext is read from -i');
  }
  const [named, ...others] = options.key ?? [];
  if (others.length > 0) throw new UsageError('a ciphertext is of one key');
  const ciphertext = rawOrBase64(await readInput(session.terminal, options.input));
  const key = named ?? keyOf(ciphertext);
  const made = await session.client().rewrap({ key, ciphertext, context: options.context });
  const missing = made.missingHomes ?? [];
  if (missing.length > 0) session.terminal.say(`still missing: ${missing.join(', ')}; run it again later`);
  writeResult(session, made, made.ciphertext, options);
}
