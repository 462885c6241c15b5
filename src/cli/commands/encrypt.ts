/**
 * `claviger encrypt`.
 *
 * @module
 */
import type { EncryptionAlgorithmName } from '../../model/algorithm.ts';
import { INPUT_BYTES_MAX } from '../../operations/crypto-input.ts';
import { contextOption, encryptionAlgorithmOption, KEY_HELP } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { readInput } from '../input.ts';
import { withOutput, writeResult, type OutputOptions } from '../output.ts';

interface EncryptOptions extends OutputOptions {
  readonly key: string;
  readonly context?: Readonly<Record<string, string>>;
  readonly algorithm?: EncryptionAlgorithmName;
  readonly input?: string;
}

const TOO_LONG =
  'get a key with `claviger data-key`, encrypt the data under it, and keep its ciphertext beside the data';

export function encryptCommand(): CliCommand {
  const command = new CliCommand('encrypt')
    .description('Encrypt up to 4,096 bytes')
    .requiredOption('--key <key>', KEY_HELP)
    .addOption(contextOption())
    .addOption(encryptionAlgorithmOption())
    .option('-i, --input <file>', 'plaintext; standard input where it is not given');
  return withOutput(command, 'the ciphertext')
    .examples(
      'claviger encrypt --key alias:orders -i card.txt -o card.enc',
      "echo 'attack at dawn' | claviger encrypt --key alias:orders --context shop=1 --base64",
    )
    .run<EncryptOptions>(async (session, options) => {
      const { key, context, algorithm, input } = options;
      const client = session.client();
      const plaintext = await readInput(session.terminal, input, INPUT_BYTES_MAX, TOO_LONG);
      const made = await client.encrypt({ key, plaintext, context, algorithm });
      writeResult(session, made, made.ciphertext, options);
    });
}
