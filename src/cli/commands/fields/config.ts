/**
 * `fields.json` (or YAML): which tables are encrypted, and how, for whoever looks after them. docs/guides/fields.md has an
 * example. Names are those of the database.
 *
 * @module
 */
import { parse } from 'yaml';
import { z } from 'zod';
import type { FieldType, TableDeclaration } from '../../../envelope/fields/index.ts';
import { ClavigerError } from '../../../errors.ts';
import { readInput } from '../../input.ts';
import type { Terminal } from '../../terminal.ts';
import { UsageError } from '../../usage-error.ts';

export const CONFIG_FILE = 'fields.json';
const CONFIG_BYTES_MAX = 1024 * 1024;
const TABLES_MAX = 1000;

const name = z.string().min(1).max(512);
// A function cannot be written down here: a table with such an index is looked after by a program of yours.
const normalize = z.enum(['none', 'trim', 'case', 'email', 'phone']);
const bits = z.int().min(1).max(256);
const version = z.int().min(1);
const index = z.strictObject({
  column: name.optional(),
  normalize: normalize.optional(),
  bits,
  version: version.optional(),
  older: z.array(z.strictObject({ version, normalize: normalize.optional(), bits })).optional(),
});
const type = z.enum(['string', 'number', 'bigint', 'date', 'json', 'bytes', 'boolean'] satisfies FieldType[]);
const column = z.union([
  type,
  z.strictObject({
    type,
    deterministic: z.boolean().optional(),
    index: z.union([index, z.array(index)]).optional(),
    padTo: z.int().min(0).optional(),
  }),
]);
const table = z.strictObject({
  table: name,
  row: name,
  subject: name.optional(),
  tenant: z.union([name, z.strictObject({ column: name })]).optional(),
  keySet: name.optional(),
  storage: z.enum(['text', 'bytes']).optional(),
  /** Another key than that of all tables. */
  key: name.optional(),
  olderKeys: z.array(name).optional(),
  columns: z.record(name, column),
});
const config = z.strictObject({
  /** `sqlite:FILE`, `postgres://…`, or the environment variable that has it. */
  database: z.union([z.string(), z.strictObject({ env: z.string() })]),
  /** Where the key table is, if not in the same database. */
  keysDatabase: z.union([z.string(), z.strictObject({ env: z.string() })]).optional(),
  key: name,
  olderKeys: z.array(name).optional(),
  /** How long your programs keep field keys: `cache.ttlMs` there. */
  cacheTtlSeconds: z.int().min(1).max(3600).default(300),
  /** How long backups of the database are kept, for receipts of shredding. */
  backupRetentionDays: z.number().min(0).optional(),
  tables: z.array(table).min(1).max(TABLES_MAX),
});

export type FieldsConfig = z.infer<typeof config>;

/** A table as `fields` takes it, with the keys that wrap its own. */
export type ConfiguredTable = TableDeclaration & { readonly key: string; readonly olderKeys: readonly string[] };

/** @throws UsageError where the file is not what it is to be, with the places that are wrong */
export async function readFieldsConfig(terminal: Terminal, path: string): Promise<FieldsConfig> {
  const text = (await readInput(terminal, path, CONFIG_BYTES_MAX)).toString();
  let given: unknown;
  try {
    given = parse(text);
  } catch (cause) {
    throw new UsageError(`\`${path}\` is neither JSON nor YAML: ${(cause as Error).message.split('\n')[0]!}`);
  }
  const parsed = config.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `  ${issue.path.join('.') || 'the file'}: ${issue.message}`);
  throw new UsageError(
    `\`${path}\` does not say what is encrypted; docs/guides/fields.md does\n${problems.join('\n')}`,
  );
}

/**
 * The tables of a configuration, or the one that is named with those that share its keys.
 *
 * @returns by key set, in the order of the file
 * @throws UsageError where there is no such table
 */
export function tablesBySet(
  { tables, key, olderKeys = [] }: FieldsConfig,
  only: string | undefined,
): ReadonlyMap<string, readonly ConfiguredTable[]> {
  const all = tables.map((one) => ({ key, olderKeys, ...one }) as ConfiguredTable);
  const bySet = Map.groupBy(all, ({ keySet, table: own }) => keySet ?? own);
  if (only === undefined) return bySet;
  const found = all.find((one) => one.table === only);
  if (found === undefined) throw new UsageError(`the configuration has no table \`${only}\``);
  const set = found.keySet ?? found.table;
  return new Map([[set, bySet.get(set)!]]);
}

/** The address of a database. A password stands in no file: it comes from the environment. */
export function addressOf(place: FieldsConfig['database'], { env }: Pick<Terminal, 'env'>): string {
  if (typeof place === 'string') {
    if (hasPassword(place)) {
      throw new UsageError(
        'the configuration has a password in `database`: write { "env": "DATABASE_URL" }, and put it there',
      );
    }
    return place;
  }
  const address = env[place.env];
  if (address) return address;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `the environment variable ${place.env}, which has the database, is not set`,
  );
}

function hasPassword(address: string): boolean {
  return URL.canParse(address) && new URL(address).password !== '';
}
