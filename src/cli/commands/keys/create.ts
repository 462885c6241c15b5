/**
 * `claviger keys create`.
 *
 * @module
 */
import { Option } from 'commander';
import { HOME_REFUSALS, type HomesRule } from '../../../model/key.ts';
import { SPEC_NAMES, USAGES, type Spec, type Usage } from '../../../model/spec.ts';
import { pair } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { keyWords } from './key-words.ts';

interface CreateOptions {
  readonly spec: Spec;
  readonly usage?: Usage;
  readonly alias?: string;
  readonly description?: string;
  readonly tag?: Readonly<Record<string, string>>;
  readonly origin?: 'claviger' | 'external';
  readonly preActive?: boolean;
  readonly group?: string;
  readonly backing?: readonly Backing[];
  readonly onHomeRefusal?: HomesRule['onHomeRefusal'];
  readonly siblings?: boolean;
  readonly quiet?: boolean;
}

export function createCommand(): CliCommand {
  return new CliCommand('create')
    .description('Make a key')
    .addOption(new Option('--spec <spec>', 'kind of key').choices(SPEC_NAMES).makeOptionMandatory())
    .addOption(new Option('--usage <usage>', 'what it is for; the usual use of its spec').choices(USAGES))
    .option('--alias <name>', 'name to call it by')
    .option('--description <text>', 'what it is for, in words')
    .addOption(new Option('--tag <pairs...>', 'tags, NAME=VALUE …').argParser(pair))
    .addOption(
      new Option('--origin <origin>', '`external` waits for material that you import').choices([
        'claviger',
        'external',
      ]),
    )
    .option('--group <name>', 'group of providers to live in')
    .addOption(
      new Option(
        '--backing <provider...>',
        'providers to live in; PROVIDER=REF adopts a native key that is there',
      ).argParser(backing),
    )
    .addOption(
      new Option('--on-home-refusal <what>', 'what follows where one home refuses the key').choices(HOME_REFUSALS),
    )
    .option('--siblings', 'a key pair of its own in each provider; any of them signs')
    .option('--pre-active', 'cannot be used before `claviger keys activate`')
    .option('-q, --quiet', 'print the id only')
    .examples(
      'claviger keys create --spec AES-256-GCM --alias orders',
      'claviger keys create --spec P-256 --alias releases --tag team=build',
      'claviger keys create --spec AES-256-GCM --group payments',
      'claviger keys create --spec P-256 --backing aws-main=alias/legacy --alias legacy',
      'KEY=$(claviger keys create --spec HMAC-SHA-256 -q)',
    )
    .run<CreateOptions>(async (session, options) => {
      const { tag: tags, backing: backings, preActive, quiet, spec, usage, alias, description, origin } = options;
      const { group, onHomeRefusal, siblings } = options;
      const state = preActive === true ? ('PreActive' as const) : undefined;
      const named = { spec, usage, alias, description, tags, origin, state };
      const key = await session.client().createKey({ ...named, group, backings, onHomeRefusal, siblings });
      session.answer(key, () => (quiet === true ? key.id : keyWords(key)));
    });
}

interface Backing {
  readonly provider: string;
  readonly ref?: string;
}

/** `PROVIDER`, or `PROVIDER=REF`, where the reference may have more of the signs. */
function backing(text: string, before: readonly Backing[] = []): readonly Backing[] {
  const at = text.indexOf('=');
  return [...before, at === -1 ? { provider: text } : { provider: text.slice(0, at), ref: text.slice(at + 1) }];
}
