/**
 * `claviger derive`: a secret agreed with the holder of another key (ECDH, X25519).
 *
 * @module
 */
import { KEY_HELP, keyVersionOption } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { readInput } from '../input.ts';
import { withOutput, writeResult, type OutputOptions } from '../output.ts';
import { spkiOf } from '../pem.ts';

interface DeriveOptions extends OutputOptions {
  readonly key: string;
  readonly publicKey: string;
  readonly keyVersion?: number;
}

export function deriveCommand(): CliCommand {
  const command = new CliCommand('derive')
    .description('Agree on a secret with the holder of another key (ECDH, X25519)')
    .requiredOption('--key <key>', `${KEY_HELP}; one for key agreement`)
    .requiredOption('--public-key <file>', 'public key of the other side, PEM or DER; `-` is standard input')
    .addOption(keyVersionOption('version to agree with; the primary one where it is not given'));
  return withOutput(command, 'the shared secret')
    .examples('claviger derive --key alias:agreement --public-key partner.pem -o shared.bin')
    .run<DeriveOptions>(async (session, options) => {
      const { key, keyVersion } = options;
      const client = session.client();
      const publicKey = spkiOf(await readInput(session.terminal, options.publicKey));
      const made = await client.deriveSharedSecret({ key, publicKey, keyVersion });
      writeResult(session, made, made.sharedSecret, options, true);
    });
}
