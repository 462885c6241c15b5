/**
 * Crypto-shredding: the field keys of one data subject become tombstones, so that nothing that was encrypted under them can
 * be opened any more, wherever a copy of it lies. What is not under them (deterministic values and index terms, which are
 * under keys of the whole set) is set to NULL.
 *
 * Every step can be repeated. A run that ended goes on where it is called again; one after the caches' time confirms the
 * shredding, and removes what a program wrote meanwhile that had the key in memory.
 *
 * @module
 */
import { z } from 'zod';
import { ClavigerError } from '../../../errors.ts';
import type { FieldTable } from '../declaration.ts';
import { ringOf, type FieldKeyRow, type FieldKeyScope } from '../key-store.ts';
import { ownerText } from '../row-cipher.ts';
import { quoted, type SqlDatabase, type SqlValue } from '../sql/database.ts';
import { batchRowsOf, requireGoingOn, tablesOf, type AnyFields, type MaintenanceOptions } from './options.ts';

export interface ShredOptions extends MaintenanceOptions {
  /** As it stands in the tables' subject column; bytes may be given in hexadecimal digits. */
  readonly subject: string | number | bigint | Uint8Array;
  /** Of tables whose tenant stands in a column, as it stands there. */
  readonly tenant?: string;
  /** How long backups of the database are kept, of key table and tables alike; 0 where there are none. */
  readonly backupRetentionDays: number;
}

/** What was destroyed, and from when on nobody has it. */
export interface ShredReceipt {
  readonly receipt: 'claviger/field-shredding/v1';
  readonly keySet: string;
  readonly tenant: string | null;
  readonly subject: string;
  /** When the keys became tombstones. */
  readonly shreddedAt: string;
  /** Field keys that are tombstones now. */
  readonly keysDestroyed: number;
  readonly tables: readonly ShreddedTable[];
  readonly complete: {
    /** From then on nothing of the subject can be had. */
    readonly from: string;
    /** Programs may hold the key in memory until then. */
    readonly cachesUntil: string;
    /** Backups of the key table, and of deterministic values and index terms, last until then. */
    readonly backupsUntil: string;
  };
  /** This run was after `cachesUntil`, so that nothing can have been written since. */
  readonly confirmed: boolean;
  /** What has to be true, and nobody here can know. */
  readonly provided: readonly string[];
}

export interface ShreddedTable {
  readonly table: string;
  /** Rows of the subject. */
  readonly rows: number;
  /** Columns that were set to NULL, and in how many rows, all runs together. */
  readonly nulledColumns: readonly string[];
  readonly rowsNulled: number;
}

const note = z.strictObject({
  shreddedAtMs: z.number(),
  rowsNulled: z.record(z.string(), z.number()),
});

/** Ways of writing one owner that are looked at: one is right, and another is refused. */
const WRITINGS_MAX = 2;
const DAY_MS = 86_400_000;
/** A century: whoever keeps backups for longer shreds nothing. */
const RETENTION_DAYS_MAX = 36_525;

/**
 * Shreds a data subject of a key set. Name all tables of the set.
 *
 * @throws INVALID_ARGUMENT where a column that would be set to NULL may not be, or rows are the subject's only as the
 *   database compares, before anything was destroyed
 */
