/**
 * `claviger exec`: runs a program that has the values of sealed files as environment variables, and nobody else has them.
 *
 * @module
 */
import type { FormatName, Selection } from '../../envelope/sealed/index.ts';
import { ClavigerError } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { CliCommand } from '../command.ts';
import { readInput } from '../input.ts';
import { inFile } from '../sealed/files.ts';
import {
  collected,
  exceptOption,
  filesContextOption,
  formatFor,
  onlyOption,
  selectionOf,
  typeOption,
  type SelectionOptions,
} from '../sealed/options.ts';
import { runChild } from '../sealed/run-child.ts';
import type { Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';

interface ExecOptions extends SelectionOptions {
  readonly file?: readonly string[];
  readonly context?: EncryptionContext;
  readonly type?: FormatName;
  readonly keepToken?: boolean;
}

const TOKEN_VARIABLE = 'CLAVIGER_TOKEN';

export function execCommand(): CliCommand {
  return new CliCommand('exec')
    .description('Run a program with the values of sealed files as environment variables')
    .argument('<program...>', 'the program and its arguments, behind `--`')
    .option('--file <file>', 'a sealed file; may be given several times', collected)
    .addOption(onlyOption('give'))
    .addOption(exceptOption('give'))
    .addOption(filesContextOption('encryption context that the files must be bound to'))
    .addOption(typeOption())
    .option('--keep-token', `leave ${TOKEN_VARIABLE} to the program, too`)
    .examples(
      'claviger exec --file .env.production -- node server.js',
      "claviger exec --file config.sealed.yaml --only '^db\\.' -- psql",
    )
    .run<ExecOptions>(exec);
}

async function exec(session: Session, options: ExecOptions, ...command: readonly string[]): Promise<number> {
  const { file: files = [], keepToken = false } = options;
  if (files.length === 0) throw new UsageError('name a sealed file: --file FILE', 'claviger exec');
  const variables = new Map<string, string>();
  for (const file of files) {
    for (const [name, value] of await variablesIn(session, options, file)) {
      if (variables.has(name)) {
        throw new ClavigerError(
          'INVALID_ARGUMENT',
          `\`${file}\`: another file has the variable \`${name}\`, too; leave one out with --except`,
        );
      }
      variables.set(name, value);
    }
  }
  const { [TOKEN_VARIABLE]: token, ...inherited } = session.terminal.env;
  const own = keepToken && token !== undefined ? { [TOKEN_VARIABLE]: token } : {};
  return runChild(session.terminal, command, { ...inherited, ...own, ...Object.fromEntries(variables) });
}

async function variablesIn(session: Session, options: ExecOptions, file: string): Promise<ReadonlyMap<string, string>> {
  const { SEALED_BYTES_MAX, textOf, unseal, variablesOf } = await import('../../envelope/sealed/index.ts');
  const { context, type } = options;
  const format = await formatFor(type, file);
  const { selection }: { readonly selection?: Selection } = selectionOf(options);
  try {
    const sealed = textOf(await readInput(session.terminal, file, SEALED_BYTES_MAX));
    const { text } = await unseal(session.client(), sealed, { format, ...(context === undefined ? {} : { context }) });
    return variablesOf(format, text, selection);
  } catch (error) {
    throw inFile(file, error);
  }
}
