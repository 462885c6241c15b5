/**
 * `claviger decrypt`: opens a message of any size, or a ciphertext blob, as bytes or as base64 text; whichever it is shows
 * in its first bytes.
 *
 * @module
 */
import type { CommitmentPolicy } from '../../envelope/index.ts';
import type { EncryptionAlgorithmName } from '../../model/algorithm.ts';
import { collected, contextOption, encryptionAlgorithmOption, KEY_HELP, keyVersionOption } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { commitmentPolicyOption, placesOf, withPlaces, type PlaceOptions } from '../files/places.ts';

interface DecryptOptions extends PlaceOptions {
  readonly key?: readonly string[];
  readonly context?: Readonly<Record<string, string>>;
  readonly algorithm?: EncryptionAlgorithmName;
  readonly keyVersion?: number;
  readonly commitmentPolicy?: CommitmentPolicy;
}

export function decryptCommand(): CliCommand {
  const command = new CliCommand('decrypt')
    .description(
      'Decrypt a message or a ciphertext. Long messages to standard output leave before their end is verified: what came is worth nothing where the exit code is not 0',
    )
    .option(
      '--key <key>',
      `${KEY_HELP}; a message or blob names its keys by itself, and then no other is used`,
      collected,
    )
    .addOption(contextOption('--context <pairs...>', 'encryption context, for a message all pairs that it must have'))
    .addOption(commitmentPolicyOption())
    .addOption(encryptionAlgorithmOption())
    .addOption(keyVersionOption('version that the ciphertext is of, for RSA keys'));
  return withPlaces(
    command,
    'ciphertext',
    'the plaintext',
    'ciphertext, as bytes or base64; standard input where it is not given',
  )
    .examples(
      'claviger decrypt --in backup.tar.enc --out backup.tar --context shop=1',
      'set -o pipefail; claviger decrypt --in photos.tar.enc | tar t || echo incomplete',
      'claviger decrypt -i card.enc -o card.txt',
      'claviger encrypt --key alias:orders --context shop=1 -i card.txt | claviger decrypt --context shop=1',
    )
    .run<DecryptOptions>(async (session, options) => {
      const places = placesOf(options);
      const { decryptFile } = await import('../files/decrypt-file.ts');
      await decryptFile(session, places, { ...options, keys: options.key ?? [] });
    });
}
