/**
 * `claviger keys public-key`.
 *
 * @module
 */
import { Option } from 'commander';
import { KEY_HELP, keyVersionOption } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { writeResult, writeText } from '../../output.ts';

interface PublicKeyOptions {
  readonly format: 'pem' | 'der' | 'jwk';
  readonly keyVersion?: number;
  readonly output?: string;
}

export function publicKeyCommand(): CliCommand {
  return new CliCommand('public-key')
    .description('The public key, for whoever verifies, encrypts or agrees outside')
    .argument('<key>', KEY_HELP)
    .addOption(new Option('--format <format>', 'of what is written').choices(['pem', 'der', 'jwk']).default('pem'))
    .addOption(keyVersionOption('the primary version where it is not given'))
    .option('-o, --output <file>', 'write it here; `-` is standard output')
    .examples(
      'claviger keys public-key alias:releases -o releases.pem',
      'claviger keys public-key alias:releases --format jwk',
    )
    .run<PublicKeyOptions>(async (session, { format, keyVersion, output }, key) => {
      const found = await session.client().getPublicKey({ key, keyVersion });
      const { terminal, json } = session;
      if (json || format === 'der') {
        writeResult(session, found, found.publicKey, output === undefined ? {} : { output });
      } else {
        writeText(terminal, format === 'pem' ? found.pem : JSON.stringify(found.jwk, null, 2), output);
      }
    });
}
