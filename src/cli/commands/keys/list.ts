/**
 * `claviger keys list`.
 *
 * @module
 */
import type { KeyInfo } from '../../../operations/key-info.ts';
import { CliCommand } from '../../command.ts';
import { showPages, withPages, type PageOptions } from '../../pages.ts';
import { plain } from '../../table.ts';
import { stateWords } from './key-words.ts';

export function listCommand(): CliCommand {
  return withPages(new CliCommand('list').description('List the keys'))
    .examples('claviger keys list', 'claviger keys list --all --json | jq -r \'select(.spec == "P-256").id\'')
    .run<PageOptions>((session, options) => {
      const client = session.client();
      return showPages(session, options, {
        items: 'keys',
        none: 'there is no key yet; `claviger keys create` makes one',
        headings: ['KEY', 'SPEC', 'USAGE', 'STATE', 'ALIASES'],
        page: (input) => client.listKeys(input),
        row: (key: KeyInfo) => [key.id, key.spec, key.usage, stateWords(key), key.aliases.map(plain).join(', ')],
      });
    });
}
