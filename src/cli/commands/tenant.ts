/**
 * `claviger tenant`: owners of keys.
 *
 * @module
 */
import { Option } from 'commander';
import { ROLES, type Role } from '../../model/principal.ts';
import type { TenantInfo } from '../../operations/tenants.ts';
import { CliCommand } from '../command.ts';
import { showPages, withPages, type PageOptions } from '../pages.ts';
import { jsonOf } from '../session.ts';
import { plain, record, shortTime } from '../table.ts';

interface CreateOptions {
  readonly accountId?: string;
  readonly role?: readonly Role[];
}

export function tenantCommand(): CliCommand {
  return new CliCommand('tenant')
    .description('Make and list tenants (system scope)')
    .examples('claviger tenant create payments')
    .group(createCommand(), listCommand());
}

function createCommand(): CliCommand {
  return new CliCommand('create')
    .description('Make a tenant and its first token, which is shown once')
    .argument('<name>', '1 to 63 of a-z, 0-9 and -')
    .option('--account-id <digits>', '12 digits, for ARNs; made at random where they are not given')
    .addOption(new Option('--role <roles...>', 'of its first token; security-officer').choices(ROLES))
    .examples('TOKEN=$(claviger tenant create payments)')
    .run<CreateOptions>(async (session, { accountId, role: roles }, name) => {
      const made = await session.client().createTenant({ name, accountId, roles });
      const { terminal, json } = session;
      if (json) return terminal.print(jsonOf(made));
      terminal.say(words(made));
      terminal.say('its first token is shown now and never again:');
      terminal.print(made.token);
    });
}

function listCommand(): CliCommand {
  return withPages(new CliCommand('list').description('List tenants'))
    .examples('claviger tenant list')
    .run<PageOptions>((session, options) => {
      const client = session.client();
      return showPages(session, options, {
        items: 'tenants',
        none: 'there is no tenant',
        headings: ['TENANT', 'NAME', 'ACCOUNT', 'CREATED'],
        page: (input) => client.listTenants(input),
        row: ({ id, name, accountId, createdAt }: TenantInfo) => [id, plain(name), accountId, shortTime(createdAt)],
      });
    });
}

function words({ id, name, accountId }: TenantInfo): string {
  return record([
    ['tenant', id],
    ['name', plain(name)],
    ['account', accountId],
  ]);
}
