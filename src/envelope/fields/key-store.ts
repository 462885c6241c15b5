/**
 * The contract between field encryption and the table with its wrapped keys, and the rules by which rows are read.
 *
 * The table lives in the application's database. Whoever reads it learns which tenants and subjects there are, and no key:
 * each is wrapped under a key of Claviger. `sql/` has it for SQLite and PostgreSQL.
 *
 * @module
 */

/** Whose field keys. Empty texts where there is no tenant, or no subject: then it is the key of the whole set. */
export interface FieldKeyScope {
  /** Name of the key set: tables that share one share field keys. */
  readonly set: string;
  readonly tenant: string;
  readonly subject: string;
}

/**
 * - `live`: values and index terms under it are read, searched, and written by the newest.
 * - `retired`: values under it open, but are searched no more.
 * - `shredded`: a tombstone. The wrapped key is gone.
 */
export const FIELD_KEY_STATES = ['live', 'retired', 'shredded'] as const;
export type FieldKeyState = (typeof FIELD_KEY_STATES)[number];

export interface FieldKeyRow extends FieldKeyScope {
  /** From 1, counted in each scope. */
  readonly number: number;
  readonly state: FieldKeyState;
  /** Made by `readmit`, so that tombstones before it count no more. */
  readonly readmitted: boolean;
  readonly madeAtMs: number;
  /** From when on it may be written with: once every cache knows it. */
  readonly activeFromMs: number;
  readonly shreddedAtMs: number | null;
  /** As `generateDataKey` gave it; null in a tombstone. */
  readonly wrapped: Uint8Array | null;
}

/** Every method is one statement, so nothing is half done where it is interrupted. */
export interface FieldKeyStore {
  /** All rows of these scopes, tombstones included, in one query. It must see what was inserted before. */
  find(scopes: readonly FieldKeyScope[]): Promise<readonly FieldKeyRow[]>;
  /** Adds those whose scope and number are not there yet, and leaves the others as they are. */
  insertAbsent(rows: readonly FieldKeyRow[]): Promise<void>;
  /** The scopes of a set behind one, in a fixed order; from the first where `after` is null. */
  scopes(set: string, after: FieldKeyScope | null, limit: number): Promise<readonly FieldKeyScope[]>;
  /** Of a set's own keys (those without subject), the live ones that a newer one has replaced by now become retired. */
  retire(set: string, nowMs: number): Promise<void>;
  /** Every key of the scope becomes a tombstone. @returns how many were none yet */
  shred(scope: FieldKeyScope, atMs: number): Promise<number>;
  /** What a job has noted, as JSON; null where there is none. */
  readJob(name: string): Promise<string | null>;
  writeJob(name: string, json: string, atMs: number): Promise<void>;
}

/** The keys of one scope, as they may be used. */
export interface KeyRing {
  /** Rows whose values open, by number. */
  readonly usable: ReadonlyMap<number, FieldKeyRow>;
  /** When the scope was shredded; null where it was not, or was readmitted since. */
  readonly shreddedAtMs: number | null;
  /** Greatest number there is; 0 where there are no rows. */
  readonly newest: number;
}

/**
 * What may be used of the rows of a scope.
 *
 * INVARIANT: a tombstone kills every other row of its scope but those from a readmission behind it. So a key that a
 * rotation inserts at the moment of the shredding is dead, whichever statement came first.
 */
export function ringOf(rows: readonly FieldKeyRow[]): KeyRing {
  const tombstones = rows.filter(({ state }) => state === 'shredded');
  const lastTombstone = Math.max(0, ...tombstones.map(({ number }) => number));
  const readmission = rows
    .filter(({ readmitted, number, state }) => readmitted && state !== 'shredded' && number > lastTombstone)
    .reduce((first, { number }) => Math.min(first, number), Infinity);
  const from = lastTombstone === 0 ? 0 : readmission;
  const usable = rows.filter(
    ({ number, wrapped, state }) => number >= from && wrapped !== null && state !== 'shredded',
  );
  const shreddedAtMs = Math.max(0, ...tombstones.map((row) => row.shreddedAtMs ?? 0));
  return {
    usable: new Map(usable.map((row) => [row.number, row])),
    shreddedAtMs: lastTombstone > 0 && usable.length === 0 ? shreddedAtMs : null,
    newest: rows.reduce((most, { number }) => Math.max(most, number), 0),
  };
}

/** The key that is written with now: the newest that is active; null where none may be used. */
export function writingKey(ring: KeyRing, nowMs: number): FieldKeyRow | null {
  const live = [...ring.usable.values()]
    .filter(({ state }) => state === 'live')
    .toSorted((a, b) => b.number - a.number);
  return live.find(({ activeFromMs }) => activeFromMs <= nowMs) ?? live.at(-1) ?? null;
}

/** Numbers under which values may stand that a search is to find. */
export function searchedNumbers(ring: KeyRing): readonly number[] {
  return [...ring.usable.values()].filter(({ state }) => state === 'live').map(({ number }) => number);
}

/** A scope with its name, made once for many rows. */
export interface NamedScope extends FieldKeyScope {
  readonly name: string;
}

export function namedScope(set: string, tenant: string, subject: string): NamedScope {
  return { set, tenant, subject, name: scopeName({ set, tenant, subject }) };
}

/** One text for each scope, for maps. */
export function scopeName({ set, tenant, subject }: FieldKeyScope): string {
  return JSON.stringify([set, tenant, subject]);
}
