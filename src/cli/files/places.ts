/**
 * Where `encrypt` and `decrypt` read and write, in either spelling: `--in` and `--out` for files of any size, `-i` and
 * `-o` for what is at most 4,096 bytes long.
 *
 * @module
 */
import { Option } from 'commander';
import { COMMITMENT_POLICIES } from '../../envelope/message/policy.ts';
import type { CliCommand } from '../command.ts';
import { withOutput, type OutputOptions } from '../output.ts';
import { UsageError } from '../usage-error.ts';

export interface PlaceOptions extends OutputOptions {
  readonly in?: string;
  readonly out?: string;
  readonly input?: string;
  readonly force?: boolean;
}

export interface Places {
  /** Undefined is standard input. */
  readonly input: string | undefined;
  /** Undefined is standard output. */
  readonly output: string | undefined;
  /** Whether a file that is there is replaced. */
  readonly force: boolean;
  /** Whether `--in` or `--out` was said. */
  readonly ofFiles: boolean;
}

/** Adds `--in`, `--out`, `--force`, and what `withOutput` adds. */
export function withPlaces(command: CliCommand, read: string, written: string, short: string): CliCommand {
  command
    .option('--in <file>', `${read}, of any size; \`-\` is standard input`)
    .option('--out <file>', `${written}, once it is whole; \`-\` is standard output`)
    .option('--force', 'let --out replace a file that is there')
    .option('-i, --input <file>', short);
  return withOutput(command, written);
}

/** @throws UsageError where the spellings are mixed */
export function placesOf({ in: file, out, input, output, force }: PlaceOptions): Places {
  const ofFiles = file !== undefined || out !== undefined;
  if (ofFiles && (input !== undefined || output !== undefined)) {
    throw new UsageError('--in and --out do not go together with -i and -o: they are two ways to say the same');
  }
  // Whoever says -o has always replaced what was there.
  if (!ofFiles) return { input, output: fileOf(output), force: true, ofFiles };
  return { input: file, output: fileOf(out), force: force ?? false, ofFiles };
}

/** `--commitment-policy`, in the words of the official SDKs. */
export function commitmentPolicyOption(): Option {
  return new Option(
    '--commitment-policy <policy>',
    'messages of suites that do not commit to their key are opened only where this allows it',
  ).choices(COMMITMENT_POLICIES);
}

function fileOf(path: string | undefined): string | undefined {
  return path === '-' ? undefined : path;
}
