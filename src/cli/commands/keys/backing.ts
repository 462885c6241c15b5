/**
 * `claviger keys backing`: the homes of a key that is there.
 *
 * @module
 */
import { KEY_HELP } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { wholeKeyWords } from './key-words.ts';

const PROVIDER = '--provider <name>';

export function backingCommand(): CliCommand {
  return new CliCommand('backing')
    .description('Change which providers a key lives in')
    .examples('claviger keys backing add alias:orders --provider aws-main', 'claviger keys backing repair alias:orders')
    .group(addCommand(), removeCommand(), repairCommand());
}

function addCommand(): CliCommand {
  return new CliCommand('add')
    .description('Make a key live in one more provider')
    .argument('<key>', KEY_HELP)
    .requiredOption(PROVIDER, 'name of the provider, as the server is configured')
    .option('--ref <ref>', "a native key that is there, in the provider's own words; otherwise one is made")
    .examples(
      'claviger keys backing add alias:orders --provider hsm-1',
      'claviger keys backing add alias:orders --provider aws-main --ref alias/legacy-orders',
    )
    .run<{ readonly provider: string; readonly ref?: string }>(async (session, { provider, ref }, key) => {
      const changed = await session.client().addKeyBacking({ key, provider, ref });
      session.answer(changed, () => wholeKeyWords(changed));
    });
}

function removeCommand(): CliCommand {
  return new CliCommand('remove')
    .description('Take a home away; it is called no more, and keys that were made for it there are destroyed')
    .argument('<key>', KEY_HELP)
    .requiredOption(PROVIDER, 'name of the provider')
    .examples('claviger keys backing remove alias:orders --provider azure-dr')
    .run<{ readonly provider: string }>(async (session, { provider }, key) => {
      const changed = await session.client().removeKeyBacking({ key, provider });
      session.answer(changed, () => wholeKeyWords(changed));
    });
}

function repairCommand(): CliCommand {
  return new CliCommand('repair')
    .description('Make a key live wherever its group says: in members that came later, and where a home was lost')
    .argument('<key>', KEY_HELP)
    .examples('claviger keys backing repair alias:orders')
    .run(async (session, _options, key) => {
      const changed = await session.client().repairKeyBackings({ key });
      session.answer(changed, () => wholeKeyWords(changed));
    });
}
