/**
 * Field keys in memory: found in the key table, unwrapped by Claviger, kept for a while that is bounded in time and number.
 *
 * What is asked for together is looked up in one query. Callers who want the same key at the same time share one query and
 * one unwrap. A key is zeroed when its time is over or others need its place, once the last call that uses it has ended.
 *
 * @module
 */
import { ClavigerError, invalidCiphertext, toClavigerError } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KeyService } from '../key-service.ts';
import { FIELD_KEY_BYTES, FieldKey } from './field-key.ts';
import {
  ringOf,
  scopeName,
  searchedNumbers,
  writingKey,
  type FieldKeyRow,
  type FieldKeyScope,
  type FieldKeyStore,
  type KeyRing,
  type NamedScope,
} from './key-store.ts';

/** Longest that a key may be kept: after so long every revocation and every shredding has reached everybody. */
export const TTL_MS_MAX = 3_600_000;
export const TTL_MS_DEFAULT = 300_000;
export const KEYS_MAX_DEFAULT = 1000;
/** A key takes about 4 KiB here, with what OpenSSL keeps of it. */
export const KEYS_MAX_MAX = 100_000;
/** Scopes that are looked up in one query, and held by one call at a time. */
export const SCOPES_A_QUERY_MAX = 1000;
/** Unwraps in flight at once. */
const UNWRAPS_MAX = 8;
/** So a key is zeroed at most a tenth of its time late; it is not used any more then. */
const SWEEPS_A_TTL = 10;
const NO_QUERY = 0;

export interface FieldKeysOptions {
  readonly service: KeyService;
  readonly store: FieldKeyStore;
  /** The key of Claviger that wraps field keys. */
  readonly key: string;
  /** Keys that wrapped them before, and may still have. */
  readonly olderKeys: readonly string[];
  readonly ttlMs: number;
  readonly keysMax: number;
  readonly clock: Clock;
}

/**
 * - `write`: the key to write with, made where there is none yet; refused where the subject was shredded.
 * - `adopt`: the same, but null where the subject was shredded.
 * - `rewrite`: the same, but null where there is none.
 * - `search`: every key that is searched.
 */
type Purpose = 'write' | 'adopt' | 'rewrite' | 'search';

const WRITING: readonly Purpose[] = ['write', 'adopt', 'rewrite'];

interface Want {
  readonly scope: NamedScope;
  /** Numbers that stand in values. */
  readonly numbers: Set<number>;
  readonly purposes: Set<Purpose>;
}

/** What a call wants of which scopes, each once. */
export class Wants {
  readonly #byName = new Map<string, Want>();
  #last: Want | null = null;

  get size(): number {
    return this.#byName.size;
  }

  add(scope: NamedScope, purpose: Purpose): void {
    this.#of(scope).purposes.add(purpose);
  }

  addNumber(scope: NamedScope, number: number): void {
    this.#of(scope).numbers.add(number);
  }

  all(): readonly Want[] {
    return [...this.#byName.values()];
  }

  #of(scope: NamedScope): Want {
    if (this.#last?.scope === scope) return this.#last;
    let want = this.#byName.get(scope.name);
    if (want === undefined) {
      want = { scope, numbers: new Set(), purposes: new Set() };
      this.#byName.set(scope.name, want);
    }
    this.#last = want;
    return want;
  }
}

export interface HeldKey {
  readonly number: number;
  readonly key: FieldKey;
}

/** The keys of a scope while a call uses them. */
export interface ScopeKeys {
  readonly shreddedAtMs: number | null;
  /** null where the call did not ask for it, or there is none. */
  readonly write: HeldKey | null;
  readonly search: readonly HeldKey[];
  /** Those that were asked for by number and are there. */
  readonly byNumber: ReadonlyMap<number, FieldKey>;
}

/** Keys that live until it is disposed of. */
export interface Lease extends Disposable {
  of(scope: NamedScope): ScopeKeys;
}

interface Entry {
  readonly row: FieldKeyRow;
  key: FieldKey | null;
  opening: Promise<void> | null;
  users: number;
  dropped: boolean;
}

interface CachedRing {
  readonly ring: KeyRing;
  /** Number of the query that found its rows, and when it was sent. */
  readonly query: number;
  readonly atMs: number;
  readonly entries: ReadonlyMap<number, Entry>;
}

export class FieldKeys implements Disposable {
  readonly #options: FieldKeysOptions;
  readonly #freeSlots: (() => void)[] = [];
  /** Least recently used first. */
  readonly #rings = new Map<string, CachedRing>();
  readonly #loading = new Map<string, { readonly query: number; readonly ring: Promise<CachedRing> }>();
  readonly #making = new Map<string, Promise<number>>();
  /** Queries that were sent; each is known by its number. */
  #queries = NO_QUERY;
  #unwrapsInFlight = 0;
  #held = 0;
  #sweeper: NodeJS.Timeout | null = null;

