/**
 * A reader of the durable log that remembers how far it has come: each sink stands on one.
 *
 * Each batch is handed over until it is taken, and only then the cursor moves: at least once, in order, for ever. The
 * cursor is kept about once a second, so after a crash the records of the last second come again. Nobody waits for a
 * follower: the log tells it of new records and goes on.
 *
 * One follower a name: two would move the same cursor.
 *
 * @module
 */
import { systemClock, type Clock } from '../ports/clock.ts';
import { silentLog, type Log } from '../ports/log.ts';
import { systemSleep, type Sleep } from '../ports/sleep.ts';
import type { StoredRecord } from '../store/contract.ts';
import { openedRecord, type AuditRecord } from './opened.ts';

/** Records that one query reads: a batch's items come with them, so that few of the largest are in memory at once. */
const READ_RECORDS = 64;
/** How often the cursor is kept while records are delivered: one small change of the store a second. */
const KEEP_EVERY_MS = 1000;
/** After this the handler's signal aborts, and it is tried again. */
const ATTEMPT_MS_MAX = 60_000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 60_000;
/** A receiver may ask for more patience than ours, but not for ever. */
const RETRY_AFTER_MS_MAX = 3_600_000;
/** An error's text comes from outside, and stands in answers and logs. */
const ERROR_CHARS_MAX = 500;

/** What a follower reads from: the log as a thread sees it that does not write it. */
export interface FollowSource {
  readonly logId: string;
  /** Records that are durable. */
  readonly size: number;
  /** Calls back when `size` may have grown, until the returned function is called. */
  follow(callback: () => void): () => void;
  recordsFrom(index: number, limit: number): Promise<readonly StoredRecord[]>;
  cursor(name: string): Promise<number | null>;
  keepCursor(name: string, position: number): Promise<void>;
}

/** A record of a batch; what costs time is made when it is asked for. */
export class FollowedRecord {
  readonly #stored: StoredRecord;
  #opened: AuditRecord | null = null;

  constructor(stored: StoredRecord) {
    this.#stored = stored;
  }

  get index(): number {
    return this.#stored.index;
  }

  /** The leaf's exact text. */
  get entry(): string {
    return Buffer.from(this.#stored.entry).toString();
  }

  /** RFC 6962 leaf hash, 32 bytes. */
  get leafHash(): Uint8Array {
    return this.#stored.leaf;
  }

  /** The record with its openings. */
  get record(): AuditRecord {
    this.#opened ??= openedRecord(this.#stored);
    return this.#opened;
  }
}

/** Records `[from, to)`, in order, without a gap. */
export interface FollowedBatch {
  readonly logId: string;
  readonly from: number;
  readonly to: number;
  readonly records: readonly FollowedRecord[];
}

/** Why a batch was not taken, from a handler that knows when to try again. */
export class DeliveryError extends Error {
  readonly retryAfterMs: number | null;
  /** True where the receiver refuses what it got: trying soon again is of no use. */
  readonly refused: boolean;

