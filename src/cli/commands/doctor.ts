/**
 * `claviger doctor`: looks at everything between a person and a working key, and says what to do about what is wrong.
 *
 * @module
 */
import { CliCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { checkNode } from '../doctor/node-version.ts';
import type { Finding, Level } from '../doctor/finding.ts';
import { checkServer } from '../doctor/server.ts';
import type { Session } from '../session.ts';
import { plain, table } from '../table.ts';
import type { Colour } from '../terminal.ts';
import { CONFIG_HELP } from './start-server.ts';

const COLOURS: Readonly<Record<Level, Colour>> = { ok: 'green', warn: 'yellow', fail: 'red' };

export function doctorCommand(): CliCommand {
  return new CliCommand('doctor')
    .description('Find out what is wrong, and what to do about it')
    .option('--config <file>', `${CONFIG_HELP}; its store and its providers are looked at`)
    .examples(
      'claviger doctor',
      'claviger doctor --config claviger.yaml',
      'claviger doctor --json | jq \'.checks[] | select(.level != "ok")\'',
    )
    .run(doctor);
}

async function doctor(session: Session, { config }: { readonly config?: string }): Promise<number> {
  // It reads configurations, which takes half of the server.
  const { checkLocalStore } = await import('../doctor/local-store.ts');
  const { checkProviders } = await import('../doctor/providers.ts');
  const checks = [
    checkNode(process.versions.node),
    ...(await checkServer(session)),
    ...checkLocalStore(session.terminal, config),
    ...(await checkProviders(session.terminal, config)),
  ];
  const failed = checks.some(({ level }) => level === 'fail');
  session.answer({ status: failed ? 'failed' : 'ok', checks }, () => words(session, checks));
  return failed ? EXIT.failed : EXIT.ok;
}

function words({ terminal }: Session, checks: readonly Finding[]): string {
  const rows = checks.flatMap(({ level, name, detail, next }) => [
    [terminal.styled(COLOURS[level], level), name, plain(detail)],
    ...(next === null ? [] : [['', '', `→ ${next}`]]),
  ]);
  // The headings of a list that is read from top to bottom say nothing.
  return table(['', '', ''], rows).split('\n').slice(1).join('\n');
}
