/**
 * What the commands of `claviger fields` share: their options, the tables they work on, Ctrl-C, and progress.
 *
 * @module
 */
import { Option } from 'commander';
import {
  fields,
  sqlKeyStore,
  type Fields,
  type MaintenanceOptions,
  type MaintenanceProgress,
} from '../../../envelope/fields/index.ts';
import { toClavigerError } from '../../../errors.ts';
import { integer } from '../../arguments.ts';
import type { CliCommand } from '../../command.ts';
import { progress } from '../../progress.ts';
import { InterruptedError } from '../../prompt.ts';
import type { Session } from '../../session.ts';
import { addressOf, CONFIG_FILE, readFieldsConfig, tablesBySet, type FieldsConfig } from './config.ts';
import { openDatabase } from './database.ts';

const BATCH_ROWS_MAX = 500;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const PERCENT = 100;

export interface FieldsCommandOptions {
  readonly config?: string;
  readonly table?: string;
  readonly batch?: number;
}

/** A key set and the tables that share it. */
export interface TableSet {
  readonly keySet: string;
  readonly tables: readonly Fields[];
}

export interface Work {
  readonly config: FieldsConfig;
  readonly sets: readonly TableSet[];
  readonly options: MaintenanceOptions;
}

export function withTables(command: CliCommand, tableHelp: string): CliCommand {
  return command
    .option('-c, --config <file>', `tables and database; ${CONFIG_FILE} where it is not given`)
    .option('--table <name>', tableHelp)
    .addOption(new Option('--batch <rows>', `rows at a time; ${BATCH_ROWS_MAX}`).argParser(integer(1, BATCH_ROWS_MAX)));
}

/**
 * Opens what the configuration names, and closes it after the work.
 *
 * @throws InterruptedError after Ctrl-C, once the page under way is done
 */
export async function withWork<T>(
  session: Session,
  { config: path = CONFIG_FILE, table, batch }: FieldsCommandOptions,
  work: (opened: Work) => Promise<T>,
): Promise<T> {
  const { terminal } = session;
  const config = await readFieldsConfig(terminal, path);
  const bySet = tablesBySet(config, table);
  const service = session.client();
  await using tables = await openDatabase(terminal, addressOf(config.database, terminal));
  await using keys =
    config.keysDatabase === undefined ? null : await openDatabase(terminal, addressOf(config.keysDatabase, terminal));
  const store = sqlKeyStore((keys ?? tables).database);
  using made = new DisposableStack();
  const cache = { ttlMs: config.cacheTtlSeconds * 1000 };
  const sets = [...bySet].map(([keySet, declared]) => ({
    keySet,
    tables: declared.map((one) => made.use(fields(service, { ...one, keys: store, cache }))),
  }));
  const shown = progress(terminal);
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort();
  for (const signal of SIGNALS) process.once(signal, onSignal);
  try {
    return await work({
      config,
      sets,
      options: {
        database: tables.database,
        ...(batch === undefined ? {} : { batchRows: batch }),
        onProgress: (now) => shown.show(progressText(now)),
        signal: interrupt.signal,
      },
    });
  } catch (error) {
    const { code, message } = toClavigerError(error);
    if (interrupt.signal.aborted && code === 'CANCELED') throw new InterruptedError(message);
    throw error;
  } finally {
    shown.clear();
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

function progressText({ phase, table, done, of, untilMs }: MaintenanceProgress): string {
  if (phase === 'waiting') return `every program learns the new keys until ${new Date(untilMs!).toISOString()}`;
  if (phase === 'keys') return `${done} new field keys`;
  const share = of === null || of === 0 ? '' : ` (${Math.min(PERCENT, Math.round((PERCENT * done) / of))} %)`;
  return `${table}: ${done} rows${share}`;
}
