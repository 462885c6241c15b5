/**
 * `claviger data-key`: keys for one's own encryption, each in plain text and as a ciphertext that only decrypt opens.
 *
 * @module
 */
import { Option } from 'commander';
import { isAsymmetric, SPEC_NAMES, type Spec } from '../../model/spec.ts';
import type { DATA_KEY_BYTES } from '../../operations/generate-data-key.ts';
import { contextOption, integer, KEY_HELP } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { pemOf } from '../../bytes/pem.ts';
import { showParts } from '../parts.ts';
import type { Session } from '../session.ts';

interface DataKeyOptions {
  readonly key: string;
  readonly context?: Readonly<Record<string, string>>;
  readonly withoutPlaintext?: boolean;
  readonly plaintextOut?: string;
  readonly ciphertextOut?: string;
}

interface SymmetricOptions extends DataKeyOptions {
  readonly bytes?: number;
}

interface PairOptions extends DataKeyOptions {
  readonly spec: Spec;
  readonly format?: 'der' | 'pem';
  readonly publicOut?: string;
}

/** The type holds them equal; the module itself would bring all of the cryptography. */
const BYTES: typeof DATA_KEY_BYTES = { min: 1, max: 1024, default: 32 };
const PAIR_SPECS = SPEC_NAMES.filter(isAsymmetric);

export function dataKeyCommand(): CliCommand {
  return new CliCommand('data-key')
    .description('Keys for your own encryption, in plain text and encrypted')
    .examples(
      'claviger data-key --key alias:orders --plaintext-out data.key --ciphertext-out data.key.enc',
      'claviger data-key pair --key alias:orders --spec P-256',
    )
    .groupWithDefault(symmetricCommand(), pairCommand());
}

function symmetricCommand(): CliCommand {
  const { min, max, default: usual } = BYTES;
  return withDataKey(new CliCommand('generate').description('A symmetric key (meant where no command is named)'))
    .option('--bytes <n>', `its length; ${usual} where it is not given`, integer(min, max))
    .examples(
      'claviger data-key --key alias:orders --plaintext-out data.key --ciphertext-out data.key.enc',
      'claviger decrypt -i data.key.enc -o data.key',
    )
    .run<SymmetricOptions>(symmetric);
}

function pairCommand(): CliCommand {
  return withDataKey(new CliCommand('pair').description('A key pair'))
    .addOption(new Option('--spec <spec>', 'kind of key').choices(PAIR_SPECS).makeOptionMandatory())
    .option('--public-out <file>', 'write the public key here')
    .addOption(new Option('--format <format>', 'of keys in files; PEM where it is not given').choices(['pem', 'der']))
    .examples(
      'claviger data-key pair --key alias:orders --spec P-256 --plaintext-out key.pem --public-out pub.pem --ciphertext-out key.enc',
    )
    .run<PairOptions>(pair);
}

async function symmetric(session: Session, options: SymmetricOptions): Promise<void> {
  const { key, context, bytes, withoutPlaintext } = options;
  const made = await session.client().generateDataKey({ key, context, bytes, withoutPlaintext });
  showParts(session, made, [
    { name: 'key', value: made.keyId },
    { name: 'plaintext', value: made.plaintext, file: options.plaintextOut, secret: true },
    { name: 'ciphertext', value: made.ciphertext, file: options.ciphertextOut },
  ]);
}

async function pair(session: Session, options: PairOptions): Promise<void> {
  const { key, spec, context, withoutPlaintext, format = 'pem' } = options;
  const made = await session.client().generateDataKeyPair({ key, spec, context, withoutPlaintext });
  const { publicKey, privateKey, privateKeyCiphertext } = made;
  const asFile = (label: string, der: Uint8Array): Uint8Array | string => (format === 'der' ? der : pemOf(label, der));
  showParts(session, made, [
    { name: 'key', value: made.keyId },
    { name: 'public key', value: publicKey, file: options.publicOut, inFile: asFile('PUBLIC KEY', publicKey) },
    {
      name: 'private key',
      value: privateKey,
      file: options.plaintextOut,
      inFile: privateKey && asFile('PRIVATE KEY', privateKey),
      secret: true,
    },
    { name: 'private key, encrypted', value: privateKeyCiphertext, file: options.ciphertextOut },
  ]);
}

function withDataKey(command: CliCommand): CliCommand {
  return command
    .requiredOption('--key <key>', `${KEY_HELP}; a symmetric one`)
    .addOption(contextOption())
    .option('--without-plaintext', 'the ciphertext only, for whoever encrypts later')
    .option('--plaintext-out <file>', 'write the plaintext here, readable for you only')
    .option('--ciphertext-out <file>', 'write the ciphertext here');
}