export async function shredSubject(
  given: AnyFields | readonly AnyFields[],
  options: ShredOptions,
): Promise<ShredReceipt> {
  const tables = tablesOf(given);
  const [{ declared, fieldKeys, clock }] = tables;
  const { store } = fieldKeys;
  const { database, backupRetentionDays } = options;
  if (!(backupRetentionDays >= 0 && backupRetentionDays <= RETENTION_DAYS_MAX)) {
    throw new ClavigerError('INVALID_ARGUMENT', `\`backupRetentionDays\` is 0 to ${RETENTION_DAYS_MAX}`);
  }
  const scope = scopeOf(tables, options);
  for (const table of tables) await requireNullable(table.declared, database);
  const owned = new Map<FieldTable, OwnedRows>();
  for (const { declared: table } of tables) owned.set(table, await ownedRows(table, database, scope));

  const name = `shred:${JSON.stringify([scope.set, scope.tenant, scope.subject])}`;
  const noted = note.safeParse(JSON.parse((await store.readJob(name)) ?? 'null')).data;
  const again = noted !== undefined && (await isShredded(tables[0], scope));
  const state = again ? noted : { shreddedAtMs: clock.now(), rowsNulled: {} };
  const save = (): Promise<void> => store.writeJob(name, JSON.stringify(state), clock.now());

  // First the note, so that a run that ends here goes on with its time; then the keys: from here on there is no way back.
  await save();
  await destroyKeys(tables[0], scope, state.shreddedAtMs);
  for (const table of tables) table.fieldKeys.clear();

  for (const { declared: table } of tables) {
    for (;;) {
      requireGoingOn(options.signal);
      const changed = await nullSome(table, database, owned.get(table)!, batchRowsOf(options));
      if (changed === 0) break;
      state.rowsNulled[table.table] = (state.rowsNulled[table.table] ?? 0) + changed;
      await save();
      const done = state.rowsNulled[table.table]!;
      options.onProgress?.({ phase: 'rows', table: table.table, done, of: null, untilMs: null });
    }
  }
  return receiptOf(tables, scope, owned, state, options, declared.keySet);
}

/**
 * Lets a subject that was shredded have values again, under a new key; what was shredded stays so.
 *
 * @throws CONFLICT where it was not shredded
 */
export async function readmitSubject(
  table: AnyFields,
  { subject, tenant }: Pick<ShredOptions, 'subject' | 'tenant'>,
): Promise<void> {
  const { fieldKeys, clock } = table;
  const scope = scopeOf([table], { subject, ...(tenant === undefined ? {} : { tenant }) });
  let ring = ringOf(await fieldKeys.store.find([scope]));
  if (ring.shreddedAtMs === null) {
    throw new ClavigerError(
      'CONFLICT',
      `subject \`${scope.subject}\` was not shredded, so there is nothing to readmit`,
    );
  }
  while (ring.shreddedAtMs !== null) {
    // Where a rotation inserts the same number at this moment, its key is dead, and the next number is tried.
    const at = { madeAtMs: clock.now(), activeFromMs: 0 };
    await fieldKeys.store.insertAbsent([await fieldKeys.make(scope, ring.newest + 1, at, true)]);
    ring = ringOf(await fieldKeys.store.find([scope]));
  }
  fieldKeys.clear();
}

function scopeOf(
  tables: readonly AnyFields[],
  { subject, tenant }: Pick<ShredOptions, 'subject' | 'tenant'>,
): FieldKeyScope {
  const [{ declared }] = tables as [AnyFields];
  for (const { declared: each } of tables) {
    if (each.subject !== null) continue;
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`${each.table}\` has no subject, so nobody's key of it can be destroyed`,
    );
  }
  const own = typeof declared.tenant === 'string' ? declared.tenant : (tenant ?? null);
  if (own === null)
    throw new ClavigerError('INVALID_ARGUMENT', `\`${declared.table}\` needs \`tenant\`: subjects belong to one`);
  if (typeof declared.tenant === 'string' && tenant !== undefined && tenant !== declared.tenant) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`${declared.table}\` is declared with a tenant, and it is not this one`,
    );
  }
  return { set: declared.keySet, tenant: own, subject: ownerText(declared.table, 'subject', subject) };
}

async function isShredded({ fieldKeys }: AnyFields, scope: FieldKeyScope): Promise<boolean> {
  return ringOf(await fieldKeys.store.find([scope])).shreddedAtMs !== null;
}

