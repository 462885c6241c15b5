/**
 * What `claviger encrypt` does with a file of any size.
 *
 * @module
 */
import type { Session } from '../session.ts';
import { jsonOf } from '../session.ts';
import { UsageError } from '../usage-error.ts';
import { meter } from './meter.ts';
import { encryptTo } from './message.ts';
import type { OutputOptions } from '../output.ts';
import type { Places } from './places.ts';
import { messageReport } from './message-report.ts';
import { openSource, type Source } from './source.ts';
import { openTarget } from './target.ts';
import { Unfinished } from './unfinished.ts';

/** What of it the process allows (umask) to others, of a ciphertext that came from nowhere. */
const ANYBODY = 0o666;

export interface EncryptFileOptions extends OutputOptions {
  readonly keys: readonly string[];
  readonly context: Readonly<Record<string, string>> | undefined;
  readonly requireContext: readonly string[] | undefined;
  readonly frameSize: number | undefined;
}

export async function encryptFile(session: Session, places: Places, options: EncryptFileOptions): Promise<void> {
  const { terminal, json } = session;
  const { input, output, force } = places;
  const { keys, context = {}, requireContext = [], frameSize } = options;
  requireBinaryOutput(session, output, options);
  const service = session.client();
  using unfinished = new Unfinished(terminal);
  await using source = openSource(terminal, input);
  await using target = openTarget(terminal, output, { unfinished, force, mode: modeOf(source) });
  const told = meter(terminal, source.name, source.bytes);
  try {
    const made = await encryptTo(source, target, {
      service,
      keys,
      context,
      requiredContext: requireContext,
      frameBytes: frameSize,
      onBytes: told.add,
    });
    await target.finish();
    told.clear();
    for (const home of made.missingHomes) terminal.say(`home \`${home}\` has no wrap of the data key: rewrap it later`);
    if (json) terminal.print(jsonOf({ ...messageReport(made), output }));
  } finally {
    told.clear();
  }
}

/** @throws UsageError where bytes of a message would go to a terminal, or between the lines of a report */
export function requireBinaryOutput(
  { terminal, json }: Session,
  output: string | undefined,
  { base64, hex, raw }: OutputOptions,
): void {
  if (base64 || hex) throw new UsageError('--base64 and --hex are for what is short; pipe the output through `base64`');
  if (output !== undefined) return;
  if (json) throw new UsageError('with --json name the file with --out: the report goes to standard output');
  if (terminal.output.isTty && !raw) {
    throw new UsageError('bytes would go to the terminal: name a file with --out, or say --raw to have them there');
  }
}

/** Who may read a file may read its ciphertext. */
function modeOf({ stats }: Source): number {
  return stats?.isFile() === true ? stats.mode & ANYBODY : ANYBODY;
}
