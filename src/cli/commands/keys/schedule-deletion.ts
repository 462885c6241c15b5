/**
 * `claviger keys schedule-deletion`.
 *
 * @module
 */
import { integer, KEY_HELP } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { keyWords } from './key-words.ts';

const DAYS_MIN = 7;
const DAYS_MAX = 30;

export function scheduleDeletionCommand(): CliCommand {
  return new CliCommand('schedule-deletion')
    .description('Destroy a key in 7 to 30 days; until then it cannot be used, and the deletion can be cancelled')
    .argument('<key>', KEY_HELP)
    .option('--days <n>', `${DAYS_MIN} to ${DAYS_MAX}; ${DAYS_MAX} where it is not given`, integer(DAYS_MIN, DAYS_MAX))
    .examples('claviger keys schedule-deletion alias:orders --days 7')
    .run<{ readonly days?: number }>(async (session, { days: pendingWindowDays }, key) => {
      const changed = await session.client().scheduleKeyDeletion({ key, pendingWindowDays });
      session.answer(changed, () => keyWords(changed));
      session.terminal.say(`until then, \`claviger keys cancel-deletion ${changed.id}\` takes it back`);
    });
}
