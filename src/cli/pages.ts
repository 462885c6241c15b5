/**
 * Lists, a page at a time or all of them.
 *
 * With `--json` a page is what the API answers; with `--all` every item is a line of its own (NDJSON), so that a list of
 * any length goes through a pipe.
 *
 * @module
 */
import { integer } from './arguments.ts';
import type { CliCommand } from './command.ts';
import { jsonLineOf, type Session } from './session.ts';
import { progress } from './progress.ts';
import { table } from './table.ts';

const LIMIT_MAX = 1000;

export interface PageOptions {
  readonly limit?: number;
  readonly cursor?: string;
  readonly all?: boolean;
}

interface PageInput {
  readonly limit?: number;
  readonly cursor?: string;
}

type Page<Items extends string, Item> = { readonly [_ in Items]: readonly Item[] } & {
  readonly nextCursor: string | null;
};

export interface List<Items extends string, Item extends object> {
  /** Name of the items in the answer. */
  readonly items: Items;
  /** Said where there is none. */
  readonly none: string;
  readonly headings: readonly string[];
  page(input: PageInput): Promise<Page<Items, Item>>;
  row(item: Item): readonly string[];
}

/** Adds `--limit`, `--cursor` and `--all`. */
export function withPages<C extends CliCommand>(command: C): C {
  return command
    .option('--limit <n>', `items of a page, at most ${LIMIT_MAX}`, integer(1, LIMIT_MAX))
    .option('--cursor <cursor>', 'where the page before ended')
    .option('--all', 'every page; with --json one item a line');
}

export async function showPages<Items extends string, Item extends object>(
  session: Session,
  { limit, cursor, all = false }: PageOptions,
  list: List<Items, Item>,
): Promise<void> {
  const { terminal, json } = session;
  const first = await list.page(inputOf(limit, cursor));
  if (json && !all) return session.answer(first, () => '');
  const shown: Item[] = [];
  const done = progress(terminal);
  let page = first;
  for (;;) {
    const items = page[list.items];
    if (json) for (const item of items) terminal.print(jsonLineOf(item));
    else shown.push(...items);
    if (!all || page.nextCursor === null || !(await terminal.hasReader())) break;
    done.show(`${shown.length} ${list.items} …`);
    page = await list.page(inputOf(limit, page.nextCursor));
  }
  done.clear();
  if (json) return;
  if (shown.length === 0) return terminal.say(list.none);
  terminal.print(
    table(
      list.headings,
      shown.map((item) => list.row(item)),
    ),
  );
  if (page.nextCursor !== null)
    terminal.say(`there are more: --all shows them, or --cursor ${page.nextCursor} the next page`);
}

function inputOf(limit: number | undefined, cursor: string | undefined): PageInput {
  return { ...(limit === undefined ? {} : { limit }), ...(cursor === undefined ? {} : { cursor }) };
}
