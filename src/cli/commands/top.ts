/**
 * `claviger top`: what a server is doing now, every second.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from 'commander';
import type { ClavigerClient } from '../../client/index.ts';
import { ClavigerError } from '../../errors.ts';
import { integer } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { jsonLineOf, type Session } from '../session.ts';
import { FullScreen } from '../top/full-screen.ts';
import { Scrape } from '../top/scrape.ts';
import { screenOf } from '../top/screen.ts';
import { GROUPINGS, viewOf, type Grouping, type View } from '../top/view.ts';

/** What is shown where there is no terminal to fit into. */
const PAGE = { width: 120, height: 60 };

interface TopOptions {
  readonly once?: boolean;
  readonly interval: number;
  readonly by: Grouping;
}

export function topCommand(): CliCommand {
  return new CliCommand('top')
    .description('Watch what a server does: rates, latencies, the log')
    .option('--once', 'show one interval, and end')
    .option('--interval <seconds>', 'how often', integer(1, 60), 1)
    .addOption(new Option('--by <what>', 'what a line is').choices(GROUPINGS).default('operation'))
    .examples(
      'claviger top',
      'claviger top --by tenant --interval 5',
      "claviger top --once --json | jq '.rows[] | {name, perSecond, p99Ms}'",
      'claviger top --json >> load.jsonl',
    )
    .run<TopOptions>(top);
}

async function top(session: Session, options: TopOptions): Promise<void> {
  const { endpoint } = session.connection();
  const client = session.client();
  const views = intervals(client, options);
  const screen = (view: View, size: { readonly width: number; readonly height: number }): readonly string[] =>
    screenOf(view, {
      ...size,
      title: `claviger top  ${endpoint}`,
      heading: options.by.toUpperCase(),
      bold: (text) => session.terminal.styled('bold', text),
      alarm: (text) => session.terminal.styled('red', text),
    });
  if (options.once === true) {
    const view = (await views.next()).value;
    session.answer(view, () => screen(view, PAGE).join('\n'));
  } else if (session.json || !session.terminal.output.isTty) {
    for await (const view of views) {
      session.terminal.print(session.json ? jsonLineOf(view) : `${screen(view, PAGE).join('\n')}\n`);
      if (!(await session.terminal.hasReader())) return;
    }
  } else {
    await watch(session, client, options, screen);
  }
}

/** On the whole screen, until somebody has seen enough. A server that is away for a while is waited for. */
async function watch(
  session: Session,
  client: ClavigerClient,
  { interval, by }: TopOptions,
  screen: (view: View, size: { readonly width: number; readonly height: number }) => readonly string[],
): Promise<void> {
  let before = await scrape(client);
  using full = new FullScreen(session.terminal);
  full.show(['one moment …']);
  for (;;) {
    if (!(await full.pause(interval * 1000))) return;
    try {
      const now = await scrape(client);
      const view = viewOf(before, now, by);
      before = now;
      full.draw((size) => screen(view, size));
    } catch (error) {
      if (!(error instanceof ClavigerError) || error.code !== 'PROVIDER_UNAVAILABLE') throw error;
      full.show([error.message, 'trying again; q ends this']);
    }
  }
}

async function* intervals(client: ClavigerClient, { interval, by }: TopOptions): AsyncGenerator<View, never> {
  let before = await scrape(client);
  for (;;) {
    await sleep(interval * 1000);
    const now = await scrape(client);
    yield viewOf(before, now, by);
    before = now;
  }
}

async function scrape(client: ClavigerClient): Promise<Scrape> {
  return Scrape.parse(await client.getMetrics(), performance.now());
}
