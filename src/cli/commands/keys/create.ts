/**
 * `claviger keys create`.
 *
 * @module
 */
import { Option } from 'commander';
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
    .option('--pre-active', 'cannot be used before `claviger keys activate`')
    .option('-q, --quiet', 'print the id only')
    .examples(
      'claviger keys create --spec AES-256-GCM --alias orders',
      'claviger keys create --spec P-256 --alias releases --tag team=build',
      'KEY=$(claviger keys create --spec HMAC-SHA-256 -q)',
    )
    .run<CreateOptions>(async (session, { spec, usage, alias, description, tag: tags, origin, preActive, quiet }) => {
      const state = preActive === true ? 'PreActive' : undefined;
      const key = await session.client().createKey({ spec, usage, alias, description, tags, origin, state });
      session.answer(key, () => (quiet === true ? key.id : keyWords(key)));
    });
}
