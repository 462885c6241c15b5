/**
 * The alerts at work: reads the log as it grows, measures from time to time, and hands notices to the channels.
 *
 * What the rules remember, the notices on their way and the place in the log are kept in one transaction, so that a crash
 * counts no record twice and none not at all. The log waits for nothing here: about once a second a stretch of it is
 * looked at, of which SQLite gives only what a rule may want.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises';
import { ClavigerError } from '../../errors.ts';
import { monotonicMs, type Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { systemSleep, type Sleep } from '../../ports/sleep.ts';
import type { HousekeepingChange } from '../../store/change.ts';
import type { StoreReader, WatchedRecord } from '../../store/contract.ts';
import type { KeeperStatus } from '../keepers.ts';
import type { Ledger } from '../ledger.ts';
import type { Alert, Notice } from './alert.ts';
import { AlertBook, FORBIDDING_OPERATIONS, type Measurement } from './book.ts';
import type { Channel } from './channels/index.ts';
import { Outbox, type ChannelStatus } from './outbox.ts';
import { RULES, watchedBy, type ActiveRule, type RuleBook } from './rules.ts';
import { wordsOf } from './words.ts';

/** Of the cursor. */
const CURSOR = 'alerts';
/** An alert is at most so much later than its record. */
const TURN_EVERY_MS = 1000;
/** Records that one look takes: about half a millisecond of the event loop. */
const STRETCH_RECORDS = 500;
/** How far one looks ahead for what became of a key: further than the log can be ahead of us while we keep up. */
const LATER_RECORDS = 10 * STRETCH_RECORDS;
const MEASURE_EVERY_MS = 10_000;
/** Dates of keys move slowly. */
const CRYPTOPERIODS_EVERY_MS = 60 * 60 * 1000;
/** Written even where nothing has happened, so that a store that cannot be written is noticed while nobody calls. */
const HEARTBEAT_MS = 30_000;
/** The job that rotates comes round once a minute; after an hour, it has failed. */
const ROTATION_OVERDUE_MS = 60 * 60 * 1000;
/** Keys of one query whose dates are looked at: as many alerts as a rule has. */
const DUE_KEYS_MAX = 100;
/** More than any limit: a log that has failed for good fires whatever is configured. */
const LOG_LOST_FAILURES = 1_000_000;
const STOP_MS_MAX = 2000;
const DAY_MS = 24 * 60 * 60 * 1000;

export interface AlertsOptions {
  readonly rules: RuleBook;
  readonly reminderMs: number;
  /** As long as the log keeps the addresses of callers. */
  readonly retentionDays: number;
  readonly channels: readonly Channel[];
  readonly ledger: Ledger;
  readonly store: StoreReader;
  readonly clock: Clock;
  readonly log: Log;
  /** Which Claviger speaks; the origin of its log. */
  readonly origin: string;
  readonly sleep?: Sleep;
  readonly turnEveryMs?: number;
  readonly measureEveryMs?: number;
}

/** How far behind a reader of the log is: what `LogFollower` says of itself. */
export interface Lag {
  readonly name: string;
  /** Null until it has said how far it is. */
  readonly position: number | null;
  readonly lagSeconds: number;
  readonly lastError: string | null;
}

export interface AlertsStatus {
  /** False in a library, and until a server has started. */
  readonly watching: boolean;
  readonly rules: readonly ActiveRule[];
  readonly alerts: readonly Alert[];
  readonly channels: readonly ChannelStatus[];
}

export interface TestResult {
  readonly channel: string;
  readonly delivered: boolean;
  readonly error: string | null;
}

export class Alerts {
  readonly #options: AlertsOptions;
  readonly #book: AlertBook;
  readonly #outbox: Outbox;
  readonly #watched: ReturnType<typeof watchedBy>;
  readonly #stopping = new AbortController();
  /** Home of keys → since when its circuit is open. */
  readonly #openCircuits = new Map<string, number>();
  #lags: () => readonly Lag[] = () => [];
  #keepers: () => readonly KeeperStatus[] = () => [];
  #homes: readonly string[] = [];
  /** Homes that have answered since the start. */
  readonly #answered = new Set<string>();
  readonly #sinceMs = monotonicMs();
  #running: Promise<void> | null = null;
  #position: number | null;
  /** Changes that are not kept yet, the newest of each value. */
  #unkept = new Map<string, HousekeepingChange>();
  #keptPosition: number | null;
  #keptAtMs = Number.NEGATIVE_INFINITY;
  #failedKeeps = 0;
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #cryptoperiodsAtMs = Number.NEGATIVE_INFINITY;
  /** A size of the log, and when it was seen: a checkpoint has to cover it soon. */
  #toCover: { readonly size: number; readonly sinceMs: number } | null = null;

