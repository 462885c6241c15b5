/**
 * Rotation: new field keys, and then every value and index term under them, while others read and write.
 *
 * 1. *Keys.* Each tenant and subject of the key set gets a key with a greater number. It is read and searched at once, and
 *    written with only when every cache must know it: a program that does not know it yet would not find what another wrote.
 * 2. *Waiting* until then.
 * 3. *Rows*, in pages by their ids. A value is replaced only where it still is what was read, so no writer loses an update.
 *    Passes are repeated until one finds nothing to do.
 * 4. The replaced keys of the set are *retired*: they are searched no more, and still read what a backup brings back.
 *
 * How far it is stands beside the key table after every page, so that a run that ended goes on there.
 *
 * @module
 */
import { z } from 'zod';
import { ClavigerError, toClavigerError } from '../../../errors.ts';
import { systemSleep, type Sleep } from '../../../ports/sleep.ts';
import { readTerm } from '../blind-index.ts';
import type { FieldColumn } from '../declaration.ts';
import { parseField, type ParsedField } from '../field-value.ts';
import { Wants, type Lease } from '../key-cache.ts';
import { ringOf, scopeName, type FieldKeyStore } from '../key-store.ts';
import type { Place } from '../row-cipher.ts';
import type { SqlValue } from '../sql/database.ts';
import { adoptable } from './adopt.ts';
import {
  batchRowsOf,
  FAILURES_MAX,
  requireGoingOn,
  tablesOf,
  type AnyFields,
  type FieldFailure,
  type MaintenanceOptions,
} from './options.ts';
import { fromCursor, rowName, TableRows, toCursor, type Replacement, type TableRow } from './table-rows.ts';

export interface RotateOptions extends MaintenanceOptions {
  /** False to make no new keys: only what is not under the newest is encrypted again. */
  readonly newKeys?: boolean;
  /** Plaintext that stands where a value should is encrypted: rows from before encryption. */
  readonly adopt?: boolean;
  /** False to end where waiting would begin; the next run goes on. */
  readonly wait?: boolean;
  /** Only counts. */
  readonly dryRun?: boolean;
  readonly sleep?: Sleep;
}

export interface RotateReport {
  readonly keySet: string;
  readonly state: 'done' | 'waiting' | 'dry-run' | 'incomplete';
  /** When writing under the new keys begins, where that is waited for. */
  readonly activeFrom: string | null;
  readonly keysMade: number;
  readonly tables: readonly RotatedTable[];
  readonly failures: readonly FieldFailure[];
}

export interface RotatedTable {
  readonly table: string;
  /** Rows that were read, in all passes. */
  readonly rows: number;
  /** Values that were encrypted again, those of `adopted` included. */
  readonly values: number;
  /** Index terms that were made again. */
  readonly terms: number;
  readonly adopted: number;
  /** Rows that somebody else changed at that moment, and that were read again. */
  readonly raced: number;
  readonly failures: number;
}

const cursor = z.strictObject({ type: z.enum(['text', 'integer', 'real', 'bytes']), value: z.string() });
const tableNote = z.strictObject({
  pass: z.number(),
  /** Replaced in this pass; a pass without any is the last. */
  changed: z.number(),
  /** Refused by the database in this pass: their keys must stay searched. */
  refused: z.number(),
  after: cursor.nullable(),
  done: z.boolean(),
  rows: z.number(),
  values: z.number(),
  terms: z.number(),
  adopted: z.number(),
  raced: z.number(),
  failures: z.number(),
});
const note = z.strictObject({
  startedAtMs: z.number(),
  activeFromMs: z.number(),
  keysAfter: z.strictObject({ tenant: z.string(), subject: z.string() }).nullable(),
  keysMade: z.number(),
  keysDone: z.boolean(),
  tables: z.record(z.string(), tableNote),
  finishedAtMs: z.number().nullable(),
});
type TableNote = z.infer<typeof tableNote>;
type Note = z.infer<typeof note>;

/** Passes before it is said that writers do not let it end. */
const PASSES_MAX = 8;
/** A row that is changed by others this often in a row is left to the next pass. */
const TRIES_MAX = 3;
/** Clocks of programs differ, and a transaction that began with the old key takes its time. */
const CLOCKS_DIFFER_MS = 10_000;
const SCOPES_A_PAGE = 500;
const NEVER = new AbortController().signal;

/**
 * Rotates the field keys of a key set. Name all its tables: what is left out keeps the old keys, and is searched no more.
 *
 * @throws CANCELED where the signal ended it; the next call goes on
 */
