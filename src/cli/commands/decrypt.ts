/**
 * `claviger decrypt`: takes a ciphertext as bytes or as base64 text, whichever it is.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { EncryptionAlgorithmName } from '../../model/algorithm.ts';
import { keyOfCiphertext } from '../../wire/index.ts';
import { contextOption, encryptionAlgorithmOption, KEY_HELP, keyVersionOption } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { rawOrBase64, readInput } from '../input.ts';
import { withOutput, writeResult, type OutputOptions } from '../output.ts';

interface DecryptOptions extends OutputOptions {
  readonly key?: string;
  readonly context?: Readonly<Record<string, string>>;
  readonly algorithm?: EncryptionAlgorithmName;
  readonly keyVersion?: number;
  readonly input?: string;
}

export function decryptCommand(): CliCommand {
  const command = new CliCommand('decrypt')
    .description('Decrypt a ciphertext')
    .option('--key <key>', `${KEY_HELP}; a ciphertext of a symmetric key names it by itself`)
    .addOption(contextOption())
    .addOption(encryptionAlgorithmOption())
    .addOption(keyVersionOption('version that the ciphertext is of, for RSA keys'))
    .option('-i, --input <file>', 'ciphertext, as bytes or base64; standard input where it is not given');
  return withOutput(command, 'the plaintext')
    .examples(
      'claviger decrypt -i card.enc -o card.txt',
      'claviger encrypt --key alias:orders --context shop=1 -i card.txt | claviger decrypt --context shop=1',
    )
    .run<DecryptOptions>(async (session, options) => {
      const { context, algorithm, keyVersion, input } = options;
      const client = session.client();
      const ciphertext = rawOrBase64(await readInput(session.terminal, input));
      const key = options.key ?? keyOf(ciphertext);
      const made = await client.decrypt({ key, ciphertext, context, algorithm, keyVersion });
      writeResult(session, made, made.plaintext, options, true);
    });
}

/**
 * The key that a ciphertext blob names.
 *
 * @throws INVALID_ARGUMENT for bytes that are no blob
 */
export function keyOf(ciphertext: Uint8Array): string {
  const key = keyOfCiphertext(ciphertext);
  if (key !== null) return key;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    'the input is not a ciphertext of a symmetric key, which names its key; for one of an RSA key say --key',
  );
}
