/**
 * Which token a command is about: one of a configuration, or one that the command line names. PINs come from files or are
 * typed unseen, never from the command line.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Option } from 'commander';
import { parse } from 'yaml';
import { z } from 'zod';
import { systemRandom } from '../../../crypto/random.ts';
import { ClavigerError } from '../../../errors.ts';
import { systemClock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/log.ts';
import {
  openPkcs11,
  pkcs11Schema,
  PROFILE_NAMES,
  PROFILES,
  type Pkcs11Config,
  type Pkcs11Provider,
  type ProfileName,
} from '../../../providers/pkcs11/index.ts';
import { resolveReferences } from '../../../server/references.ts';
import { pair } from '../../arguments.ts';
import type { CliCommand } from '../../command.ts';
import { fileError, readInput } from '../../input.ts';
import { askSecret } from '../../prompt.ts';
import type { Terminal } from '../../terminal.ts';
import { UsageError } from '../../usage-error.ts';

/** More than any token takes. */
const PIN_BYTES_MAX = 1024;
/** Somebody waits for it; a server would go on meanwhile. */
const READY_MS_MAX = 60_000;

export interface DeviceOptions {
  readonly config?: string;
  readonly provider?: string;
  readonly library?: string;
  readonly vendor: ProfileName;
  readonly token?: string;
  readonly serial?: string;
  readonly pinFile?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Adds what names a token. */
export function withDevice(command: CliCommand): CliCommand {
  return withLibrary(command)
    .option('--config <file>', 'configuration with the token as a provider; the other options are not needed then')
    .option('--provider <name>', 'name of the provider in it; not needed where it is the only one of kind `pkcs11`')
    .option('--token <label>', 'label of the token')
    .option('--serial <number>', 'its serial number, where several have the label')
    .option('--pin-file <file>', 'file with the PIN of the user; it is asked for where there is none');
}

/** Adds what names a library. */
export function withLibrary(command: CliCommand): CliCommand {
  return command
    .option('--library <file>', 'PKCS#11 library; the usual place of the vendor where it is not given')
    .addOption(new Option('--vendor <profile>', 'whose device it is').choices(PROFILE_NAMES).default('softhsm'))
    .option('--env <pairs...>', 'environment of the library, NAME=VALUE …', pair);
}

/** What a provider of this token would be configured with. */
export async function deviceOf(terminal: Terminal, options: DeviceOptions, knownPin?: string): Promise<Pkcs11Config> {
  if (options.config !== undefined) return configured(terminal, options.config, options.provider);
  const { token, serial, vendor, env = {} } = options;
  if (token === undefined) throw new UsageError('say which token: --token LABEL, or --config FILE', 'claviger hsm');
  const pin = knownPin ?? (await readPin(terminal, options.pinFile, `PIN of the user of \`${token}\`: `));
  return pkcs11Schema.parse({
    kind: 'pkcs11',
    name: 'hsm',
    profile: vendor,
    library: libraryOf(terminal, options),
    tokenLabel: token,
    ...(serial === undefined ? {} : { tokenSerial: serial }),
    pin,
    env,
  });
}

export function libraryOf(
  { folder }: Terminal,
  { library, vendor }: Pick<DeviceOptions, 'library' | 'vendor'>,
): string {
  const file = library ?? PROFILES[vendor].library;
  if (file === null) throw new UsageError('say where the library is: --library FILE', 'claviger hsm');
  return resolve(folder, file);
}

/** A PIN from a file, without the newline at its end, or typed unseen. */
export async function readPin(terminal: Terminal, file: string | undefined, question: string): Promise<string> {
  if (file === undefined && !terminal.input.isTty) {
    throw new UsageError('there is no terminal to ask for a PIN; name a file that holds it', 'claviger hsm');
  }
  const text =
    file === undefined
      ? await askSecret(terminal, question)
      : (await readInput(terminal, resolve(terminal.folder, file), PIN_BYTES_MAX, 'a PIN is shorter')).toString();
  const pin = text.replace(/\r?\n$/, '');
  if (pin !== '') return pin;
  throw new ClavigerError('INVALID_ARGUMENT', 'a PIN is not empty');
}

/** Opens the token; what is told to an operator goes to standard error. */
export async function openDevice(terminal: Terminal, config: Pkcs11Config): Promise<Pkcs11Provider> {
  const log: Log = { write: (_level, message) => terminal.say(message) };
  const provider = await openPkcs11(
    config,
    { clock: systemClock, random: systemRandom, log },
    { readyWaitMs: READY_MS_MAX },
  );
  const { state, detail } = provider.status();
  if (state === 'ready') return provider;
  await provider.close();
  const code = state === 'quarantined' ? 'PROVIDER_DENIED' : 'PROVIDER_UNAVAILABLE';
  throw new ClavigerError(code, detail ?? 'the token has not answered in time');
}

/** Only this provider is looked at: the secrets of others need not be there. */
function configured(terminal: Terminal, config: string, name: string | undefined): Pkcs11Config {
  const file = resolve(terminal.folder, config);
  const folder = dirname(file);
  const { providers } = configFile.parse(parse(textOf(file)) ?? {});
  const found = providers.filter((one) => one.kind === 'pkcs11' && (name === undefined || one.name === name));
  if (found.length !== 1) {
    const what =
      name === undefined ? `${found.length} providers of kind \`pkcs11\`` : `no provider \`${name}\` of that kind`;
    throw new ClavigerError('INVALID_ARGUMENT', `\`${config}\` has ${what}; say which with --provider`);
  }
  const { value } = resolveReferences(found[0], folder, terminal.env);
  const parsed = pkcs11Schema.safeParse(value);
  if (parsed.success) {
    const { library } = parsed.data;
    return { ...parsed.data, ...(library === undefined ? {} : { library: resolve(folder, library) }) };
  }
  throw new ClavigerError('INVALID_ARGUMENT', `\`${config}\` has mistakes: ${z.prettifyError(parsed.error)}`);
}

const configFile = z.object({
  providers: z.array(z.looseObject({ name: z.string(), kind: z.string() })).default([]),
});

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw fileError('read', file, cause);
  }
}