export async function rotateFields(
  given: AnyFields | readonly AnyFields[],
  options: RotateOptions,
): Promise<RotateReport> {
  const tables = tablesOf(given);
  const [{ declared, fieldKeys, clock }] = tables;
  const failures: FieldFailure[] = [];
  const { newKeys = true, wait = true, dryRun = false, sleep = systemSleep } = options;
  const job = await openJob(fieldKeys.store, `rotate:${declared.keySet}`, newKeys, dryRun, clock.now());
  const answer = (state: RotateReport['state']): RotateReport => reportOf(declared.keySet, state, job.note, failures);

  for (const table of tables) table.fieldKeys.clear();
  if (!job.note.keysDone && !dryRun) await makeKeys(tables[0], job, options);
  if (!dryRun && clock.now() < job.note.activeFromMs) {
    if (!wait) return answer('waiting');
    const untilMs = job.note.activeFromMs;
    options.onProgress?.({ phase: 'waiting', table: null, done: 0, of: null, untilMs });
    while (clock.now() < untilMs) {
      requireGoingOn(options.signal);
      await sleep(Math.min(untilMs - clock.now(), 1000), options.signal ?? NEVER);
    }
  }

  let ended = true;
  for (const table of tables) {
    // What was cached before the keys were made does not know them.
    table.fieldKeys.clear();
    ended = (await sweep(table, job, options, failures)) && ended;
  }
  if (dryRun) return answer('dry-run');
  if (!ended) return answer('incomplete');
  await fieldKeys.store.retire(declared.keySet, clock.now());
  job.note.finishedAtMs = clock.now();
  await job.save();
  for (const table of tables) table.fieldKeys.clear();
  return answer('done');
}

interface Job {
  readonly note: Note;
  readonly save: () => Promise<void>;
}

/** The job that has not ended, or a new one. */
async function openJob(
  store: FieldKeyStore,
  name: string,
  newKeys: boolean,
  dryRun: boolean,
  nowMs: number,
): Promise<Job> {
  const json = dryRun ? null : await store.readJob(name);
  const known = json === null ? null : note.safeParse(JSON.parse(json)).data;
  if (known === undefined) {
    throw new ClavigerError(
      'UNSUPPORTED',
      `the job \`${name}\` was noted by another version of this program: end it there`,
    );
  }
  const going = known !== null && known.finishedAtMs === null;
  const fresh: Note = {
    startedAtMs: nowMs,
    activeFromMs: 0,
    keysAfter: null,
    keysMade: 0,
    keysDone: !newKeys,
    tables: {},
    finishedAtMs: null,
  };
  const current = going ? known : fresh;
  const save = async (): Promise<void> => {
    if (!dryRun) await store.writeJob(name, JSON.stringify(current), nowMs);
  };
  await save();
  return { note: current, save };
}

/** A newer key for each tenant and subject that has none since the job began. */
async function makeKeys(table: AnyFields, job: Job, { onProgress, signal }: RotateOptions): Promise<void> {
  const { fieldKeys, clock, declared } = table;
  const { store } = fieldKeys;
  for (;;) {
    requireGoingOn(signal);
    const after = job.note.keysAfter === null ? null : { set: declared.keySet, ...job.note.keysAfter };
    const scopes = await store.scopes(declared.keySet, after, SCOPES_A_PAGE);
    if (scopes.length === 0) break;
    const byScope = Map.groupBy(await store.find(scopes), scopeName);
    const activeFromMs = clock.now() + fieldKeys.ttlMs + CLOCKS_DIFFER_MS;
    const rows = await Promise.all(
      scopes.map(async (scope) => {
        const ring = ringOf(byScope.get(scopeName(scope)) ?? []);
        const newest = [...ring.usable.values()].toSorted((a, b) => b.number - a.number)[0];
        // Shredded, or rotated since the job began: by a run that ended before it could note it, or one at the same time.
        const isRotated = newest !== undefined && newest.activeFromMs > 0 && newest.madeAtMs >= job.note.startedAtMs;
        if (newest === undefined || isRotated) return null;
        return fieldKeys.make(scope, ring.newest + 1, { madeAtMs: clock.now(), activeFromMs });
      }),
    );
    const made = rows.filter((row) => row !== null);
    await store.insertAbsent(made);
    const { tenant, subject } = scopes.at(-1)!;
    job.note.keysAfter = { tenant, subject };
    job.note.keysMade += made.length;
    job.note.activeFromMs = activeFromMs;
    await job.save();
    onProgress?.({ phase: 'keys', table: null, done: job.note.keysMade, of: null, untilMs: null });
  }
  job.note.keysDone = true;
  await job.save();
}

