/**
 * `claviger re-encrypt`: from one key or context to another, without the plaintext leaving the server.
 *
 * @module
 */
import type { EncryptionAlgorithmName } from '../../model/algorithm.ts';
import { contextOption, encryptionAlgorithmOption, KEY_HELP, keyVersionOption } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { rawOrBase64, readInput } from '../input.ts';
import { withOutput, writeResult, type OutputOptions } from '../output.ts';
import { keyOf } from '../ciphertext-key.ts';

interface ReEncryptOptions extends OutputOptions {
  readonly key?: string;
  readonly context?: Readonly<Record<string, string>>;
  readonly algorithm?: EncryptionAlgorithmName;
  readonly keyVersion?: number;
  readonly destinationKey: string;
  readonly destinationContext?: Readonly<Record<string, string>>;
  readonly destinationAlgorithm?: EncryptionAlgorithmName;
  readonly input?: string;
}

export function reEncryptCommand(): CliCommand {
  const command = new CliCommand('re-encrypt')
    .description('Encrypt a ciphertext under another key, or under another context')
    .requiredOption('--destination-key <key>', KEY_HELP)
    .addOption(contextOption('--destination-context <pairs...>', 'new encryption context'))
    .addOption(encryptionAlgorithmOption('--destination-algorithm <algorithm>'))
    .option('--key <key>', 'key that the ciphertext is of; one of a symmetric key names it by itself')
    .addOption(contextOption('--context <pairs...>', 'encryption context of the ciphertext'))
    .addOption(encryptionAlgorithmOption())
    .addOption(keyVersionOption('version that the ciphertext is of, for RSA keys'))
    .option('-i, --input <file>', 'ciphertext, as bytes or base64; standard input where it is not given');
  return withOutput(command, 'the new ciphertext')
    .examples('claviger re-encrypt --destination-key alias:orders-2027 -i card.enc -o card-2027.enc')
    .run<ReEncryptOptions>(async (session, options) => {
      const { context, algorithm, keyVersion } = options;
      const { destinationKey, destinationContext, destinationAlgorithm } = options;
      const client = session.client();
      const ciphertext = rawOrBase64(await readInput(session.terminal, options.input));
      const made = await client.reEncrypt({
        key: options.key ?? keyOf(ciphertext),
        ciphertext,
        context,
        algorithm,
        keyVersion,
        destinationKey,
        destinationContext,
        destinationAlgorithm,
      });
      writeResult(session, made, made.ciphertext, options);
    });
}
