/**
 * `claviger alias`: names for keys.
 *
 * @module
 */
import type { AliasInfo } from '../../operations/aliases.ts';
import { KEY_HELP } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { showPages, withPages, type PageOptions } from '../pages.ts';
import { plain, record, shortTime } from '../table.ts';

const NAME_HELP = 'name of the alias, with or without `alias:`';

export function aliasCommand(): CliCommand {
  return new CliCommand('alias')
    .description('Name keys')
    .examples('claviger alias create orders --key 0199c0de-0000-7000-8000-000000000000')
    .group(createCommand(), listCommand(), updateCommand(), deleteCommand());
}

function createCommand(): CliCommand {
  return new CliCommand('create')
    .description('Name a key')
    .argument('<name>', NAME_HELP)
    .requiredOption('--key <key>', KEY_HELP)
    .examples('claviger alias create card-numbers --key alias:orders')
    .run<{ readonly key: string }>(async (session, { key }, name) => {
      const made = await session.client().createAlias({ name, key });
      session.answer(made, () => words(made));
    });
}

function listCommand(): CliCommand {
  return withPages(new CliCommand('list').description('List aliases, of one key or all'))
    .option('--key <key>', KEY_HELP)
    .examples('claviger alias list')
    .run<PageOptions & { readonly key?: string }>((session, options) => {
      const client = session.client();
      return showPages(session, options, {
        items: 'aliases',
        none: 'there is no alias yet; `claviger alias create` makes one',
        headings: ['ALIAS', 'KEY', 'UPDATED'],
        page: (input) => client.listAliases({ ...input, key: options.key }),
        row: ({ name, keyId, updatedAt }: AliasInfo) => [plain(name), keyId, shortTime(updatedAt)],
      });
    });
}

function updateCommand(): CliCommand {
  return new CliCommand('update')
    .description('Let an alias name another key of the same spec and usage')
    .argument('<name>', NAME_HELP)
    .requiredOption('--key <key>', KEY_HELP)
    .examples('claviger alias update orders --key alias:orders-2027')
    .run<{ readonly key: string }>(async (session, { key }, name) => {
      const changed = await session.client().updateAlias({ name, key });
      session.answer(changed, () => words(changed));
    });
}

function deleteCommand(): CliCommand {
  return new CliCommand('delete')
    .description('Delete an alias; the key stays')
    .argument('<name>', NAME_HELP)
    .examples('claviger alias delete orders')
    .run(async (session, _options, name) => {
      const answer = await session.client().deleteAlias({ name });
      session.answer(answer, () => `alias ${plain(name)} is deleted; its key stays`);
    });
}

function words({ name, arn, keyId }: AliasInfo): string {
  return record([
    ['alias', plain(name)],
    ['key', keyId],
    ['arn', arn],
  ]);
}