/** Passes over a table. @returns whether the last one found nothing to do */
async function sweep(table: AnyFields, job: Job, options: RotateOptions, failures: FieldFailure[]): Promise<boolean> {
  const { table: name } = table.declared;
  const rows = new TableRows(table.declared, options.database);
  const batchRows = batchRowsOf(options);
  const state = (job.note.tables[name] ??= emptyTable());
  const of = options.onProgress === undefined ? null : await rows.count();
  let inPass = 0;
  while (!state.done) {
    requireGoingOn(options.signal);
    const page = await rows.page(state.after === null ? null : fromCursor(state.after), batchRows);
    if (page.length > 0) {
      await rewrite(table, rows, page, state, options, failures);
      state.after = toCursor(page.at(-1)!.id);
      inPass += page.length;
    } else {
      const { changed, refused, pass } = state;
      const ends = options.dryRun === true || (changed === 0 && refused === 0);
      const givesUp = !ends && (changed === 0 || pass === PASSES_MAX);
      Object.assign(state, { pass: givesUp ? 1 : pass + 1, changed: 0, refused: 0, after: null, done: ends });
      inPass = 0;
      if (!ends && !givesUp) forgetFailures(name, state, failures);
      if (givesUp) {
        await job.save();
        return false;
      }
    }
    await job.save();
    options.onProgress?.({ phase: 'rows', table: name, done: inPass, of, untilMs: null });
  }
  return true;
}

/** Every pass meets the same values again: those of the last one are told. */
function forgetFailures(table: string, state: TableNote, failures: FieldFailure[]): void {
  state.failures = 0;
  failures.splice(0, failures.length, ...failures.filter((failure) => failure.table !== table));
}

function emptyTable(): TableNote {
  const counts = { rows: 0, values: 0, terms: 0, adopted: 0, raced: 0, failures: 0 };
  return { pass: 1, changed: 0, refused: 0, after: null, done: false, ...counts };
}

/** Encrypts again what of a page is not under the newest keys. */
async function rewrite(
  table: AnyFields,
  rows: TableRows,
  page: readonly TableRow[],
  state: TableNote,
  options: RotateOptions,
  failures: FieldFailure[],
): Promise<void> {
  let left = page;
  state.rows += page.length;
  for (let tries = 1; left.length > 0; tries += 1) {
    const told: FieldFailure[] = [];
    const plans = left.map((one) => planOf(table, one, options.adopt ?? false, told));
    const wants = new Wants();
    for (const plan of plans) addWants(table, plan, wants);
    using lease = await table.fieldKeys.lease(wants);
    // What was told of a row once is not told again when the row is read again.
    if (tries > 1) told.length = 0;
    const raced: TableRow[] = [];
    for (const plan of plans) {
      const before = told.length;
      const work = workOf(table, plan, lease, told);
      if (tries > 1) told.length = before;
      if (work.replacements.length === 0) continue;
      const outcome = options.dryRun ? 'replaced' : await write(table, rows, plan, work, told);
      if (outcome === 'refused') state.refused += 1;
      if (outcome === 'raced') raced.push(plan.source);
      if (outcome !== 'replaced') continue;
      state.changed += 1;
      state.values += work.values;
      state.terms += work.terms;
      state.adopted += work.adopted;
    }
    state.failures += told.length;
    failures.push(...told.slice(0, FAILURES_MAX - failures.length));
    state.raced += raced.length;
    // Another pass will come to it.
    state.changed += raced.length > 0 && tries === TRIES_MAX ? raced.length : 0;
    left = raced.length === 0 || tries === TRIES_MAX ? [] : await rows.again(raced.map(({ id }) => id));
  }
}

interface RowPlan {
  readonly source: TableRow;
  readonly place: Place | null;
  readonly columns: readonly PlannedColumn[];
}

interface PlannedColumn {
  readonly column: FieldColumn;
  readonly stored: SqlValue;
  /** The value, where it is plaintext that is to be encrypted; else what there is to open. */
  readonly adopted: { readonly value: unknown } | null;
  readonly parsed: ParsedField | null;
}

function planOf({ cipher, declared }: AnyFields, source: TableRow, adopt: boolean, failures: FieldFailure[]): RowPlan {
  const given = cipher.given(source.row);
  const fail = (column: string, error: unknown): void => {
    const { message: why } = toClavigerError(error);
    failures.push({ table: declared.table, row: rowName(source.id), column, why });
  };
  let place: Place;
  try {
    place = cipher.placeOf(source.row, given);
  } catch (error) {
    fail(declared.row.sqlName, error);
    return { source, place: null, columns: [] };
  }
  const columns = given.flatMap((column): PlannedColumn[] => {
    const stored = source.row[column.property] as SqlValue;
    const plain = adopt && parseField(stored) === 'plaintext' ? adoptable(column.type, declared.storage, stored) : null;
    if (plain !== null) return [{ column, stored, adopted: plain, parsed: null }];
    try {
      return [{ column, stored, adopted: null, parsed: cipher.parse(column, stored, place) }];
    } catch (error) {
      fail(column.sqlName, error);
      return [];
    }
  });
  return { source, place, columns };
}

