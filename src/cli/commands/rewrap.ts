/**
 * `claviger rewrap`: completes a ciphertext that lacks the wraps of some homes.
 *
 * @module
 */
import { contextOption, KEY_HELP } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { rawOrBase64, readInput } from '../input.ts';
import { withOutput, writeResult, type OutputOptions } from '../output.ts';
import { keyOf } from '../ciphertext-key.ts';

interface RewrapOptions extends OutputOptions {
  readonly key?: string;
  readonly context?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export function rewrapCommand(): CliCommand {
  const command = new CliCommand('rewrap')
    .description('Complete a ciphertext that was made while homes of its key were missing')
    .option('--key <key>', `${KEY_HELP}; the ciphertext names it by itself`)
    .addOption(contextOption())
    .option('-i, --input <file>', 'ciphertext, as bytes or base64; standard input where it is not given');
  return withOutput(command, 'the completed ciphertext')
    .examples('claviger rewrap -i card.enc -o card.enc', 'for f in *.enc; do claviger rewrap -i "$f" -o "$f"; done')
    .run<RewrapOptions>(async (session, options) => {
      const ciphertext = rawOrBase64(await readInput(session.terminal, options.input));
      const key = options.key ?? keyOf(ciphertext);
      const made = await session.client().rewrap({ key, ciphertext, context: options.context });
      const missing = made.missingHomes ?? [];
      if (missing.length > 0) session.terminal.say(`still missing: ${missing.join(', ')}; run it again later`);
      writeResult(session, made, made.ciphertext, options);
    });
}