  private constructor(options: AlertsOptions, book: AlertBook, outbox: Outbox, position: number | null) {
    this.#options = options;
    this.#book = book;
    this.#outbox = outbox;
    this.#watched = watchedBy(options.rules);
    this.#position = position;
    this.#keptPosition = position;
  }

  /** Reads what is remembered; nothing is watched or sent before `start`. */
  static async open(options: AlertsOptions): Promise<Alerts> {
    const { channels, ledger, store, clock, log, origin, sleep = systemSleep } = options;
    const rows = await store.alertState();
    const book = new AlertBook(options, rows);
    const { logId } = ledger;
    const outbox = new Outbox({ channels, rows, logId, origin, clock, sleep, jitter: Math.random, log });
    return new Alerts(options, book, outbox, await store.cursor(CURSOR));
  }

  /** Begins to watch, where it had stopped; the first time, with what comes from now on. */
  start(): void {
    if (this.#running !== null) return;
    this.#tellDisabled();
    this.#outbox.start();
    this.#running = this.#run();
  }

  status(): AlertsStatus {
    return {
      watching: this.#running !== null,
      rules: [...this.#options.rules.values()],
      alerts: this.#book.firing(),
      channels: this.#outbox.status(),
    };
  }

  /** Where the lag of sinks is read. */
  readLags(lags: () => readonly Lag[]): void {
    this.#lags = lags;
  }

  /** Where witnesses and copies of checkpoints are looked at. */
  readKeepers(keepers: () => readonly KeeperStatus[]): void {
    this.#keepers = keepers;
  }

  /** The homes of keys that there are. */
  watchHomes(names: readonly string[]): void {
    this.#homes = names;
  }

  /** A home has done what it was asked to. */
  answered(home: string): void {
    this.#answered.add(home);
  }

  /** A home's circuit has opened, or closed again where `sinceMs` is null. */
  circuit(home: string, sinceMs: number | null): void {
    if (sinceMs === null) this.#openCircuits.delete(home);
    else this.#openCircuits.set(home, sinceMs);
  }

  /** The log cannot be written any more; the process is about to end. */
  logFailed(): void {
    this.#failedKeeps += 1;
    this.#hand(this.#logFailure());
  }

  /**
   * Sends a test alert, to one channel or to all.
   *
   * @throws NOT_FOUND where there is no such channel
   */
  async test(channel: string | null): Promise<readonly TestResult[]> {
    const names = this.#outbox.status().map(({ name }) => name);
    const wanted = channel === null ? names : names.filter((name) => name === channel);
    if (channel !== null && wanted.length === 0) {
      throw new ClavigerError(
        'NOT_FOUND',
        `there is no alert channel \`${channel}\`; there are ${names.join(', ') || 'none'}`,
      );
    }
    const notice = testNotice(this.#options.clock.now());
    return Promise.all(
      wanted.map(async (name) => {
        const error = await this.#outbox.send(name, notice);
        return { channel: name, delivered: error === null, error };
      }),
    );
  }

  /** Looks at what is there, keeps it, and sends what goes soon; what is left is sent after the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#outbox.stop(STOP_MS_MAX);
    if (this.#running !== null) await this.#keep();
  }

  async #run(): Promise<void> {
    const { sleep = systemSleep, turnEveryMs = TURN_EVERY_MS, ledger, log } = this.#options;
    // A restored store may have a shorter log than the one that was watched.
    this.#position = Math.min(this.#position ?? ledger.size, ledger.size);
    while (!this.#stopping.signal.aborted) {
      await this.#turn().catch((error: unknown) =>
        log.write('error', 'alerts could not look at the log; they try again', { cause: String(error) }),
      );
      await sleep(turnEveryMs, this.#stopping.signal);
    }
    await this.#watch().catch(() => undefined);
  }

  async #turn(): Promise<void> {
    const { clock, measureEveryMs = MEASURE_EVERY_MS } = this.#options;
    await this.#watch();
    const now = clock.now();
    if (now - this.#measuredAtMs >= measureEveryMs) {
      this.#measuredAtMs = now;
      await this.#measure(now);
    }
    await this.#tell(this.#book.pass(now));
    await this.#keep();
  }

  /** Takes the log up to its end. */
  async #watch(): Promise<void> {
    const { ledger, store, rules } = this.#options;
    while (this.#position! < ledger.size) {
      const from = this.#position!;
      const to = Math.min(from + STRETCH_RECORDS, ledger.size);
      const records = await Promise.all(
        (await store.watchedRecords(from, to, this.#watched)).map((each) => this.#granted(each)),
      );
      // They cost twice the rest.
      const sightings = rules.get('new-source')!.enabled ? await store.sightings(from, to) : [];
      const notices = this.#book.take(records, sightings, await this.#later(records, to));
      this.#position = to;
      await this.#tell(notices);
      if (to - from === STRETCH_RECORDS) await this.#keep();
      await setImmediate();
    }
  }

  /** What has become of keys after a stretch in which one was used that is forbidden by now. */
  async #later(records: readonly WatchedRecord[], to: number): Promise<readonly WatchedRecord[]> {
    const isForbidden = ({ key }: WatchedRecord): boolean =>
      key !== null && (key.pendingDeletion || key.compromisedVersions.length > 0);
    if (!records.some(isForbidden)) return [];
    return this.#options.store.watchedRecords(to, to + LATER_RECORDS, {
      operations: FORBIDDING_OPERATIONS,
      outcomes: [],
    });
  }

  /** What a new token may do, which its record does not say. */
  async #granted(record: WatchedRecord): Promise<WatchedRecord> {
    const { operation, resource, outcome } = record;
    if (operation !== 'CreateToken' || outcome !== 'OK' || resource === null) return record;
    const credential = await this.#options.store.credential(resource.replace(/^token\//, ''));
    return credential === null ? record : { ...record, granted: credential };
  }

