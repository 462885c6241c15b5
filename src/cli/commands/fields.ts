/**
 * `claviger fields`: the upkeep of encrypted columns in a database of yours.
 *
 * @module
 */
import { CliCommand } from '../command.ts';
import { rotateCommand } from './fields/rotate.ts';
import { shredCommand } from './fields/shred.ts';
import { verifyCommand } from './fields/verify.ts';

export function fieldsCommand(): CliCommand {
  return new CliCommand('fields')
    .description('Rotate, verify and shred the encrypted columns of your database')
    .examples(
      'claviger fields verify',
      'claviger fields rotate',
      'claviger fields shred --table customers --subject 4711',
    )
    .group(rotateCommand(), verifyCommand(), shredCommand());
}
