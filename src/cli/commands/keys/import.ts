/**
 * `claviger keys import`: takes material from a file or standard input, wraps it here under a one-time RSA key of the
 * server, and sends it. It never leaves this process unwrapped.
 *
 * @module
 */
import { Option } from 'commander';
import { ClavigerError } from '../../../errors.ts';
import { IMPORT_ALGORITHMS, type ImportAlgorithmName } from '../../../model/algorithm.ts';
import { isAsymmetric, specRow, type Spec } from '../../../model/spec.ts';
import type { WRAPPING_KEY_BITS, WrappingKeyBits } from '../../../operations/import-key.ts';
import { KEY_HELP, momentAhead } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { digestOf, readInput } from '../../input.ts';
import { pkcs8Of } from '../../pem.ts';
import type { Session } from '../../session.ts';
import { keyWords } from './key-words.ts';

interface ImportOptions {
  readonly input?: string;
  readonly algorithm: ImportAlgorithmName;
  readonly wrappingKeyBits: string;
  readonly expires?: string;
}

/** The type holds them equal; the module itself would bring all of the cryptography. */
const WRAPPING_BITS: typeof WRAPPING_KEY_BITS = [2048, 3072, 4096];
/** It takes material of any length. */
const ALGORITHM: ImportAlgorithmName = 'RSA_AES_KEY_WRAP_SHA_256';

export function importCommand(): CliCommand {
  return new CliCommand('import')
    .description('Import key material into a key that was made with `--origin external`')
    .argument('<key>', KEY_HELP)
    .option(
      '-i, --input <file>',
      'a private key in PEM or PKCS#8 DER, or the bytes of a symmetric key; standard input where it is not given',
    )
    .addOption(
      new Option('--algorithm <algorithm>', 'way to wrap it')
        .choices(Object.keys(IMPORT_ALGORITHMS))
        .default(ALGORITHM),
    )
    .addOption(
      new Option('--wrapping-key-bits <bits>', 'length of the RSA key that wraps it')
        .choices(WRAPPING_BITS.map(String))
        .default('3072'),
    )
    .option('--expires <when>', 'delete the material then: a time, or so long from now, such as 30d', momentAhead)
    .examples(
      'claviger keys create --spec P-256 --origin external --alias releases',
      'claviger keys import alias:releases -i releases.key.pem',
      'head -c 32 /dev/random | claviger keys import alias:orders',
    )
    .run<ImportOptions>((session, options, key) => importMaterial(session, options, key));
}

async function importMaterial(session: Session, options: ImportOptions, key: string): Promise<void> {
  const { algorithm, expires: expiresAt } = options;
  const client = session.client();
  const { spec } = await client.describeKey({ key });
  const given = await readInput(session.terminal, options.input);
  const material = materialOf(spec, given);
  try {
    const { wrapForImport } = await import('../../../crypto/key-wrap.ts');
    const { systemRandom } = await import('../../../crypto/random.ts');
    const wrappingKeyBits = Number(options.wrappingKeyBits) as WrappingKeyBits;
    const { importToken, publicKey } = await client.getParametersForImport({ key, algorithm, wrappingKeyBits });
    const encryptedKeyMaterial = wrapForImport(algorithm, publicKey, material, systemRandom);
    const changed = await client.importKeyMaterial({ key, importToken, encryptedKeyMaterial, expiresAt });
    session.answer(changed, () => keyWords(changed));
  } finally {
    given.fill(0);
    material.fill(0);
  }
}

/** What the server takes: PKCS#8 DER of a key pair, the bytes of a symmetric key. @throws INVALID_ARGUMENT */
function materialOf(spec: Spec, given: Buffer): Buffer {
  if (isAsymmetric(spec)) return pkcs8Of(given);
  const { size } = specRow(spec);
  if (given.length === size) return given;
  // Symmetric keys are often kept as text.
  const bytes = digestOf(given);
  if (bytes.length === size) return bytes;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `a key of spec \`${spec}\` has ${size} bytes, the input has ${given.length}`,
  );
}
