/**
 * `claviger policy`: who may do what, and why.
 *
 * @module
 */
import {
  GOVERN_OPERATIONS,
  MANAGE_OPERATIONS,
  READ_OPERATIONS,
  USE_COMPROMISED,
  USE_OPERATIONS,
  type PolicyAction,
} from '../../model/operation.ts';
import type { ExplainPolicyOutput } from '../../operations/key-policy.ts';
import { contextOption, KEY_HELP } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { readInput } from '../input.ts';
import { writeText } from '../output.ts';
import { jsonOf, type Session } from '../session.ts';
import { plain, record } from '../table.ts';
import { UsageError } from '../usage-error.ts';

interface ExplainOptions {
  readonly key?: string;
  readonly principal?: string;
  readonly context?: Readonly<Record<string, string>>;
  readonly source?: string;
}

const ACTIONS: readonly string[] = [
  ...USE_OPERATIONS,
  ...MANAGE_OPERATIONS,
  ...READ_OPERATIONS,
  ...GOVERN_OPERATIONS,
  USE_COMPROMISED,
];

export function policyCommand(): CliCommand {
  return new CliCommand('policy')
    .description('Who may do what with a key, and why')
    .examples('claviger policy explain Decrypt --key alias:orders')
    .group(getCommand(), setCommand(), clearCommand(), explainCommand());
}

function getCommand(): CliCommand {
  return new CliCommand('get')
    .description('The policy of a key')
    .argument('<key>', KEY_HELP)
    .option('-o, --output <file>', 'write it here; `-` is standard output')
    .examples('claviger policy get alias:orders -o orders.cedar')
    .run<{ readonly output?: string }>(async (session, { output }, key) => {
      const found = await session.client().getKeyPolicy({ key });
      const { terminal, json } = session;
      if (json) writeText(terminal, jsonOf(found), output);
      else if (found.policy === null)
        terminal.say(`key ${found.keyId} has no policy of its own; the roles alone decide`);
      else writeText(terminal, found.policy, output);
    });
}

function setCommand(): CliCommand {
  return new CliCommand('set')
    .description('Narrow who may do what with a key, by Cedar `forbid` policies')
    .argument('<key>', KEY_HELP)
    .option('-i, --input <file>', 'Cedar text; standard input where it is not given')
    .examples('claviger policy set alias:orders -i orders.cedar')
    .run<{ readonly input?: string }>(async (session, { input }, key) => {
      const client = session.client();
      const policy = (await readInput(session.terminal, input)).toString();
      if (policy.trim() === '') {
        throw new UsageError('the policy is empty; `claviger policy clear` takes a policy away', 'claviger policy set');
      }
      const changed = await client.setKeyPolicy({ key, policy });
      session.answer(changed, () => `key ${changed.keyId} has this policy from now on`);
    });
}

function clearCommand(): CliCommand {
  return new CliCommand('clear')
    .description('Take the policy of a key away; the roles alone decide then')
    .argument('<key>', KEY_HELP)
    .examples('claviger policy clear alias:orders')
    .run(async (session, _options, key) => {
      const changed = await session.client().setKeyPolicy({ key, policy: null });
      session.answer(changed, () => `key ${changed.keyId} has no policy of its own any more`);
    });
}

function explainCommand(): CliCommand {
  return new CliCommand('explain')
    .description('Why somebody may, or may not, do something')
    .argument('<action>', 'name of an operation, such as Decrypt')
    .option('--key <key>', `${KEY_HELP}; the tenant itself where it is not given`)
    .option('--principal <token>', 'id of the token that would do it; your own where it is not given')
    .addOption(contextOption())
    .option('--source <address>', 'IP address that it would come from')
    .examples(
      'claviger policy explain Decrypt --key alias:orders --context shop=1',
      'claviger policy explain CreateKey --principal 0199c0de-0000-7000-8000-000000000000',
    )
    .run<ExplainOptions>((session, options, action) => explain(session, options, action));
}

async function explain(session: Session, options: ExplainOptions, given: string): Promise<void> {
  const { key, principal, context, source: sourceAddress } = options;
  const action = actionOf(given);
  const told = await session.client().explainPolicy({ action, key, principal, context, sourceAddress });
  session.answer(told, () => words(session, told));
}

/** The operation, also where its first letter is small. @throws UsageError */
function actionOf(given: string): PolicyAction {
  const found = ACTIONS.find((action) => action.toLowerCase() === given.replaceAll('-', '').toLowerCase());
  if (found !== undefined) return found as PolicyAction;
  throw new UsageError(`there is no action \`${given}\`; there are ${ACTIONS.join(', ')}`, 'claviger policy explain');
}

function words(
  { terminal }: Session,
  { allowed, principal, action, resource, policies, reasons }: ExplainPolicyOutput,
): string {
  const decision = allowed ? terminal.styled('green', 'ALLOWED') : terminal.styled('red', 'DENIED');
  const facts = record([
    ['decision', decision],
    ['action', action],
    ['resource', resource],
    ['principal', `${plain(principal.name)} (${principal.id})`],
    ['roles', principal.roles.join(', ')],
  ]);
  const because = reasons.map((reason, index) => {
    const policy = policies[index];
    return `  - ${plain(reason)}${policy === undefined || reason.includes(policy) ? '' : ` [${policy}]`}`;
  });
  return because.length === 0 ? facts : `${facts}\n\nbecause\n${because.join('\n')}`;
}
