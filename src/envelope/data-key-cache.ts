/**
 * A cache of data keys: so that a thousand messages need one call of a home, for as long and as often as its limits say.
 *
 * A key in it is only ever copied out, in one synchronous step with the counting of its use: so what is evicted is wiped at
 * once, whoever has a copy, and no use goes uncounted. Callers who want the same key at the same time wait for one call; one
 * that gives up leaves the others be, and a call that fails is everybody's failure and nobody's later on.
 *
 * @module
 */
import { ClavigerError, toClavigerError } from '../errors.ts';
import { monotonicMs, type Clock } from '../ports/clock.ts';
import { canceledBy } from '../resilience/index.ts';

export interface DataKeyCacheLimits {
  /** Milliseconds from the moment a key was asked for until it is wiped. */
  readonly ttlMs: number;
  /** Messages under one data key. */
  readonly messagesMax: number;
  /** Bytes of plaintext under one data key. */
  readonly bytesMax: number;
  /** Data keys at a time; the one that was used longest ago goes first. */
  readonly entriesMax: number;
}

/** The most that each can be. Random message ids and frames of one key stay far from repeating within these. */
export const LIMITS_MAX: DataKeyCacheLimits = {
  // Whoever disables a key wants it to be out of use within the hour.
  ttlMs: 3_600_000,
  messagesMax: 2 ** 20,
  bytesMax: 2 ** 40,
  entriesMax: 100_000,
};
export const LIMITS_DEFAULT: DataKeyCacheLimits = {
  ttlMs: 300_000,
  messagesMax: LIMITS_MAX.messagesMax,
  bytesMax: LIMITS_MAX.bytesMax,
  entriesMax: 1000,
};

/** Life of a data key that lacks a home's wrap, where it would be longer: the home may be back. */
export const INCOMPLETE_TTL_MS = 10_000;

/** Why an entry went: its time was over, its uses were, others needed its place, or somebody wanted it gone. */
export type EvictionReason = 'expired' | 'used-up' | 'crowded-out' | 'cleared';

/** Called synchronously; they must not throw. */
export interface DataKeyCacheEvents {
  /** A key was at hand, or on its way for somebody else. */
  hit?(): void;
  miss?(): void;
  evicted?(reason: EvictionReason): void;
}

export interface DataKeyCacheCounts {
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
  readonly entries: number;
}

/** What a home has made. */
export interface Fresh<V> {
  readonly value: V;
  /** Lives no longer than this, where that is shorter than the cache's own time: for what is worth less than it could be. */
  readonly ttlMs?: number;
}

export interface Wanted<V, T> {
  /** Names the entry; what differs in anything that matters has another. */
  readonly id: string;
  /** What `forget` forgets it by; null where nobody will. */
  readonly owner: string | null;
  /** Bytes of plaintext that the key is to protect, at most `bytesMax`; null for a use that is not counted, as of opening. */
  readonly bytes: number | null;
  /** Asks for the key; its signal aborts once nobody waits any more. */
  readonly make: (signal: AbortSignal) => Promise<Fresh<V>>;
  /** A copy that belongs to who asked. */
  readonly copy: (value: V) => T;
  readonly signal: AbortSignal;
}

export interface Taken<T> {
  readonly value: T;
  /** True where no call was made for this caller. */
  readonly isHit: boolean;
}

interface Entry<V> {
  readonly value: V;
  readonly owner: string | null;
  readonly madeAtMs: number;
  readonly untilMs: number;
  messages: number;
  bytes: number;
}

interface Waiter<V> {
  readonly bytes: number | null;
  readonly make: Wanted<V, unknown>['make'];
  /** Takes its copy, or is told why there is none. */
  readonly served: (value: V) => void;
  readonly failed: (error: ClavigerError) => void;
}

/** A call that is under way, and who waits for it. */
interface Flight<V> {
  readonly id: string;
  readonly owner: string | null;
  readonly waiters: Set<Waiter<V>>;
  readonly stop: AbortController;
  /** Somebody has wanted it gone meanwhile: it serves who waits, and is not kept. */
  isForgotten: boolean;
}

const MONOTONIC: Clock = { now: monotonicMs };

export class DataKeyCache<V> implements Disposable {
  readonly limits: DataKeyCacheLimits;
  readonly #wipe: (value: V) => void;
  readonly #clock: Clock;
  readonly #events: DataKeyCacheEvents;
  /** The one that was used longest ago comes first. */
  readonly #entries = new Map<string, Entry<V>>();
  readonly #flights = new Map<string, Flight<V>>();
  #sweepTimer: NodeJS.Timeout | null = null;
  #isDisposed = false;
  #hits = 0;
  #misses = 0;
  #evictions = 0;

