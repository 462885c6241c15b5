/**
 * `claviger token`: API tokens, and access key pairs for AWS SDKs.
 *
 * A new secret goes to standard output and nothing else does, so that `TOKEN=$(claviger token create …)` works.
 *
 * @module
 */
import { Option } from 'commander';
import { ROLES, type Role } from '../../model/principal.ts';
import type { CreateTokenOutput, TokenInfo } from '../../operations/tokens.ts';
import { momentAhead } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { showPages, withPages, type PageOptions } from '../pages.ts';
import { jsonOf, type Session } from '../session.ts';
import { plain, record, shortTime } from '../table.ts';

interface CreateOptions {
  readonly name: string;
  readonly role: readonly Role[];
  readonly aws?: boolean;
  readonly expires?: string;
  readonly tenant?: string;
  readonly systemScope?: boolean;
}

export function tokenCommand(): CliCommand {
  return new CliCommand('token')
    .description('Make and revoke API tokens and AWS access keys')
    .examples('claviger token create --name checkout --role crypto-user --expires 90d')
    .group(createCommand(), listCommand(), revokeCommand());
}

function createCommand(): CliCommand {
  return new CliCommand('create')
    .description('Make an API token, or an AWS access key pair; the secret is shown once')
    .requiredOption('--name <name>', 'whose it is')
    .addOption(new Option('--role <roles...>', 'what it may do').choices(ROLES).makeOptionMandatory())
    .option('--aws', 'an access key pair for AWS SDKs and the AWS CLI')
    .option('--expires <when>', 'a time, or so long from now, such as 90d', momentAhead)
    .option('--tenant <tenant>', 'id or name; your own where it is not given')
    .option('--system-scope', 'may make tenants and read the whole log')
    .examples(
      'claviger token create --name checkout --role crypto-user --expires 90d',
      'TOKEN=$(claviger token create --name ci --role key-administrator)',
      'export $(claviger token create --name app --role crypto-user --aws)',
    )
    .run<CreateOptions>(async (session, { name, role: roles, aws, expires: expiresAt, tenant, systemScope }) => {
      const kind = aws === true ? 'aws' : undefined;
      const made = await session.client().createToken({ name, roles, kind, expiresAt, tenant, systemScope });
      showSecret(session, made);
    });
}

function showSecret({ terminal, json }: Session, made: CreateTokenOutput): void {
  if (json) return terminal.print(jsonOf(made));
  terminal.say(tokenWords(made));
  terminal.say('the secret is shown now and never again:');
  if (made.token !== undefined) return terminal.print(made.token);
  terminal.print(`AWS_ACCESS_KEY_ID=${made.accessKeyId}`);
  terminal.print(`AWS_SECRET_ACCESS_KEY=${made.secretAccessKey}`);
}

function listCommand(): CliCommand {
  return withPages(new CliCommand('list').description('List tokens, without their secrets'))
    .examples('claviger token list')
    .run<PageOptions>((session, options) => {
      const client = session.client();
      return showPages(session, options, {
        items: 'tokens',
        none: 'there is no token',
        headings: ['TOKEN', 'NAME', 'KIND', 'ROLES', 'EXPIRES', 'STATE'],
        page: (input) => client.listTokens(input),
        row: (token: TokenInfo) => [
          token.id,
          plain(token.name),
          token.kind,
          [...token.roles, ...(token.systemScope ? ['(system scope)'] : [])].join(' '),
          shortTime(token.expiresAt) || 'never',
          stateOf(token),
        ],
      });
    });
}

function revokeCommand(): CliCommand {
  return new CliCommand('revoke')
    .description('Revoke a token, at once')
    .argument('<id>', 'id of the token, as `claviger token list` shows it')
    .examples('claviger token revoke 0199c0de-0000-7000-8000-000000000000')
    .run(async (session, _options, id) => {
      const revoked = await session.client().revokeToken({ id });
      session.answer(revoked, () => tokenWords(revoked));
    });
}

function tokenWords(token: TokenInfo): string {
  return record([
    ['token', token.id],
    ['name', plain(token.name)],
    ['kind', token.kind],
    ['roles', token.roles.join(', ')],
    ['scope', token.systemScope ? 'system' : null],
    ['access key id', token.accessKeyId],
    ['tenant', token.tenantId],
    ['expires', token.expiresAt === null ? 'never' : `${shortTime(token.expiresAt)} UTC`],
    ['state', stateOf(token)],
  ]);
}

function stateOf({ revokedAt, expiresAt }: TokenInfo): string {
  if (revokedAt !== null) return 'revoked';
  return expiresAt !== null && Date.parse(expiresAt) <= Date.now() ? 'expired' : 'valid';
}
