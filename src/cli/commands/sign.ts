/**
 * `claviger sign`.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import { KEY_HELP, signingAlgorithmOption } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { withOutput, writeResult, type OutputOptions } from '../output.ts';
import { readToSign, type SignedInputOptions } from '../to-sign.ts';

type SignOptions = OutputOptions & SignedInputOptions;

export function signCommand(): CliCommand {
  const command = new CliCommand('sign')
    .description('Sign a message; one of more than 4,096 bytes is hashed here')
    .requiredOption('--key <key>', KEY_HELP)
    .addOption(signingAlgorithmOption())
    .option('--digest', 'the input is a digest: its bytes, or hexadecimal or base64 text')
    .option('-i, --input <file>', 'message; standard input where it is not given');
  return withOutput(command, 'the signature')
    .examples(
      'claviger sign --key alias:releases -i release.tar.gz -o release.sig',
      'sha256sum < release.tar.gz | cut -c1-64 | claviger sign --key alias:releases --digest -o release.sig',
    )
    .run<SignOptions>(async (session, options) => {
      const { key } = options;
      const client = session.client();
      const primary = async (): Promise<readonly number[]> => [(await client.describeKey({ key })).primaryVersion];
      const [input] = await readToSign(session.terminal, client, options, primary);
      const { keyVersion, ...toSign } = input!;
      const made = await client.sign({ key, ...toSign });
      if (keyVersion !== undefined && keyVersion !== made.keyVersion) {
        throw new ClavigerError('CONFLICT', 'the key was rotated while the message was read; sign once more');
      }
      writeResult(session, made, made.signature, options);
    });
}