/** Tombstones for what there is; one where there is nothing, so that no key is made. */
async function destroyKeys({ fieldKeys: { store } }: AnyFields, scope: FieldKeyScope, atMs: number): Promise<void> {
  const tombstone: FieldKeyRow = {
    ...scope,
    number: 1,
    state: 'shredded',
    readmitted: false,
    madeAtMs: atMs,
    activeFromMs: 0,
    shreddedAtMs: atMs,
    wrapped: null,
  };
  await store.insertAbsent([tombstone]);
  await store.shred(scope, atMs);
}

/** The columns that are not under the subject's key. */
function nulledColumns({ columns }: FieldTable): readonly string[] {
  return [...columns.values()].flatMap(({ kind, sqlName, indexes }) => [
    ...(kind === 'deterministic' ? [sqlName] : []),
    ...indexes.map((index) => index.sqlName),
  ]);
}

/** Sets to NULL in so many rows of the subject what is not under its key. @returns in how many */
async function nullSome(table: FieldTable, database: SqlDatabase, owned: OwnedRows, limit: number): Promise<number> {
  const columns = nulledColumns(table).map(quoted);
  if (columns.length === 0) return 0;
  const id = quoted(table.row.sqlName);
  const name = quoted(table.table);
  const some = columns.map((column) => `${column} IS NOT NULL`).join(' OR ');
  const { changes } = await database.run(
    `UPDATE ${name} SET ${columns.map((column) => `${column} = NULL`).join(', ')} ` +
      `WHERE ${id} IN (SELECT ${id} FROM ${name} WHERE ${owned.sql} AND (${some}) LIMIT ?)`,
    [...owned.parameters, limit],
  );
  return changes;
}

/** Which rows are the subject's, as a condition. */
interface OwnedRows {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
}

/**
 * @throws INVALID_ARGUMENT where the database takes another writing for the same, as `07` for 7: the keys that the rows are
 *   under go by the writing, and would live on
 */
async function ownedRows(
  { table, subject, tenant }: FieldTable,
  database: SqlDatabase,
  scope: FieldKeyScope,
): Promise<OwnedRows> {
  const owners = [
    [subject!.sqlName, scope.subject],
    ...(typeof tenant === 'string' ? [] : [[tenant.sqlName, scope.tenant]]),
  ] as const;
  const parameters: SqlValue[] = [];
  for (const [name, text] of owners) parameters.push(await asStored(table, name, text, database));
  const sql = owners.map(([name]) => `${quoted(name)} = ?`).join(' AND ');
  for (const [name, text] of owners) {
    const { rows } = await database.run(writings(quoted(table), quoted(name), sql, database), parameters);
    const other = rows.map(({ owner }) => writingOf(owner)).find((writing) => writing !== text);
    if (other === undefined) continue;
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`${table}.${name}\` has \`${other}\` where \`${text}\` was given: nothing was destroyed; give it as it stands there`,
    );
  }
  return { sql, parameters };
}

/** Bytes where the column has them, as text says nothing to it. */
async function asStored(table: string, name: string, text: string, database: SqlDatabase): Promise<SqlValue> {
  const column = quoted(name);
  const { rows } = await database.run(
    `SELECT ${column} AS owner FROM ${quoted(table)} WHERE ${column} IS NOT NULL LIMIT 1`,
    [],
  );
  return rows[0]?.['owner'] instanceof Uint8Array ? Buffer.from(text, 'hex') : text;
}

/** Each way in which an owner of these rows is written, byte by byte, whatever the column takes to be equal. */
function writings(table: string, column: string, condition: string, { dialect }: SqlDatabase): string {
  const [value, text] =
    dialect === 'postgres'
      ? [`min(CAST(${column} AS TEXT))`, `CAST(${column} AS TEXT) COLLATE "C"`]
      : [column, `CAST(${column} AS TEXT) COLLATE BINARY`];
  return `SELECT ${value} AS owner FROM ${table} WHERE ${condition} GROUP BY ${text} LIMIT ${WRITINGS_MAX}`;
}

