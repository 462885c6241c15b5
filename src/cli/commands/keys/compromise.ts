/**
 * `claviger keys compromise`.
 *
 * @module
 */
import { KEY_HELP, keyVersionOption } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { wholeKeyWords } from './key-words.ts';

export function compromiseCommand(): CliCommand {
  return new CliCommand('compromise')
    .description('Mark a key, or one of its older versions, as compromised; this cannot be taken back')
    .argument('<key>', KEY_HELP)
    .addOption(keyVersionOption('this version only'))
    .examples('claviger keys compromise alias:orders --key-version 1')
    .run<{ readonly keyVersion?: number }>(async (session, { keyVersion }, key) => {
      const changed = await session.client().compromiseKey({ key, keyVersion });
      session.answer(changed, () => wholeKeyWords(changed));
    });
}
