/**
 * `claviger seal`: seals the values of configuration files, and tells which are not sealed.
 *
 * @module
 */
import type { FormatName, SealedResult } from '../../envelope/sealed/index.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { CliCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { readInput } from '../input.ts';
import { findFile, inFile, replaceFile, type FoundFile } from '../sealed/files.ts';
import {
  exceptOption,
  filesContextOption,
  formatFor,
  keysOption,
  onlyOption,
  selectionOf,
  typeOption,
  type SelectionOptions,
} from '../sealed/options.ts';
import type { Session } from '../session.ts';
import { plain } from '../table.ts';
import { UsageError } from '../usage-error.ts';

interface SealCommandOptions extends SelectionOptions {
  readonly key?: readonly string[];
  readonly context?: EncryptionContext;
  readonly type?: FormatName;
  readonly inPlace?: boolean;
  readonly output?: string;
  readonly rekey?: boolean;
  readonly acceptChanges?: boolean;
  readonly check?: boolean;
}

/** A file to seal, and the one to make of it. */
interface Job {
  readonly input: string;
  readonly output: string | null;
}

/** Sealed files are made to be shared. */
const SHARED_MODE = 0o644;

export function sealCommand(): CliCommand {
  return new CliCommand('seal')
    .description('Seal the values of JSON, YAML and .env files; keys and comments stay readable')
    .argument('[files...]', 'files; standard input where none is named')
    .addOption(keysOption('any of them opens the file. Of a sealed file: opens it too'))
    .addOption(filesContextOption('encryption context that the file is bound to'))
    .addOption(onlyOption('seal'))
    .addOption(exceptOption('seal'))
    .addOption(typeOption())
    .option('--in-place', 'replace the files')
    .option('-o, --output <file>', 'write here; of a sealed file there, what is unchanged stays as it is')
    .option('--rekey', 'a fresh data key, under the keys that are named and no others')
    .option('--accept-changes', 'take over what was changed in a sealed file by other means')
    .option('--check', 'seal nothing; exit code 1 where a file has values that are to be sealed and are not')
    .examples(
      'claviger seal --key alias:config config.json > config.sealed.json',
      "claviger seal --key alias:config --only 'password|token$' --in-place config.yaml .env.production",
      'claviger seal --rekey --key alias:new --in-place config.yaml',
      'claviger seal --check config.yaml .env.production',
    )
    .run<SealCommandOptions>((session, options, ...files) =>
      options.check === true ? check(session, options, files) : seal(session, options, files),
    );
}

async function seal(session: Session, options: SealCommandOptions, files: readonly string[]): Promise<void> {
  const jobs = jobsOf(options, files);
  const done: { readonly job: Job; readonly before: FoundFile | null; readonly made: SealedResult }[] = [];
  // All or none: nothing is written before all are sealed.
  for (const job of jobs) done.push({ job, ...(await sealed(session, options, job)) });
  for (const { job, before, made } of done) {
    const { output } = job;
    if (output === null) continue;
    replaceFile(output, made.text, before, before?.mode ?? SHARED_MODE);
  }
  tell(session, done);
}

function jobsOf({ inPlace = false, output }: SealCommandOptions, files: readonly string[]): readonly Job[] {
  if (inPlace && (files.length === 0 || files.includes('-'))) {
    throw new UsageError('--in-place replaces files: name them', 'claviger seal');
  }
  if (inPlace && output !== undefined) throw new UsageError('take either --in-place or -o', 'claviger seal');
  if (files.length > 1 && !inPlace) {
    throw new UsageError('several files are sealed with --in-place, or one after the other', 'claviger seal');
  }
  if (inPlace) return files.map((file) => ({ input: file, output: file }));
  return [{ input: files[0] ?? '-', output: output === undefined || output === '-' ? null : output }];
}

async function sealed(
  session: Session,
  options: SealCommandOptions,
  { input, output }: Job,
): Promise<{ readonly before: FoundFile | null; readonly made: SealedResult }> {
  const { SEALED_BYTES_MAX, seal, textOf } = await import('../../envelope/sealed/index.ts');
  const { key, context, type, rekey, acceptChanges } = options;
  const format = await formatFor(type, input, output ?? undefined);
  try {
    const before = output === null ? null : findFile(output, SEALED_BYTES_MAX);
    const same = input === output && before !== null;
    const bytes = same ? before.bytes : await readInput(session.terminal, input, SEALED_BYTES_MAX);
    const text = textOf(bytes);
    const there = same || before === null ? undefined : textOf(before.bytes);
    if (there !== undefined && format.split(there).metadata === null) {
      throw new UsageError(`\`${output!}\` is there and is not sealed; remove it, or choose another name`);
    }
    const isSealed = format.split(text).metadata !== null;
    if (key === undefined && !isSealed && there === undefined) {
      throw new UsageError('name a key that is to open the file: --key alias:NAME', 'claviger seal');
    }
    const made = await seal(session.client(), text, {
      format,
      ...(key === undefined ? {} : { keys: key }),
      ...(context === undefined ? {} : { context }),
      ...selectionOf(options),
      ...(there === undefined ? {} : { previous: there }),
      ...(rekey === undefined ? {} : { rekey }),
      ...(acceptChanges === undefined ? {} : { acceptChanges }),
    });
    return { before, made };
  } catch (error) {
    throw inFile(input, error);
  }
}

function tell(session: Session, done: readonly { readonly job: Job; readonly made: SealedResult }[]): void {
  const { terminal, json } = session;
  for (const { job, made } of done) {
    const { output } = job;
    const { text, missing, ...told } = made;
    for (const { arn, homes } of missing) {
      terminal.say(`${nameOf(job)}: no wrap of these homes of ${arn}: ${homes.join(', ')}; --rekey later makes them`);
    }
    if (json) terminal.print(JSON.stringify({ file: output, ...told, ...(output === null ? { text } : {}) }));
    else if (output === null) terminal.output.stream.write(text);
    else terminal.say(`${output}: ${wordsOf(made)}`);
  }
}

function nameOf({ input, output }: Job): string {
  return output ?? (input === '-' ? 'standard input' : input);
}

/** `3 values sealed, 12 as they were, 2 readable; opens with arn:…`. */
function wordsOf({ fresh, kept, readable, keys }: SealedResult): string {
  const counts = [
    `${fresh} ${fresh === 1 ? 'value' : 'values'} sealed`,
    ...(kept > 0 ? [`${kept} as they were`] : []),
    ...(readable > 0 ? [`${readable} readable`] : []),
  ];
  return `${counts.join(', ')}; opens with ${keys.join(' or ')}`;
}

async function check(session: Session, options: SealCommandOptions, files: readonly string[]): Promise<number> {
  const { check, SEALED_BYTES_MAX, textOf } = await import('../../envelope/sealed/index.ts');
  const { terminal, json } = session;
  let found = false;
  for (const file of files.length === 0 ? ['-'] : files) {
    const format = await formatFor(options.type, file);
    try {
      const text = textOf(await readInput(terminal, file, SEALED_BYTES_MAX));
      const { sealed, unsealed } = check(format, text);
      found ||= !sealed || unsealed.length > 0;
      if (json) terminal.print(JSON.stringify({ file, sealed, unsealed }));
      else if (!sealed) terminal.print(`${file}: not sealed`);
      else for (const path of unsealed) terminal.print(`${file}: ${plain(path)}`);
    } catch (error) {
      throw inFile(file, error);
    }
  }
  if (found) terminal.say('not sealed: `claviger seal --in-place --accept-changes` seals what is new');
  return found ? EXIT.failed : EXIT.ok;
}
