/**
 * `claviger encrypt`: up to 4,096 bytes to a ciphertext blob, which the server makes; or a file of any size to a message,
 * which is made here under a data key of the server.
 *
 * @module
 */
import { Option } from 'commander';
import type { EncryptionAlgorithmName } from '../../model/algorithm.ts';
import { INPUT_BYTES_MAX } from '../../operations/crypto-input.ts';
import { collected, contextOption, encryptionAlgorithmOption, integer, KEY_HELP } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { placesOf, withPlaces, type PlaceOptions } from '../files/places.ts';
import { readInput } from '../input.ts';
import { writeResult } from '../output.ts';
import type { Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';

interface EncryptOptions extends PlaceOptions {
  readonly key: readonly string[];
  readonly context?: Readonly<Record<string, string>>;
  readonly requireContext?: readonly string[];
  readonly algorithm?: EncryptionAlgorithmName;
  readonly format?: 'blob' | 'message';
  readonly frameSize?: number;
}

const TOO_LONG =
  'say --in FILE --out FILE (or --format message) for files of any size, or encrypt it yourself under a key of `claviger data-key`';
const FRAME_BYTES_MAX = 16 * 1024 * 1024;

export function encryptCommand(): CliCommand {
  const command = new CliCommand('encrypt')
    .description(
      'Encrypt a file of any size (--in, --out: a message of the AWS Encryption SDK), or up to 4,096 bytes (-i, -o: a blob that `aws kms decrypt` opens, too)',
    )
    .requiredOption('--key <key>', `${KEY_HELP}; several for a message, each of which opens it`, collected)
    .addOption(contextOption())
    .option(
      '--require-context <names...>',
      'names of pairs that a message does not store: whoever decrypts it has to know them',
    )
    .addOption(encryptionAlgorithmOption())
    .addOption(new Option('--format <format>', 'message with --in or --out, blob without').choices(['blob', 'message']))
    .option('--frame-size <bytes>', 'of a message; by its length where it is not given', integer(1, FRAME_BYTES_MAX));
  return withPlaces(
    command,
    'plaintext',
    'the ciphertext',
    'plaintext, at most 4,096 bytes; standard input where it is not given',
  )
    .examples(
      'claviger encrypt --key alias:orders --context shop=1 --in backup.tar --out backup.tar.enc',
      'tar c photos | claviger encrypt --key alias:orders --in - --out photos.tar.enc',
      'claviger encrypt --key alias:orders -i card.txt -o card.enc',
      "echo 'attack at dawn' | claviger encrypt --key alias:orders --context shop=1 --base64",
    )
    .run<EncryptOptions>(async (session, options) => {
      const places = placesOf(options);
      const { format = places.ofFiles ? 'message' : 'blob' } = options;
      if (format === 'blob') return encryptBlob(session, options);
      if (options.algorithm !== undefined) throw new UsageError('--algorithm is for RSA keys, which make no messages');
      const { encryptFile } = await import('../files/encrypt-file.ts');
      const { key: keys, context, requireContext, frameSize } = options;
      await encryptFile(session, places, { ...options, keys, context, requireContext, frameSize });
    });
}

async function encryptBlob(session: Session, options: EncryptOptions): Promise<void> {
  const { input, output, ofFiles, force } = placesOf(options);
  const { key: keys, context, algorithm } = options;
  const [key, ...others] = keys;
  if (others.length > 0) throw new UsageError('a blob is of one key; several go with --format message');
  if (options.requireContext !== undefined || options.frameSize !== undefined) {
    throw new UsageError(
      '--require-context and --frame-size are for messages: say --format message, or --in and --out',
    );
  }
  const client = session.client();
  const plaintext = await readInput(session.terminal, input, INPUT_BYTES_MAX, TOO_LONG);
  const made = await client.encrypt({ key: key!, plaintext, context, algorithm });
  if (!ofFiles || output === undefined) return writeResult(session, made, made.ciphertext, { ...options, output });
  const { writeWhole } = await import('../files/write-whole.ts');
  await writeWhole(session, output, made.ciphertext, { force, mode: 0o666 });
  if (session.json) session.answer({ ...made, ciphertext: undefined, output }, () => '');
}