  constructor(
    message: string,
    more: { readonly retryAfterMs?: number | null; readonly refused?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.retryAfterMs = more.retryAfterMs ?? null;
    this.refused = more.refused ?? false;
  }
}

export interface FollowOptions {
  /** Of the cursor. */
  readonly name: string;
  readonly source: FollowSource;
  /** Takes a batch, or throws to get it again. It ends soon after its signal aborts. */
  readonly handle: (batch: FollowedBatch, signal: AbortSignal) => Promise<void>;
  /** Where a follower begins that has no cursor yet. */
  readonly from?: 'beginning' | 'now';
  readonly batchRecordsMax?: number;
  /** Of entries and openings; a record that is larger comes alone. */
  readonly batchBytesMax?: number;
  /** How long the first new record waits for company. */
  readonly lingerMs?: number;
  readonly clock?: Clock;
  readonly sleep?: Sleep;
  /** In [0, 1). */
  readonly jitter?: () => number;
  readonly log?: Log;
}

export interface FollowStatus {
  readonly name: string;
  /** The next index that it wants; null until it has read its cursor. */
  readonly position: number | null;
  readonly lagRecords: number;
  /** Age of the oldest record that has not been taken; 0 where there is none. */
  readonly lagSeconds: number;
  /** Records that were taken since the start. */
  readonly delivered: number;
  /** Attempts that failed since the last that did not. */
  readonly failures: number;
  /** Null once a batch is taken again. */
  readonly lastError: string | null;
}

export class LogFollower {
  readonly #options: Required<FollowOptions>;
  readonly #sizeAtStart: number;
  readonly #stopping = new AbortController();
  /** Aborts when a stop waits no longer. */
  readonly #overdue = new AbortController();
  readonly #unfollow: () => void;
  readonly #running: Promise<void>;
  #position: number | null = null;
  #kept: number | null = null;
  #keeping: Promise<void> | null = null;
  #wake: () => void = () => undefined;
  /** Records of the batch that failed, so that it is the same when it comes again; null where none did. */
  #again: number | null = null;
  /** Time of the oldest record that waits. */
  #behindSinceMs: number | null = null;
  #delivered = 0;
  #failures = 0;
  #lastError: string | null = null;

  private constructor(options: FollowOptions) {
    this.#options = {
      from: 'beginning',
      batchRecordsMax: 512,
      batchBytesMax: 1024 * 1024,
      lingerMs: 100,
      clock: systemClock,
      sleep: systemSleep,
      jitter: Math.random,
      log: silentLog,
      ...options,
    };
    const { source, clock } = this.#options;
    this.#sizeAtStart = source.size;
    this.#unfollow = source.follow(() => {
      if (this.#position !== null && source.size > this.#position) this.#behindSinceMs ??= clock.now();
      this.#wake();
    });
    this.#running = this.#run();
  }

  /** Begins to follow; what goes wrong is told by `status`, and tried again. */
  static start(options: FollowOptions): LogFollower {
    return new LogFollower(options);
  }

  status(): FollowStatus {
    const { name, source, clock } = this.#options;
    const position = this.#position;
    const lagRecords = position === null ? 0 : Math.max(0, source.size - position);
    const sinceMs = lagRecords === 0 ? null : this.#behindSinceMs;
    return {
      name,
      position,
      lagRecords,
      lagSeconds: sinceMs === null ? 0 : Math.max(0, clock.now() - sinceMs) / 1000,
      delivered: this.#delivered,
      failures: this.#failures,
      lastError: this.#lastError,
    };
  }

