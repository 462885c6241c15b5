/**
 * `claviger inspect`: what an encrypted file says of itself.
 *
 * @module
 */
import { CliCommand } from '../command.ts';

export function inspectCommand(): CliCommand {
  return new CliCommand('inspect')
    .description('Show what a message, a ciphertext or sealed configuration says of itself; needs no key and no server')
    .argument('<file>', '`-` is standard input')
    .examples('claviger inspect backup.tar.enc', 'claviger inspect --json backup.tar.enc | jq .keys')
    .run(async (session, _options, file) => {
      const { inspectFile } = await import('../files/inspect-file.ts');
      await inspectFile(session, file);
    });
}
