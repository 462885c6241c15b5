/**
 * `claviger keys update`.
 *
 * @module
 */
import { Option } from 'commander';
import { KEY_HELP } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { UsageError } from '../../usage-error.ts';
import { keyWords } from './key-words.ts';

interface UpdateOptions {
  readonly description?: string;
  readonly publish?: boolean;
}

export function updateCommand(): CliCommand {
  return new CliCommand('update')
    .description('Change the description, or publish the public keys in the JWKS of the tenant')
    .argument('<key>', KEY_HELP)
    .option('--description <text>', 'what it is for, in words')
    .addOption(new Option('--publish', 'let anyone read the public keys'))
    .addOption(new Option('--no-publish', 'take them back'))
    .examples(
      "claviger keys update alias:orders --description 'card numbers'",
      'claviger keys update alias:tokens --publish',
    )
    .run<UpdateOptions>(async (session, { description, publish: published }, key) => {
      if (description === undefined && published === undefined) {
        throw new UsageError('say what to change: --description, --publish or --no-publish', 'claviger keys update');
      }
      const changed = await session.client().updateKey({ key, description, published });
      session.answer(changed, () => keyWords(changed));
    });
}
