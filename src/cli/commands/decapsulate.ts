/**
 * `claviger decapsulate`: the shared secret of an encapsulation (ML-KEM).
 *
 * @module
 */
import { KEY_HELP, keyVersionOption } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { rawOrBase64, readInput } from '../input.ts';
import { withOutput, writeResult, type OutputOptions } from '../output.ts';

interface DecapsulateOptions extends OutputOptions {
  readonly key: string;
  readonly keyVersion?: number;
  readonly input?: string;
}

export function decapsulateCommand(): CliCommand {
  const command = new CliCommand('decapsulate')
    .description('Take the shared secret out of an encapsulation (ML-KEM)')
    .requiredOption('--key <key>', `${KEY_HELP}; an ML-KEM key`)
    .addOption(keyVersionOption('version that it was made for; the primary one where it is not given'))
    .option('-i, --input <file>', 'encapsulation, as bytes or base64; standard input where it is not given');
  return withOutput(command, 'the shared secret')
    .examples('claviger decapsulate --key alias:kem -i shared.enc -o shared.bin')
    .run<DecapsulateOptions>(async (session, options) => {
      const { key, keyVersion, input } = options;
      const client = session.client();
      const ciphertext = rawOrBase64(await readInput(session.terminal, input));
      const made = await client.decapsulate({ key, ciphertext, keyVersion });
      writeResult(session, made, made.sharedSecret, options, true);
    });
}
