/**
 * `claviger keys`: keys and their lives.
 *
 * @module
 */
import { CliCommand } from '../command.ts';
import { backingCommand } from './keys/backing.ts';
import { compromiseCommand } from './keys/compromise.ts';
import { createCommand } from './keys/create.ts';
import { describeCommand } from './keys/describe.ts';
import { importCommand } from './keys/import.ts';
import { lifecycleCommands } from './keys/lifecycle.ts';
import { listCommand } from './keys/list.ts';
import { publicKeyCommand } from './keys/public-key.ts';
import { rotationCommand } from './keys/rotation.ts';
import { scheduleDeletionCommand } from './keys/schedule-deletion.ts';
import { tagCommand, untagCommand } from './keys/tags.ts';
import { updateCommand } from './keys/update.ts';

export function keysCommand(): CliCommand {
  return new CliCommand('keys')
    .description('Make keys and rule their lives')
    .examples('claviger keys create --spec AES-256-GCM --alias orders', 'claviger keys list')
    .group(
      createCommand(),
      listCommand(),
      describeCommand(),
      updateCommand(),
      publicKeyCommand(),
      rotationCommand(),
      ...lifecycleCommands(),
      compromiseCommand(),
      scheduleDeletionCommand(),
      tagCommand(),
      untagCommand(),
      importCommand(),
      backingCommand(),
    );
}
