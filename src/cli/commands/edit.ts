/**
 * `claviger edit`: a sealed file in an editor, and sealed again.
 *
 * @module
 */
import { basename } from 'node:path';
import type { Format, FormatName } from '../../envelope/sealed/index.ts';
import { ClavigerError } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { CliCommand } from '../command.ts';
import { ask } from '../prompt.ts';
import { Editor } from '../sealed/editor.ts';
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
import { Scratch } from '../sealed/scratch.ts';
import type { Session } from '../session.ts';
import { plain } from '../table.ts';
import { UsageError } from '../usage-error.ts';

interface EditOptions extends SelectionOptions {
  readonly key?: readonly string[];
  readonly context?: EncryptionContext;
  readonly type?: FormatName;
}

const SHARED_MODE = 0o644;
/** What a new file begins as. */
const EMPTY: Readonly<Record<FormatName, string>> = { json: '{\n}\n', yaml: '', env: '' };

export function editCommand(): CliCommand {
  return new CliCommand('edit')
    .description('Change a sealed file in $VISUAL or $EDITOR')
    .argument('<file>', 'the file; a new one where --key is given')
    .addOption(keysOption('for a new file: any of them opens it'))
    .addOption(filesContextOption('encryption context: of a new file, or that the file must be bound to'))
    .addOption(onlyOption('of a new file, seal'))
    .addOption(exceptOption('of a new file, seal'))
    .addOption(typeOption())
    .examples('claviger edit config.sealed.yaml', 'claviger edit --key alias:config new.env')
    .run<EditOptions>(edit);
}

async function edit(session: Session, options: EditOptions, file: string): Promise<void> {
  const { SEALED_BYTES_MAX, textOf, unseal } = await import('../../envelope/sealed/index.ts');
  const { key, context, type, only, except } = options;
  const { terminal } = session;
  const format = await formatFor(type, file);
  const before = findFile(file, SEALED_BYTES_MAX);
  if (before === null && key === undefined) {
    throw new UsageError(`\`${file}\` does not exist; to make it, name a key that is to open it: --key alias:NAME`);
  }
  if (before !== null && (key ?? only ?? except) !== undefined) {
    throw new UsageError(`\`${file}\` is there: keys and patterns of it are changed with \`claviger seal --in-place\``);
  }
  try {
    const sealed = before === null ? undefined : textOf(before.bytes);
    const wanted = { format, ...(context === undefined ? {} : { context }) };
    const plain = sealed === undefined ? EMPTY[format.name] : (await unseal(session.client(), sealed, wanted)).text;
    const made = await edited(session, options, format, { name: basename(file), sealed, plain });
    if (made === null) terminal.say(`${file} is as it was`);
    else save(file, made, before);
  } catch (error) {
    throw inFile(file, error);
  }
}

interface Edited {
  readonly name: string;
  /** Undefined where the file is new. */
  readonly sealed: string | undefined;
  readonly plain: string;
}

/** The file after it was edited, sealed; null where nothing was changed. */
async function edited(
  session: Session,
  options: EditOptions,
  format: Format,
  { name, sealed, plain }: Edited,
): Promise<string | null> {
  const { seal, TEXT_BYTES_MAX, textOf } = await import('../../envelope/sealed/index.ts');
  const { terminal } = session;
  using scratch = new Scratch(terminal.env);
  if (!scratch.inMemory) {
    terminal.say(`no place in memory is to be found: the plaintext is in ${scratch.folder} on the disk meanwhile`);
  }
  using editor = new Editor(terminal, () => scratch[Symbol.dispose]());
  const path = scratch.write(name, plain);
  for (let next: Next = 'edit'; ;) {
    if (next === 'edit') await editor.run(path);
    try {
      const found = findFile(path, TEXT_BYTES_MAX);
      if (found === null) throw new ClavigerError('INVALID_ARGUMENT', 'the editor removed the file');
      const text = textOf(found.bytes);
      if (text === plain) return null;
      const { key, context } = options;
      const made = await seal(session.client(), text, {
        format,
        ...(sealed === undefined ? { ...(key && { keys: key }), ...(context && { context }) } : { previous: sealed }),
        ...selectionOf(options),
      });
      return made.text;
    } catch (error) {
      if (!terminal.input.isTty) throw error;
      next = await whatNext(session, error as Error);
    }
  }
}

type Next = 'edit' | 'seal';

/** @throws the error itself, where it ends here */
async function whatNext({ terminal }: Session, error: Error): Promise<Next> {
  terminal.say(`${terminal.styled('red', 'claviger:', 'errors')} ${plain(error.message)}`);
  for (;;) {
    const answer = await ask(terminal, '[e]dit again, [t]ry to seal again, or [q]uit without a change? ');
    if (/^e/i.test(answer)) return 'edit';
    if (/^t/i.test(answer)) return 'seal';
    if (/^q?$/i.test(answer) || /^quit$/i.test(answer)) throw error;
  }
}

function save(file: string, text: string, before: FoundFile | null): void {
  const mode = before?.mode ?? SHARED_MODE;
  try {
    replaceFile(file, text, before, mode);
  } catch (error) {
    if (!(error instanceof ClavigerError)) throw error;
    const beside = `${file}.edited-${Date.now().toString(36)}`;
    replaceFile(beside, text, null, mode);
    throw new ClavigerError(error.code, `${error.message}; what you wrote is in \`${beside}\`, sealed`, {
      cause: error,
    });
  }
}