  /**
   * @param clock monotonic where it is not given: a wall clock that is set back would lengthen the life of keys
   * @throws INVALID_ARGUMENT for a limit that is none
   */
  constructor(
    limits: DataKeyCacheLimits,
    wipe: (value: V) => void,
    { clock = MONOTONIC, events = {} }: { readonly clock?: Clock; readonly events?: DataKeyCacheEvents } = {},
  ) {
    this.limits = requireLimits(limits);
    this.#wipe = wipe;
    this.#clock = clock;
    this.#events = events;
  }

  get counts(): DataKeyCacheCounts {
    return { hits: this.#hits, misses: this.#misses, evictions: this.#evictions, entries: this.#entries.size };
  }

  /**
   * A copy of a data key, its use counted.
   *
   * @throws what `make` throws; CANCELED, or the signal's own reason
   */
  async take<T>({ id, owner, bytes, make, copy, signal }: Wanted<V, T>): Promise<Taken<T>> {
    if (signal.aborted) throw canceledBy(signal);
    if (this.#isDisposed) throw new ClavigerError('CANCELED', 'the cache of data keys was disposed of');
    const entry = this.#usable(id, bytes);
    if (entry !== null) {
      this.#count(entry, bytes);
      this.#hit();
      return { value: copy(entry.value), isHit: true };
    }
    const flight = this.#flights.get(id);
    if (flight !== undefined) this.#hit();
    const value = await this.#wait(id, owner, flight ?? null, bytes, make, copy, signal);
    return { value, isHit: flight !== undefined };
  }

  /** Wipes one data key: somebody has found that it is not what it should be. */
  drop(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#evict(id, entry, 'cleared');
  }

  /** Wipes what is kept of an owner, and keeps nothing of what is on its way. */
  forget(owner: string): void {
    for (const [id, entry] of this.#entries) if (entry.owner === owner) this.#evict(id, entry, 'cleared');
    for (const flight of this.#flights.values()) if (flight.owner === owner) flight.isForgotten = true;
  }

  /** Wipes everything, and keeps nothing of what is on its way. */
  clear(): void {
    for (const [id, entry] of this.#entries) this.#evict(id, entry, 'cleared');
    for (const flight of this.#flights.values()) flight.isForgotten = true;
    this.#stopSweeping();
  }

  /** As `clear`; nothing is taken from it any more. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.clear();
  }

  /** An entry that may serve this use too, as the one that was used last; null where there is none. */
  #usable(id: string, bytes: number | null): Entry<V> | null {
    const entry = this.#entries.get(id);
    if (entry === undefined) return null;
    if (!this.#isLive(entry)) this.#evict(id, entry, 'expired');
    else if (!this.#fits(entry, bytes)) this.#evict(id, entry, 'used-up');
    else {
      this.#entries.delete(id);
      this.#entries.set(id, entry);
      return entry;
    }
    return null;
  }

  /** A clock that runs backwards ends a life too. */
  #isLive({ madeAtMs, untilMs }: Entry<V>): boolean {
    const nowMs = this.#clock.now();
    return nowMs >= madeAtMs && nowMs < untilMs;
  }

  #fits(entry: Entry<V>, bytes: number | null): boolean {
    if (bytes === null) return true;
    const { messagesMax, bytesMax } = this.limits;
    return entry.messages + 1 <= messagesMax && entry.bytes + bytes <= bytesMax;
  }

  #count(entry: Entry<V>, bytes: number | null): void {
    if (bytes === null) return;
    entry.messages += 1;
    entry.bytes += bytes;
  }

  #wait<T>(
    id: string,
    owner: string | null,
    flight: Flight<V> | null,
    bytes: number | null,
    make: Wanted<V, T>['make'],
    copy: (value: V) => T,
    signal: AbortSignal,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => signal.removeEventListener('abort', left);
      const waiter: Waiter<V> = {
        bytes,
        make,
        served: (value) => {
          end();
          resolve(copy(value));
        },
        failed: (error) => {
          end();
          reject(error);
        },
      };
      const left = (): void => {
        this.#leave(id, waiter);
        waiter.failed(canceledBy(signal));
      };
      signal.addEventListener('abort', left);
      if (flight === null) this.#start(id, owner, new Set([waiter]));
      else flight.waiters.add(waiter);
    });
  }

  /** A caller gives up; the call goes on for the others, and ends with the last of them. */
  #leave(id: string, waiter: Waiter<V>): void {
    const flight = this.#flights.get(id);
    if (flight?.waiters.delete(waiter) !== true || flight.waiters.size > 0) return;
    this.#flights.delete(id);
    // Should it answer all the same, `forget` does not reach it any more.
    flight.isForgotten = true;
    flight.stop.abort(new ClavigerError('CANCELED', 'nobody waits for the data key any more'));
  }