  async #measure(now: number): Promise<void> {
    await this.#tell([
      ...this.#logFailure(),
      ...this.#book.measure('checkpoint-lag', this.#checkpointLag(), now),
      ...this.#book.measure('sink-lag', this.#sinkLags(), now),
      ...this.#book.measure('log-rewritten', this.#contradictions(), now),
      ...this.#book.measure('keeper-lag', this.#keeperLags(), now),
      ...this.#book.measure('circuit-open', this.#circuits(now), now),
      ...this.#book.measure('channel-failure', this.#channelFailures(now), now),
    ]);
    if (now - this.#cryptoperiodsAtMs < CRYPTOPERIODS_EVERY_MS) return;
    this.#cryptoperiodsAtMs = now;
    await this.#tell(this.#book.measure('cryptoperiod-ending', await this.#cryptoperiods(now), now));
  }

  #logFailure(): Notice[] {
    const { ledger, clock } = this.#options;
    const value = ledger.healthy ? this.#failedKeeps : LOG_LOST_FAILURES;
    return this.#book.measure('log-failure', [{ subject: 'log', tenantId: null, value }], clock.now());
  }

  /** By a clock that nobody sets: a jump of the other one is no lag. */
  #checkpointLag(): readonly Measurement[] {
    const { ledger } = this.#options;
    const covered = ledger.checkpoint?.size ?? 0;
    const unsure = covered < (this.#toCover?.size ?? ledger.size);
    if (this.#toCover === null || !unsure) this.#toCover = { size: ledger.size, sinceMs: monotonicMs() };
    const value = unsure ? wholeSeconds(monotonicMs() - this.#toCover.sinceMs) : 0;
    return [{ subject: 'log', tenantId: null, value, unsure }];
  }

  #sinkLags(): readonly Measurement[] {
    return this.#lags().map(({ name, position, lagSeconds, lastError }) => ({
      subject: name,
      tenantId: null,
      value: Math.floor(lagSeconds),
      unsure: position === null,
      ...(lastError === null ? {} : { facts: { note: lastError } }),
    }));
  }

  #contradictions(): readonly Measurement[] {
    return this.#keepers().map((keeper) => ({
      ...ofKeeper(keeper, keeper.state === 'rewritten' ? 1 : 0),
      unsure: !keeper.taken,
    }));
  }

  #keeperLags(): readonly Measurement[] {
    return this.#keepers().map((keeper) => {
      // After we were away for long everybody is behind, and has to be asked first.
      const asked = keeper.taken || keeper.state !== 'ok';
      const lag = asked ? keeper.lagSeconds : Math.min(keeper.lagSeconds, (monotonicMs() - this.#sinceMs) / 1000);
      return { ...ofKeeper(keeper, Math.floor(lag)), unsure: !asked && keeper.lagSeconds > 0 };
    });
  }

  #circuits(now: number): readonly Measurement[] {
    const open = [...this.#openCircuits].map(([subject, sinceMs]) => ({ subject, value: wholeSeconds(now - sinceMs) }));
    const closed = this.#homes
      .filter((name) => !this.#openCircuits.has(name))
      .map((subject) => ({ subject, value: 0, unsure: !this.#answered.has(subject) }));
    return [...open, ...closed].map((circuit) => ({ ...circuit, tenantId: null }));
  }

  #channelFailures(now: number): readonly Measurement[] {
    return this.#outbox.status().map(({ name, delivered, failingSinceMs, lastError }) => ({
      subject: name,
      tenantId: null,
      value: failingSinceMs === null ? 0 : wholeSeconds(now - failingSinceMs),
      unsure: delivered === 0,
      ...(failingSinceMs === null ? {} : { facts: { note: lastError ?? '' } }),
    }));
  }

  /** Imported material whose date comes near, and rotations that should have happened. */
  async #cryptoperiods(now: number): Promise<readonly Measurement[]> {
    const { store, rules } = this.#options;
    const rule = rules.get('cryptoperiod-ending')!;
    const daysAhead = rule.kind === 'measure' ? rule.threshold : 0;
    const expiring = await store.dueKeys('expiry', now + daysAhead * DAY_MS, DUE_KEYS_MAX);
    const overdue = await store.dueKeys('rotation', now - ROTATION_OVERDUE_MS, DUE_KEYS_MAX);
    const found = await Promise.all(
      [...new Set([...expiring, ...overdue])].map(async (id): Promise<Measurement[]> => {
        const key = await store.key(id);
        if (key === null) return [];
        const expiresAt = Math.min(...key.versions.map((version) => version.expiresAt ?? Number.POSITIVE_INFINITY));
        const [atMs, note] = expiring.includes(id)
          ? [expiresAt, `the imported material expires at ${isoOf(expiresAt)}`]
          : [key.key.rotation?.nextAt ?? now, `the rotation was due at ${isoOf(key.key.rotation?.nextAt ?? now)}`];
        const value = Math.floor((atMs - now) / DAY_MS);
        return [{ subject: id, tenantId: key.key.tenantId, value, facts: { keyId: id, note } }];
      }),
    );
    return found.flat();
  }

  /** As `#hand`, with the name of who is spoken of. */
  async #tell(notices: readonly Notice[]): Promise<void> {
    this.#hand(await Promise.all(notices.map((notice) => this.#named(notice))));
  }

  /** Hands notices to the channels, and to the operator's log, which is there without any. */
  #hand(notices: readonly Notice[]): void {
    for (const notice of notices) {
      const { rule, severity, subject, count } = notice.alert;
      this.#options.log.write(
        notice.kind === 'resolved' || severity === 'info' ? 'info' : 'warn',
        `alert: ${wordsOf(notice).title}`,
        {
          rule,
          severity,
          subject,
          count,
        },
      );
      this.#outbox.add(notice);
    }
  }

  async #named(notice: Notice): Promise<Notice> {
    const { principal } = notice.alert.facts;
    const credential =
      principal === undefined ? null : await this.#options.store.credential(principal).catch(() => null);
    if (credential === null) return notice;
    const facts = { ...notice.alert.facts, principalName: credential.name };
    return { ...notice, alert: { ...notice.alert, facts } };
  }

  /** Makes durable what has changed, with the place in the log that it belongs to. */
  async #keep(): Promise<void> {
    const { ledger, clock } = this.#options;
    const position = this.#position!;
    this.#addUnkept([...this.#book.changes(), ...this.#outbox.changes()]);
    const due = clock.now() - this.#keptAtMs >= HEARTBEAT_MS;
    if (this.#unkept.size === 0 && !due && !this.#isWorthKeeping(position)) return;
    const changes = [...this.#unkept.values()];
    this.#unkept = new Map();
    try {
      await ledger.keep([...changes, { put: 'cursor', name: CURSOR, position }]);
      this.#keptPosition = position;
      this.#keptAtMs = clock.now();
      this.#failedKeeps = 0;
    } catch {
      this.#addUnkept(changes);
      this.#failedKeeps += 1;
      this.#keptAtMs = Number.NEGATIVE_INFINITY;
    }
  }

  #addUnkept(changes: readonly HousekeepingChange[]): void {
    for (const change of changes) {
      if ('kind' in change) this.#unkept.set(`${change.kind}/${change.name}`, change);
    }
  }

  /** A cursor alone is kept when it has moved far; what lies between is looked at again after a crash, without effect. */
  #isWorthKeeping(position: number): boolean {
    return position - (this.#keptPosition ?? 0) >= STRETCH_RECORDS;
  }

  #tellDisabled(): void {
    for (const { id, enabled } of this.#options.rules.values()) {
      const { severity } = RULES[id];
      if (enabled || severity !== 'critical') continue;
      this.#options.log.write('warn', `the critical alert rule \`${id}\` is disabled by the configuration`, {
        rule: id,
      });
    }
  }
}

function testNotice(nowMs: number): Notice {
  return {
    kind: 'test',
    atMs: nowMs,
    alert: {
      rule: 'channel-failure',
      severity: 'info',
      subject: 'test',
      tenantId: null,
      firstAtMs: nowMs,
      lastAtMs: nowMs,
      count: 1,
      facts: {},
      toldAtMs: nowMs,
    },
  };
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

function ofKeeper({ kind, name, lastError }: KeeperStatus, value: number): Measurement {
  const facts = lastError === null ? {} : { facts: { note: lastError } };
  return { subject: `${kind}/${name}`, tenantId: null, value, ...facts };
}
