/**
 * `claviger encapsulate`: a shared secret and its encapsulation (ML-KEM).
 *
 * @module
 */
import { KEY_HELP } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { showParts } from '../parts.ts';

interface EncapsulateOptions {
  readonly key: string;
  readonly secretOut?: string;
  readonly ciphertextOut?: string;
}

export function encapsulateCommand(): CliCommand {
  return new CliCommand('encapsulate')
    .description('Make a shared secret and its encapsulation (ML-KEM)')
    .requiredOption('--key <key>', `${KEY_HELP}; an ML-KEM key`)
    .option('--secret-out <file>', 'write the shared secret here, readable for you only')
    .option('--ciphertext-out <file>', 'write the encapsulation here')
    .examples('claviger encapsulate --key alias:kem --secret-out shared.bin --ciphertext-out shared.enc')
    .run<EncapsulateOptions>(async (session, { key, secretOut, ciphertextOut }) => {
      const made = await session.client().encapsulate({ key });
      showParts(session, made, [
        { name: 'key', value: made.keyId },
        { name: 'shared secret', value: made.sharedSecret, file: secretOut, secret: true },
        { name: 'ciphertext', value: made.ciphertext, file: ciphertextOut },
      ]);
    });
}