  #start(id: string, owner: string | null, waiters: Set<Waiter<V>>): void {
    const flight: Flight<V> = { id, owner, waiters, stop: new AbortController(), isForgotten: false };
    this.#flights.set(id, flight);
    this.#miss();
    // A home may have looked at its key at any time since, so its life begins here.
    const madeAtMs = this.#clock.now();
    const [first] = waiters;
    void Promise.try(first!.make, flight.stop.signal).then(
      (fresh) => this.#landed(flight, fresh, madeAtMs),
      (thrown: unknown) => this.#failed(flight, toClavigerError(thrown)),
    );
  }

  #failed(flight: Flight<V>, error: ClavigerError): void {
    if (this.#flights.get(flight.id) === flight) this.#flights.delete(flight.id);
    for (const waiter of flight.waiters) waiter.failed(error);
  }

  /** INVARIANT: nothing is awaited in here, so no copy is handed out after the entry is wiped or uncounted. */
  #landed(flight: Flight<V>, { value, ttlMs = this.limits.ttlMs }: Fresh<V>, madeAtMs: number): void {
    const { id, owner, waiters } = flight;
    if (this.#flights.get(id) === flight) this.#flights.delete(id);
    const untilMs = madeAtMs + Math.min(ttlMs, this.limits.ttlMs);
    const entry: Entry<V> = { value, owner, madeAtMs, untilMs, messages: 0, bytes: 0 };
    for (const waiter of waiters) {
      // Who waited gets it even if its time is over already: it was made for just them.
      if (!this.#fits(entry, waiter.bytes)) continue;
      this.#count(entry, waiter.bytes);
      waiters.delete(waiter);
      waiter.served(value);
    }
    if (flight.isForgotten || this.#isDisposed || !this.#isLive(entry)) this.#wipe(value);
    else this.#keep(id, entry);
    // More messages than one key may protect: the next key is for the rest.
    if (waiters.size > 0) this.#start(id, owner, waiters);
  }

  #keep(id: string, entry: Entry<V>): void {
    const before = this.#entries.get(id);
    if (before !== undefined) this.#evict(id, before, 'used-up');
    this.#entries.set(id, entry);
    for (const [oldest, crowded] of this.#entries) {
      if (this.#entries.size <= this.limits.entriesMax) break;
      this.#evict(oldest, crowded, 'crowded-out');
    }
    this.#sweepTimer ??= this.#sweepIn(entry.untilMs - this.#clock.now());
  }

  #evict(id: string, { value }: Entry<V>, reason: EvictionReason): void {
    this.#entries.delete(id);
    this.#wipe(value);
    this.#evictions += 1;
    this.#events.evicted?.(reason);
  }

  /** What nobody asks for again is wiped in its time all the same. */
  #sweepIn(ms: number): NodeJS.Timeout {
    return setTimeout(
      () => {
        this.#sweepTimer = null;
        let nextMs = Number.POSITIVE_INFINITY;
        for (const [id, entry] of this.#entries) {
          if (!this.#isLive(entry)) this.#evict(id, entry, 'expired');
          else nextMs = Math.min(nextMs, entry.untilMs);
        }
        if (this.#entries.size > 0) this.#sweepTimer = this.#sweepIn(nextMs - this.#clock.now());
      },
      Math.max(1, Math.ceil(ms)),
    ).unref();
  }

  #stopSweeping(): void {
    if (this.#sweepTimer !== null) clearTimeout(this.#sweepTimer);
    this.#sweepTimer = null;
  }

  #hit(): void {
    this.#hits += 1;
    this.#events.hit?.();
  }

  #miss(): void {
    this.#misses += 1;
    this.#events.miss?.();
  }
}

/** @throws INVALID_ARGUMENT for what is not an integer from 1 to the most there is */
function requireLimits(limits: DataKeyCacheLimits): DataKeyCacheLimits {
  for (const [name, most] of Object.entries(LIMITS_MAX)) {
    const given = limits[name as keyof DataKeyCacheLimits];
    if (Number.isInteger(given) && given >= 1 && given <= most) continue;
    throw new ClavigerError('INVALID_ARGUMENT', `\`${name}\` of a cache of data keys is an integer from 1 to ${most}`);
  }
  return Object.freeze({ ...limits });
}
