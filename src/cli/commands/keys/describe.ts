/**
 * `claviger keys describe`.
 *
 * @module
 */
import { KEY_HELP } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { wholeKeyWords } from './key-words.ts';

export function describeCommand(): CliCommand {
  return new CliCommand('describe')
    .description('Describe a key and its versions')
    .argument('<key>', KEY_HELP)
    .examples('claviger keys describe alias:orders')
    .run(async (session, _options, key) => {
      const found = await session.client().describeKey({ key });
      session.answer(found, () => wholeKeyWords(found));
    });
}