  constructor(options: FieldKeysOptions) {
    this.#options = options;
  }

  /** Unwrapped keys in memory, those included that only running calls still use. */
  get size(): number {
    return this.#held;
  }

  get ttlMs(): number {
    return this.#options.ttlMs;
  }

  get store(): FieldKeyStore {
    return this.#options.store;
  }

  /** @throws KEY_STATE where a key to write with is wanted of a subject that was shredded; what the service refuses with */
  async lease(wanted: Wants): Promise<Lease> {
    const wants = wanted.all();
    const rings = await this.#ringsFor(wants);
    const used: Entry[] = [];
    const found = new Map<string, ScopeKeys>();
    try {
      const opened = await Promise.allSettled(
        wants.map(async (want) => {
          const keys = await this.#openRing(want, rings.get(want.scope.name)!, used);
          found.set(want.scope.name, keys);
        }),
      );
      for (const one of opened) if (one.status === 'rejected') throw one.reason;
    } catch (error) {
      this.#release(used);
      throw error;
    }
    this.#trim();
    return { of: (scope) => found.get(scope.name)!, [Symbol.dispose]: () => this.#release(used) };
  }

  /** Zeroes and forgets every key; those in use when their calls end. */
  clear(): void {
    for (const name of this.#rings.keys()) this.#drop(name);
  }

  [Symbol.dispose](): void {
    this.clear();
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  /** Zeroes the keys whose time is over. */
  sweep(): void {
    const nowMs = this.#options.clock.now();
    for (const [name, ring] of this.#rings) if (this.#isOver(ring, nowMs)) this.#drop(name);
  }

  /** A fresh wrapped field key; it is in no table yet. */
  async make(
    scope: FieldKeyScope,
    number: number,
    at: { madeAtMs: number; activeFromMs: number },
    readmitted = false,
  ): Promise<FieldKeyRow> {
    const { service, key } = this.#options;
    const { plaintext, ciphertext } = await this.#inSlot(() =>
      service.generateDataKey({ key, bytes: FIELD_KEY_BYTES, context: wrapContext(scope, number) }),
    );
    plaintext?.fill(0);
    const { set, tenant, subject } = scope;
    return {
      set,
      tenant,
      subject,
      ...at,
      number,
      state: 'live',
      readmitted,
      shreddedAtMs: null,
      wrapped: ciphertext,
    };
  }

  /** The rings of what is wanted; a first key is made, and a number that is not known looked for once more. */
  async #ringsFor(wants: readonly Want[]): Promise<ReadonlyMap<string, CachedRing>> {
    const started = this.#queries;
    const found = new Map<string, CachedRing>();
    const look = async (asked: readonly Want[], after: number): Promise<void> => {
      const rings = await this.#load(asked, after);
      asked.forEach(({ scope }, at) => found.set(scope.name, rings[at]!));
    };
    const ringOfWant = ({ scope }: Want): CachedRing => found.get(scope.name)!;
    await look(wants, NO_QUERY);

    const unmade = wants.filter((want) => isUnmade(want, ringOfWant(want).ring));
    if (unmade.length > 0) {
      const made = await Promise.all(unmade.map(({ scope }) => this.#makeFirst(scope)));
      await look(unmade, Math.max(...made));
      if (unmade.some((want) => isUnmade(want, ringOfWant(want).ring))) {
        throw new ClavigerError(
          'STORE_UNAVAILABLE',
          'a field key was inserted and is not found: read from the primary',
        );
      }
    }
    // What was in the cache may be older than a key that somebody else has made since.
    const lacking = wants.filter(
      (want) => ringOfWant(want).query <= started && lacksNumber(want, ringOfWant(want).ring),
    );
    if (lacking.length > 0) await look(lacking, started);
    return found;
  }

  /**
   * The rings of these scopes: from the cache, from a query that is under way, or from one for all that are left.
   *
   * @param after number of a query; only later ones have seen what is looked for
   */
  async #load(wants: readonly Want[], after: number): Promise<readonly CachedRing[]> {
    const nowMs = this.#options.clock.now();
    const asked: string[] = [];
    const rings = wants.map(({ scope: { name } }): string | Promise<CachedRing> => {
      const cached = this.#rings.get(name);
      if (cached !== undefined && cached.query > after && !this.#isOver(cached, nowMs)) {
        // Used last, so dropped last.
        this.#rings.delete(name);
        this.#rings.set(name, cached);
        return Promise.resolve(cached);
      }
      const underWay = this.#loading.get(name);
      if (underWay !== undefined && underWay.query > after) return underWay.ring;
      asked.push(name);
      return name;
    });
    if (asked.length > 0) {
      const names = new Set(asked);
      const scopes = wants.map(({ scope }) => scope).filter(({ name }) => names.has(name));
      this.#query(scopes, nowMs);
    }
    return Promise.all(rings.map((ring) => (typeof ring === 'string' ? this.#loading.get(ring)!.ring : ring)));
  }

  #query(scopes: readonly NamedScope[], atMs: number): void {
    this.#queries += 1;
    const query = this.#queries;
    const rows = this.#options.store.find(scopes).then((found) => Map.groupBy(found, scopeName));
    for (const { name } of scopes) {
      const ring = rows
        .then((byScope) => this.#keep(name, byScope.get(name) ?? [], query, atMs))
        .finally(() => {
          if (this.#loading.get(name)?.query === query) this.#loading.delete(name);
        });
      this.#loading.set(name, { query, ring });
    }
  }

  #keep(name: string, rows: readonly FieldKeyRow[], query: number, atMs: number): CachedRing {
    const ring = ringOf(rows);
    const before = this.#rings.get(name);
    // An answer that was overtaken by a later one.
    if (before !== undefined && before.query > query) return before;
    const entry = (row: FieldKeyRow): Entry => ({ row, key: null, opening: null, users: 0, dropped: false });
    const entries = new Map([...ring.usable].map(([number, row]) => [number, entry(row)]));
    const cached: CachedRing = { ring, query, atMs, entries };
    this.#drop(name);
    // A scope without keys is asked for again: somebody may make the first one, or readmit the subject.
    if (ring.usable.size === 0) return cached;
    this.#rings.set(name, cached);
    this.#sweeper ??= setInterval(() => this.#onSweep(), this.#options.ttlMs / SWEEPS_A_TTL).unref();
    return cached;
  }

  #onSweep(): void {
    this.sweep();
    if (this.#rings.size > 0) return;
    clearInterval(this.#sweeper!);
    this.#sweeper = null;
  }

  /** @returns the query after which the key is seen by all later ones */
  #makeFirst(scope: NamedScope): Promise<number> {
    const { name } = scope;
    const underWay = this.#making.get(name);
    if (underWay !== undefined) return underWay;
    const made = this.make(scope, 1, { madeAtMs: this.#options.clock.now(), activeFromMs: 0 })
      .then((row) => this.#options.store.insertAbsent([row]))
      .then(() => this.#queries)
      .finally(() => this.#making.delete(name));
    this.#making.set(name, made);
    return made;
  }

  async #openRing(
    { scope, numbers, purposes }: Want,
    { ring, entries }: CachedRing,
    used: Entry[],
  ): Promise<ScopeKeys> {
    const writes = WRITING.some((purpose) => purposes.has(purpose));
    const writing = writes ? writingKey(ring, this.#options.clock.now()) : null;
    if (purposes.has('write') && writing === null) throw shredded(scope, ring.shreddedAtMs);
    const searched = purposes.has('search') ? searchedNumbers(ring) : [];
    const wanted = new Set([...numbers, ...searched, ...(writing === null ? [] : [writing.number])]);
    const open = [...wanted].filter((number) => entries.has(number));
    const keys = new Map<number, FieldKey>();
    const opened = await Promise.allSettled(
      open.map(async (number) => keys.set(number, await this.#openEntry(entries.get(number)!, used))),
    );
    for (const one of opened) if (one.status === 'rejected') throw one.reason;
    return {
      shreddedAtMs: ring.shreddedAtMs,
      write: writing === null ? null : { number: writing.number, key: keys.get(writing.number)! },
      search: searched.map((number) => ({ number, key: keys.get(number)! })),
      byNumber: keys,
    };
  }

  async #openEntry(entry: Entry, used: Entry[]): Promise<FieldKey> {
    entry.users += 1;
    used.push(entry);
    if (entry.key !== null) return entry.key;
    entry.opening ??= this.#inSlot(() => this.#unwrap(entry.row))
      .then((key) => {
        entry.key = key;
        this.#held += 1;
      })
      .finally(() => {
        entry.opening = null;
      });
    await entry.opening;
    return entry.key!;
  }

  async #unwrap(row: FieldKeyRow): Promise<FieldKey> {
    const { service, key, olderKeys } = this.#options;
    const request = { ciphertext: row.wrapped!, context: wrapContext(row, row.number) };
    for (const [at, name] of [key, ...olderKeys].entries()) {
      try {
        const { plaintext } = await service.decrypt({ ...request, key: name });
        return new FieldKey(Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength));
      } catch (error) {
        if (toClavigerError(error).code !== 'INCORRECT_KEY' || at === olderKeys.length) throw error;
      }
    }
    throw invalidCiphertext();
  }

  /** So many calls of the service at once, the others in the order they came. */
  async #inSlot<T>(call: () => Promise<T>): Promise<T> {
    if (this.#unwrapsInFlight >= UNWRAPS_MAX) await new Promise<void>((resolve) => this.#freeSlots.push(resolve));
    else this.#unwrapsInFlight += 1;
    try {
      return await call();
    } finally {
      const next = this.#freeSlots.shift();
      if (next === undefined) this.#unwrapsInFlight -= 1;
      else next();
    }
  }

  #isOver({ atMs }: CachedRing, nowMs: number): boolean {
    // A clock that was set back must not make a key live longer.
    return nowMs < atMs || nowMs - atMs >= this.#options.ttlMs;
  }

  /** Drops what was not used for longest, until no more keys are held than may be. */
  #trim(): void {
    for (const name of this.#rings.keys()) {
      if (this.#held <= this.#options.keysMax && this.#rings.size <= this.#options.keysMax) return;
      this.#drop(name);
    }
  }

  #drop(name: string): void {
    const ring = this.#rings.get(name);
    this.#rings.delete(name);
    for (const entry of ring?.entries.values() ?? []) {
      entry.dropped = true;
      this.#endEntry(entry);
    }
  }

  #release(used: Entry[]): void {
    for (const entry of used.splice(0)) {
      entry.users -= 1;
      this.#endEntry(entry);
    }
  }

  #endEntry(entry: Entry): void {
    if (!entry.dropped || entry.users > 0 || entry.key === null) return;
    entry.key[Symbol.dispose]();
    entry.key = null;
    this.#held -= 1;
  }
}

function isUnmade({ purposes }: Want, ring: KeyRing): boolean {
  return (purposes.has('write') || purposes.has('adopt')) && ring.newest === 0;
}

function lacksNumber({ numbers }: Want, ring: KeyRing): boolean {
  return [...numbers].some((number) => !ring.usable.has(number)) && ring.shreddedAtMs === null;
}

/** What a wrapped field key is bound to; it stands in the audit log with every unwrap. */
export function wrapContext({ set, tenant, subject }: FieldKeyScope, number: number): EncryptionContext {
  return {
    'field-key-set': set,
    'field-key-number': String(number),
    ...(tenant === '' ? {} : { 'field-key-tenant': tenant }),
    ...(subject === '' ? {} : { 'field-key-subject': subject }),
  };
}

export function shredded({ set, subject }: FieldKeyScope, atMs: number | null): ClavigerError {
  const when = atMs === null ? '' : ` at ${new Date(atMs).toISOString()}`;
  return new ClavigerError(
    'KEY_STATE',
    `the field key of subject \`${subject}\` of key set \`${set}\` was shredded${when}; ` +
      'what it encrypted is gone, and new values need a readmission of the subject',
  );
}