function writingOf(owner: unknown): string {
  if (owner instanceof Uint8Array) return Buffer.from(owner).toString('hex');
  // PostgreSQL writes bytes so.
  return String(owner).replace(/^\\x(?=(?:[0-9a-f]{2})+$)/, '');
}

/** Nothing is destroyed where the rest could not be done. */
async function requireNullable(table: FieldTable, database: SqlDatabase): Promise<void> {
  const columns = nulledColumns(table);
  const { rows } =
    database.dialect === 'postgres'
      ? await database.run(
          'SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 AND attnotnull',
          [quoted(table.table)],
        )
      : await database.run('SELECT name FROM pragma_table_info(?, ?) WHERE "notnull" <> 0', sqliteName(table.table));
  // SQLite does not tell names apart by their case.
  const isSame = (one: string, other: string): boolean =>
    database.dialect === 'postgres' ? one === other : one.toLowerCase() === other.toLowerCase();
  const strict = columns.find((column) => rows.some(({ name }) => isSame(String(name), column)));
  if (strict === undefined) return;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `\`${table.table}.${strict}\` is NOT NULL, and shredding sets it to NULL: nothing was destroyed; drop that constraint`,
  );
}

/** A table and the database that it is in, which need not be said. */
function sqliteName(table: string): readonly [table: string, schema: string | null] {
  const parts = table.split('.');
  return [parts.at(-1)!, parts.length > 1 ? parts[0]! : null];
}

async function receiptOf(
  tables: readonly AnyFields[],
  scope: FieldKeyScope,
  ownedOf: ReadonlyMap<FieldTable, OwnedRows>,
  { shreddedAtMs, rowsNulled }: z.infer<typeof note>,
  { database, backupRetentionDays }: ShredOptions,
  keySet: string,
): Promise<ShredReceipt> {
  const [{ fieldKeys, clock }] = tables as [AnyFields];
  const ttlMs = Math.max(...tables.map((table) => table.fieldKeys.ttlMs));
  const cachesUntilMs = shreddedAtMs + ttlMs;
  const nowMs = clock.now();
  const confirmed = nowMs >= cachesUntilMs;
  // What was written meanwhile is in the backups of that time.
  const backupsUntilMs = (confirmed ? nowMs : cachesUntilMs) + backupRetentionDays * DAY_MS;
  const untilMs = backupRetentionDays === 0 ? cachesUntilMs : Math.max(cachesUntilMs, backupsUntilMs);
  const rows = await fieldKeys.store.find([scope]);
  const shreddedTables: ShreddedTable[] = [];
  for (const { declared } of tables) {
    const owned = ownedOf.get(declared)!;
    const counted = await database.run(
      `SELECT count(*) AS count FROM ${quoted(declared.table)} WHERE ${owned.sql}`,
      owned.parameters,
    );
    shreddedTables.push({
      table: declared.table,
      rows: Number(counted.rows[0]!['count']),
      nulledColumns: nulledColumns(declared),
      rowsNulled: rowsNulled[declared.table] ?? 0,
    });
  }
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    receipt: 'claviger/field-shredding/v1',
    keySet,
    tenant: scope.tenant === '' ? null : scope.tenant,
    subject: scope.subject,
    shreddedAt: iso(shreddedAtMs),
    keysDestroyed: rows.filter(({ state }) => state === 'shredded').length,
    tables: shreddedTables,
    complete: {
      from: iso(untilMs),
      cachesUntil: iso(cachesUntilMs),
      backupsUntil: backupRetentionDays === 0 ? iso(shreddedAtMs) : iso(backupsUntilMs),
    },
    confirmed,
    provided: [
      `every program that has these tables keeps field keys for at most ${ttlMs / 1000} s`,
      `no backup, replica or log of the database is older than ${backupRetentionDays} days`,
      `these are all tables of the key set: ${tables.map(({ declared }) => declared.table).join(', ')}`,
    ],
  };
}
