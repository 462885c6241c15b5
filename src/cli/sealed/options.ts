/**
 * Options that the commands of sealed configuration share, and the format of a file.
 *
 * @module
 */
import { Option } from 'commander';
import type { Format, FormatName } from '../../envelope/sealed/index.ts';
import type { Selection } from '../../envelope/sealed/index.ts';
import { KEY_HELP, contextOption } from '../arguments.ts';
import { UsageError } from '../usage-error.ts';

/** The type holds them equal; the module itself would bring the formats along. */
const FORMAT_NAMES: { readonly [Name in FormatName]: true } = { json: true, yaml: true, env: true };

export interface SelectionOptions {
  readonly only?: string;
  readonly except?: string;
}

/** `--type`, for names that do not tell it. */
export function typeOption(): Option {
  return new Option('--type <format>', 'format, where the name of the file does not say it').choices(
    Object.keys(FORMAT_NAMES),
  );
}

/** `--key A --key B`. */
export function keysOption(what: string): Option {
  return new Option('--key <key>', `${KEY_HELP}; ${what}`).argParser(collected);
}

/** `--context a=b --context c=d`: one at a time, for files follow. */
export function filesContextOption(what: string): Option {
  return contextOption('--context <pair>', what);
}

export function onlyOption(what: string): Option {
  return new Option('--only <regex>', `${what} only values whose paths match, such as \`password|token$\``);
}

export function exceptOption(what: string): Option {
  return new Option('--except <regex>', `${what} no values whose paths match, such as \`^public\\.\``);
}

/** Collects what is given several times. */
export function collected(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** Undefined where no pattern is given. */
export function selectionOf({ only, except }: SelectionOptions): { readonly selection?: Selection } {
  if (only === undefined && except === undefined) return {};
  return { selection: { only: only ?? null, except: except ?? null } };
}

/**
 * The format of a file.
 *
 * @param paths names that may tell it, the first that does
 * @throws UsageError where nothing tells it
 */
export async function formatFor(
  type: FormatName | undefined,
  ...paths: readonly (string | undefined)[]
): Promise<Format> {
  const { FORMATS, formatOfFile } = await import('../../envelope/sealed/index.ts');
  if (type !== undefined) return FORMATS[type];
  for (const path of paths) {
    const found = path === undefined ? null : formatOfFile(path);
    if (found !== null) return found;
  }
  const [first = '-'] = paths;
  const name = first === '-' ? 'standard input' : `\`${first}\``;
  throw new UsageError(`what format ${name} has cannot be told from its name: say --type json, yaml or env`);
}
