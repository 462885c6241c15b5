/**
 * `claviger unseal`: sealed files as they were before.
 *
 * @module
 */
import type { FormatName } from '../../envelope/sealed/index.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { CliCommand } from '../command.ts';
import { readInput } from '../input.ts';
import { writeFile } from '../output.ts';
import { findFile, inFile, replaceFile, type FoundFile } from '../sealed/files.ts';
import { filesContextOption, formatFor, typeOption } from '../sealed/options.ts';
import type { Session } from '../session.ts';
import { plain } from '../table.ts';
import { UsageError } from '../usage-error.ts';

interface UnsealCommandOptions {
  readonly context?: EncryptionContext;
  readonly type?: FormatName;
  readonly inPlace?: boolean;
  readonly output?: string;
  readonly textconv?: boolean;
}

/** Of a file with secrets: its owner's rights, and nobody else's. */
const OWNER_MODES = 0o700;

export function unsealCommand(): CliCommand {
  return new CliCommand('unseal')
    .description('Give sealed files back as they were before')
    .argument('[files...]', 'files; standard input where none is named')
    .addOption(filesContextOption('encryption context that the file must be bound to'))
    .addOption(typeOption())
    .option('--in-place', 'replace the files by what was sealed')
    .option('-o, --output <file>', 'write here, readable for you only')
    .option('--textconv', 'for `git diff`: a file that is not sealed, or does not open, is shown as it is')
    .examples(
      'claviger unseal config.sealed.json',
      'claviger unseal --context stage=production config.yaml -o /dev/shm/config.yaml',
      "git config diff.claviger.textconv 'claviger unseal --textconv'",
    )
    .run<UnsealCommandOptions>(unseal);
}

async function unseal(session: Session, options: UnsealCommandOptions, ...files: readonly string[]): Promise<void> {
  const { inPlace = false, output } = options;
  if (inPlace && (files.length === 0 || files.includes('-') || output !== undefined)) {
    throw new UsageError('--in-place replaces files: name them, and no -o', 'claviger unseal');
  }
  if (files.length > 1 && !inPlace) {
    throw new UsageError('several files are unsealed with --in-place, or one after the other', 'claviger unseal');
  }
  const done: { readonly file: string; readonly before: FoundFile | null; readonly text: string }[] = [];
  for (const file of files.length === 0 ? ['-'] : files) done.push(await unsealed(session, options, file));
  for (const { file, before, text } of done) {
    if (inPlace) replaceFile(file, text, before, before!.mode & OWNER_MODES);
    else if (output !== undefined && output !== '-') writeFile(output, text, true);
    else if (session.json) session.terminal.print(JSON.stringify({ file, text }));
    else session.terminal.output.stream.write(text);
  }
}

async function unsealed(
  session: Session,
  { context, type, inPlace = false, textconv = false }: UnsealCommandOptions,
  file: string,
): Promise<{ readonly file: string; readonly before: FoundFile | null; readonly text: string }> {
  const { SEALED_BYTES_MAX, textOf, unseal } = await import('../../envelope/sealed/index.ts');
  const before = inPlace ? findFile(file, SEALED_BYTES_MAX) : null;
  const bytes = before?.bytes ?? (await readInput(session.terminal, file, SEALED_BYTES_MAX));
  try {
    const format = await formatFor(type, file);
    const options = { format, ...(context === undefined ? {} : { context }) };
    return { file, before, text: (await unseal(session.client(), textOf(bytes), options)).text };
  } catch (error) {
    if (!textconv) throw inFile(file, error);
    session.terminal.say(plain(`${file} is shown as it is: ${(error as Error).message}`));
    return { file, before, text: bytes.toString() };
  }
}
