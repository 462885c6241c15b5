/**
 * `claviger random`.
 *
 * @module
 */
import { RANDOM_BYTES } from '../../operations/generate-random.ts';
import { integer } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { withOutput, writeResult, type OutputOptions } from '../output.ts';

export function randomCommand(): CliCommand {
  const command = new CliCommand('random')
    .description('Random bytes of the server')
    .argument('<bytes>', `how many, at most ${RANDOM_BYTES.max}`, integer(RANDOM_BYTES.min, RANDOM_BYTES.max));
  return withOutput(command, 'the bytes')
    .examples('claviger random 32 --hex')
    .run<OutputOptions>(async (session, options, bytes) => {
      const made = await session.client().generateRandom({ bytes: Number(bytes) });
      writeResult(session, made, made.bytes, options, true);
    });
}