function addWants({ cipher }: AnyFields, { place, columns }: RowPlan, wants: Wants): void {
  for (const { column, adopted, parsed } of columns) {
    const scope = cipher.scopeOf(column, place!);
    wants.add(scope, adopted === null ? 'rewrite' : 'adopt');
    if (parsed !== null) wants.addNumber(scope, parsed.number);
    // Indexes may be new, and the set have no key yet.
    if (column.indexes.length > 0) wants.add(cipher.setScope(place!.tenant), 'adopt');
  }
}

interface RowWork {
  /** What must still stand there: the values that were read. */
  readonly unchanged: readonly Replacement[];
  readonly replacements: readonly Replacement[];
  readonly values: number;
  readonly terms: number;
  readonly adopted: number;
}

/** What is to be written into a row. */
function workOf({ cipher, declared }: AnyFields, plan: RowPlan, lease: Lease, failures: FieldFailure[]): RowWork {
  const unchanged: Replacement[] = [];
  const replacements: Replacement[] = [];
  const counts = { values: 0, terms: 0, adopted: 0 };
  for (const { column, stored, adopted, parsed } of plan.columns) {
    const place = plan.place!;
    const keys = lease.of(cipher.scopeOf(column, place));
    // Shredded: nothing of it can be opened, and nothing is written any more.
    if (keys.write === null) continue;
    const set = column.indexes.length > 0 ? lease.of(cipher.setScope(place.tenant)).write! : null;
    const isStale = adopted !== null || parsed!.number !== keys.write.number;
    const staleTerms = column.indexes.filter(({ property, versions }) => {
      const term = readTerm(plan.source.row[property]);
      return adopted !== null || term?.number !== set!.number || term.version !== versions[0]!.version;
    });
    if (!isStale && staleTerms.length === 0) continue;
    try {
      const value = adopted === null ? cipher.open(column, parsed!, place, lease) : adopted.value;
      const made: Replacement[] = staleTerms.map((index) => ({
        sqlName: index.sqlName,
        value: cipher.term(column, index, index.versions[0]!, value, set!),
      }));
      if (isStale) made.push({ sqlName: column.sqlName, value: cipher.seal(column, value, place, keys.write) });
      unchanged.push({ sqlName: column.sqlName, value: stored });
      replacements.push(...made);
      counts.values += isStale ? 1 : 0;
      counts.terms += staleTerms.length;
      counts.adopted += adopted === null ? 0 : 1;
    } catch (error) {
      const { message: why } = toClavigerError(error);
      failures.push({ table: declared.table, row: rowName(plan.source.id), column: column.sqlName, why });
    }
  }
  return { unchanged, replacements, ...counts };
}

async function write(
  { declared }: AnyFields,
  rows: TableRows,
  { source }: RowPlan,
  { unchanged, replacements }: RowWork,
  failures: FieldFailure[],
): Promise<'replaced' | 'raced' | 'refused'> {
  try {
    return (await rows.replace(source.id, unchanged, replacements)) ? 'replaced' : 'raced';
  } catch (error) {
    if (!isConstraint(error)) throw error;
    const column = replacements.map(({ sqlName }) => sqlName).join(', ');
    const why = 'a constraint of the database refused the new value, such as one of uniqueness';
    failures.push({ table: declared.table, row: rowName(source.id), column, why });
    return 'refused';
  }
}

/** PostgreSQL's class 23, or SQLITE_CONSTRAINT. */
function isConstraint(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return (
    (typeof code === 'string' && /^23\w{3}$/.test(code)) || (typeof errcode === 'number' && (errcode & 0xff) === 19)
  );
}

function reportOf(
  keySet: string,
  state: RotateReport['state'],
  noted: Note,
  failures: readonly FieldFailure[],
): RotateReport {
  return {
    keySet,
    state,
    activeFrom: state === 'waiting' ? new Date(noted.activeFromMs).toISOString() : null,
    keysMade: noted.keysMade,
    tables: Object.entries(noted.tables).map(([table, { rows, values, terms, adopted, raced, failures: failed }]) => ({
      table,
      rows,
      values,
      terms,
      adopted,
      raced,
      failures: failed,
    })),
    failures,
  };
}
