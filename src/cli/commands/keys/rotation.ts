/**
 * `claviger keys rotation set | off`: rotation by itself.
 *
 * @module
 */
import { integer, KEY_HELP } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import type { Session } from '../../session.ts';
import { keyWords } from './key-words.ts';

const DAYS_MIN = 90;
const DAYS_MAX = 2560;

export function rotationCommand(): CliCommand {
  return new CliCommand('rotation')
    .description('Rotate a key by itself')
    .examples('claviger keys rotation set alias:orders --days 365')
    .group(
      new CliCommand('set')
        .description('Rotate a key every so many days')
        .argument('<key>', KEY_HELP)
        .requiredOption('--days <n>', `${DAYS_MIN} to ${DAYS_MAX}`, integer(DAYS_MIN, DAYS_MAX))
        .examples('claviger keys rotation set alias:orders --days 365')
        .run<{ readonly days: number }>((session, { days }, key) => setRotation(session, key, days)),
      new CliCommand('off')
        .description('Rotate a key no more by itself')
        .argument('<key>', KEY_HELP)
        .examples('claviger keys rotation off alias:orders')
        .run((session, _options, key) => setRotation(session, key, null)),
    );
}

async function setRotation(session: Session, key: string, periodDays: number | null): Promise<void> {
  const changed = await session.client().setKeyRotation({ key, periodDays });
  session.answer(changed, () => keyWords(changed));
}
