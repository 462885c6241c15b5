/**
 * `claviger keys tag | untag`.
 *
 * @module
 */
import { KEY_HELP, pair } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { keyWords } from './key-words.ts';

export function tagCommand(): CliCommand {
  return new CliCommand('tag')
    .description('Set tags of a key')
    .argument('<key>', KEY_HELP)
    .argument('<tags...>', 'NAME=VALUE …', pair)
    .examples('claviger keys tag alias:orders team=payments stage=production')
    .run(async (session, _options, key, collected) => {
      // What `pair` made of all of them.
      const tags = collected as unknown as Readonly<Record<string, string>>;
      const changed = await session.client().tagKey({ key, tags });
      session.answer(changed, () => keyWords(changed));
    });
}

export function untagCommand(): CliCommand {
  return new CliCommand('untag')
    .description('Take tags of a key away')
    .argument('<key>', KEY_HELP)
    .argument('<names...>', 'names of tags')
    .examples('claviger keys untag alias:orders stage')
    .run(async (session, _options, key, ...tagKeys) => {
      const changed = await session.client().untagKey({ key, tagKeys });
      session.answer(changed, () => keyWords(changed));
    });
}