  /**
   * Hands over what is there while that goes well and the time allows, then keeps the cursor. What is left comes after
   * the next start.
   */
  async stop(withinMs: number): Promise<void> {
    const { sleep } = this.#options;
    const ended = new AbortController();
    this.#stopping.abort();
    this.#unfollow();
    this.#wake();
    const over = sleep(withinMs, ended.signal).then(() => this.#overdue.abort());
    // A handler that heeds no signal is left behind.
    await Promise.race([this.#running, over]);
    ended.abort();
    await this.#keep();
  }

  async #run(): Promise<void> {
    while (this.#goesOn()) {
      try {
        this.#position ??= await this.#begin();
        if (this.#position < this.#options.source.size) await this.#next(this.#position);
        else if (this.#stopping.signal.aborted) return;
        else await this.#news();
      } catch (error) {
        await this.#failed(error);
      }
    }
  }

  #goesOn(): boolean {
    if (this.#overdue.signal.aborted) return false;
    return !this.#stopping.signal.aborted || this.#failures === 0;
  }

  async #begin(): Promise<number> {
    const { name, source, from, log } = this.#options;
    this.#kept = await source.cursor(name);
    if (this.#kept === null) return from === 'now' ? this.#sizeAtStart : 0;
    if (this.#kept <= source.size) return this.#kept;
    log.write('error', `the log is shorter than what \`${name}\` was given of it; it goes on with new records`, {
      follower: name,
      cursor: this.#kept,
      records: source.size,
    });
    return source.size;
  }

  /** Waits for a record, and a moment more for others to come. */
  async #news(): Promise<void> {
    const { sleep, lingerMs } = this.#options;
    this.#behindSinceMs = null;
    this.#planKeep();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = () => undefined;
    await sleep(lingerMs, this.#stopping.signal);
  }

  async #next(from: number): Promise<void> {
    const batch = await this.#read(from);
    this.#behindSinceMs = Date.parse(batch.records[0]!.record.time);
    this.#again = batch.records.length;
    await this.#handOver(batch);
    this.#again = null;
    if (this.#failures > 0) this.#recovered();
    this.#position = batch.to;
    this.#delivered += batch.records.length;
    this.#planKeep();
  }

  async #read(from: number): Promise<FollowedBatch> {
    const { name, source, batchRecordsMax, batchBytesMax } = this.#options;
    const wanted = this.#again ?? batchRecordsMax;
    const records: FollowedRecord[] = [];
    let bytes = 0;
    reading: while (records.length < wanted) {
      const limit = Math.min(READ_RECORDS, wanted - records.length);
      const found = await source.recordsFrom(from + records.length, limit);
      for (const stored of found) {
        bytes += stored.entry.length + stored.openings.length;
        if (this.#again === null && records.length > 0 && bytes > batchBytesMax) break reading;
        records.push(new FollowedRecord(stored));
      }
      if (found.length < limit) break;
    }
    if (records[0]?.index !== from) throw new Error(`record ${from} of the log cannot be read for \`${name}\``);
    return { logId: source.logId, from, to: from + records.length, records };
  }

  async #handOver(batch: FollowedBatch): Promise<void> {
    const { handle, sleep } = this.#options;
    const timedOut = new AbortController();
    const done = new AbortController();
    const timer = sleep(ATTEMPT_MS_MAX, done.signal).then(() => {
      timedOut.abort(new DeliveryError(`not taken within ${ATTEMPT_MS_MAX / 1000} s`));
    });
    try {
      await handle(batch, AbortSignal.any([timedOut.signal, this.#overdue.signal]));
    } finally {
      done.abort();
      await timer;
    }
  }

  async #failed(error: unknown): Promise<void> {
    const { name, sleep, log } = this.#options;
    this.#failures += 1;
    this.#lastError = (error instanceof Error ? error.message : String(error)).slice(0, ERROR_CHARS_MAX);
    const refused = error instanceof DeliveryError && error.refused;
    if (this.#failures === 1) {
      log.write(refused ? 'error' : 'warn', `\`${name}\` does not take the log's records; they wait`, {
        follower: name,
        cause: this.#lastError,
      });
    }
    await sleep(this.#retryMs(error), this.#stopping.signal);
  }

  /** Exponential, with jitter down to the half, so that many followers of one receiver do not come together. */
  #retryMs(error: unknown): number {
    const exponential = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(this.#failures - 1, 30));
    const refused = error instanceof DeliveryError && error.refused;
    const own = (refused ? RETRY_MS_MAX : exponential) * (0.5 + this.#options.jitter() / 2);
    const asked = error instanceof DeliveryError ? (error.retryAfterMs ?? 0) : 0;
    return Math.max(own, Math.min(asked, RETRY_AFTER_MS_MAX));
  }

  #recovered(): void {
    const { name, log } = this.#options;
    log.write('info', `\`${name}\` takes the log's records again`, { follower: name, failures: this.#failures });
    this.#failures = 0;
    this.#lastError = null;
  }

  #planKeep(): void {
    // A stop keeps it last of all.
    if (this.#keeping !== null || this.#position === this.#kept || this.#stopping.signal.aborted) return;
    const { sleep } = this.#options;
    this.#keeping = sleep(KEEP_EVERY_MS, this.#stopping.signal).then(async () => {
      this.#keeping = null;
      await this.#keep();
    });
  }

  /** A cursor that is not kept is kept a second later, or records come twice. */
  async #keep(): Promise<void> {
    const position = this.#position;
    if (position === null || position === this.#kept) return;
    const { name, source } = this.#options;
    try {
      await source.keepCursor(name, position);
      this.#kept = position;
    } catch {
      this.#planKeep();
    }
  }
}
