/**
 * The life of alerts: records and measurements go in, notices come out. No clock, no I/O: the time of a record, or the one
 * that the caller gives.
 *
 * One alert stands for a rule and a subject from the moment it fires until its condition has ended; meanwhile it counts,
 * and its channels are reminded of it from time to time. What comes of records has ended when its window has passed
 * without another; what is measured, when it is back below the limit. Everything that is remembered has a limit: whoever
 * could make many subjects gets one alert for all of them.
 *
 * @module
 */
import { isIP } from 'node:net';
import type { HousekeepingChange } from '../../store/change.ts';
import type { AlertStateRow, Sighting, WatchedRecord } from '../../store/contract.ts';
import { alertKey, type Alert, type AlertFacts, type Notice, type NoticeKind } from './alert.ts';
import {
  countFor,
  MANY_SOURCES,
  subjectOf,
  type ActiveRule,
  type MeasureRule,
  type RecordsRule,
  type RuleBook,
  type RuleId,
} from './rules.ts';
import { KeptMap } from './state.ts';

/** Addresses that are remembered of a principal; the one that it used longest ago makes room. */
export const SOURCES_PER_PRINCIPAL_MAX = 64;
/** Principals whose addresses are remembered, about 200 bytes each. */
export const PRINCIPALS_MAX = 20_000;
/** Subjects of all rules that are counted at a time; a flood of others pushes out the oldest counts. */
export const COUNTS_MAX = 20_000;
/** Alerts of one rule that stand at a time; those beyond become one, of the subject `OTHERS`. */
export const ALERTS_PER_RULE_MAX = 100;
/** An address is remembered for so many days at least: where it were forgotten sooner, a monthly job would be new each time. */
export const ADDRESS_DAYS_MIN = 35;
export const OTHERS = 'others';
/** A window is counted in so many slices: it slides by one of them. */
const SLICES = 12;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Changes of a key after which its use is told of. */
export const FORBIDDING_OPERATIONS = ['CompromiseKey', 'ScheduleKeyDeletion'] as const;

/** What was measured of a subject. */
export interface Measurement {
  readonly subject: string;
  readonly tenantId: string | null;
  /** In the rule's unit. */
  readonly value: number;
  /**
   * True while nothing is known of it but what was known before the start: it ends no alert, or a restart would end those
   * whose cause stands.
   */
  readonly unsure?: boolean;
  readonly facts?: AlertFacts;
}

/** A count within a sliding window: `slices[0]` began at `slice` slices since the epoch, the older ones follow. */
interface Count {
  readonly slice: number;
  readonly slices: readonly number[];
}

/** Address → day of its last use, in days since the epoch. */
type Sources = Readonly<Record<string, number>>;

export interface AlertBookOptions {
  readonly rules: RuleBook;
  readonly reminderMs: number;
  /** Days for which the log keeps the addresses of callers. */
  readonly retentionDays: number;
}

export class AlertBook {
  readonly #rules: RuleBook;
  readonly #reminderMs: number;
  readonly #addressDays: number;
  readonly #alerts: KeptMap<Alert>;
  readonly #counts: KeptMap<Count>;
  readonly #sources: KeptMap<Sources>;

  /** Day up to which addresses were forgotten. */
  #forgottenDay = 0;

  constructor({ rules, reminderMs, retentionDays }: AlertBookOptions, rows: readonly AlertStateRow[] = []) {
    this.#rules = rules;
    this.#reminderMs = reminderMs;
    this.#addressDays = Math.max(retentionDays, ADDRESS_DAYS_MIN);
    this.#alerts = new KeptMap('alert', rules.size * (ALERTS_PER_RULE_MAX + 1), rows);
    this.#counts = new KeptMap('count', COUNTS_MAX, rows);
    this.#sources = new KeptMap('sources', PRINCIPALS_MAX, rows);
  }

  /** Alerts that fire, those of the longest standing first. */
  firing(): readonly Alert[] {
    const named = [...this.#alerts.entries()].toSorted(
      ([nameA, a], [nameB, b]) => a.firstAtMs - b.firstAtMs || (nameA < nameB ? -1 : 1),
    );
    return named.map(([, alert]) => alert);
  }

  /** What has changed since the last call, for the store. */
  changes(): HousekeepingChange[] {
    return [...this.#alerts.changes(), ...this.#counts.changes(), ...this.#sources.changes()];
  }

  /**
   * Takes a stretch of the log.
   *
   * @param later records beyond it, which are only looked at for what they made of a key: the store shows keys as they are
   * by now, and what was answered before that is not held against anybody
   */
  take(
    records: readonly WatchedRecord[],
    sightings: readonly Sighting[],
    later: readonly WatchedRecord[] = [],
  ): Notice[] {
    const changes = [...records, ...later].filter(({ operation, outcome }) => isForbidding(operation, outcome));
    const notices = records.flatMap((record) => this.#record(asOfThen(record, changes)));
    return [...notices, ...sightings.flatMap((sighting) => this.#sighting(sighting))];
  }

  /** Compares everything that was measured for a rule with its limit; what is not among it, or surely within, has ended. */
  measure(id: RuleId, measurements: readonly Measurement[], nowMs: number): Notice[] {
    const rule = this.#rules.get(id)!;
    if (rule.kind !== 'measure' || !rule.enabled) return [];
    const over = measurements.filter(({ value }) => isOver(rule, value));
    const notices = over.flatMap(({ subject, tenantId, value, facts }) =>
      this.#fire(rule, { subject, tenantId, atMs: nowMs, count: 0, facts: { ...facts, value } }),
    );
    const still = measurements.filter(({ value, unsure = false }) => unsure || isOver(rule, value));
    const subjects = new Set(still.map(({ subject }) => subject));
    for (const alert of this.firing()) {
      const stands = subjects.has(alert.subject) || (alert.subject === OTHERS && still.length > ALERTS_PER_RULE_MAX);
      if (alert.rule === id && !stands) notices.push(this.#resolve(alert, nowMs));
    }
    return notices;
  }

  /** What time alone does: ends what was quiet for its window, and what its rule no longer stands for; reminds. */
  pass(nowMs: number): Notice[] {
    const notices: Notice[] = [];
    for (const alert of this.firing()) {
      const rule = this.#rules.get(alert.rule);
      if (rule === undefined || !rule.enabled || isQuiet(rule, alert, nowMs)) notices.push(this.#resolve(alert, nowMs));
      else if (nowMs - alert.toldAtMs >= this.#reminderMs) notices.push(this.#tell('reminder', alert, nowMs));
    }
    for (const [name, { slice }] of this.#counts.entries()) {
      const rule = this.#rules.get((JSON.parse(name) as [RuleId])[0]);
      if (rule?.kind !== 'records' || sliceAt(rule, nowMs) >= slice + SLICES) this.#counts.delete(name);
    }
    this.#forgetSources(Math.floor(nowMs / DAY_MS) - this.#addressDays);
    return notices;
  }

  /**
   * Forgets addresses that were last used before a day. A principal without any is known still: its next address is told of as
   * new, and not learnt without a word.
   */
  #forgetSources(day: number): void {
    if (day <= this.#forgottenDay) return;
    this.#forgottenDay = day;
    for (const [name, sources] of this.#sources.entries()) {
      const kept = Object.entries(sources).filter(([, lastDay]) => lastDay >= day);
      if (kept.length < Object.keys(sources).length) this.#sources.replace(name, Object.fromEntries(kept));
    }
  }

  #record(record: WatchedRecord): Notice[] {
    const notices: Notice[] = [];
    for (const rule of this.#rules.values()) {
      if (rule.kind !== 'records' || !rule.enabled) continue;
      if (rule.clearedBy === record.operation && record.outcome === 'OK') notices.push(...this.#cleared(rule, record));
      const count = countFor(rule, record);
      const subject = count === 0 ? null : subjectOf(rule.subject, record);
      if (subject === null) continue;
      // An address is nobody's tenant; a principal and a key are one's.
      const tenantId = rule.subject === 'source' ? null : record.tenantId;
      const found = { subject, tenantId, atMs: record.timeMs, count, facts: factsOf(record) };
      if (this.#alerts.get(alertKey({ rule: rule.id, tenantId, subject })) !== undefined) {
        notices.push(...this.#fire(rule, found));
        continue;
      }
      const total = this.#counted(rule, found);
      if (total >= rule.threshold) notices.push(...this.#fire(rule, { ...found, count: total }));
    }
    return notices;
  }

  /** An address that is new to a principal. The first of all is learnt without a word: every token has one. */
  #sighting({ principal, source, tenantId, timeMs, index, operation }: Sighting): Notice[] {
    const rule = this.#rules.get('new-source')!;
    const place = networkOf(source);
    const name = JSON.stringify([tenantId, principal]);
    const known = this.#sources.get(name);
    const day = Math.floor(timeMs / DAY_MS);
    // A day is exact enough to know which address was used longest ago, and writes at most once a day.
    if (known?.[place] !== undefined && known[place] >= day) return [];
    const isNew = known !== undefined && known[place] === undefined;
    this.#sources.set(name, newest({ ...known, [place]: day }));
    const subject = `${principal} from ${place}`;
    if (!rule.enabled || !isNew) return [];
    return this.#fire(rule, {
      subject,
      tenantId,
      atMs: timeMs,
      count: 1,
      facts: { principal, source, operation, index },
    });
  }

  #cleared(rule: RecordsRule & ActiveRule, record: WatchedRecord): Notice[] {
    const subject = subjectOf(rule.subject, record);
    const alert =
      subject === null ? undefined : this.#alerts.get(alertKey({ rule: rule.id, tenantId: record.tenantId, subject }));
    return alert === undefined ? [] : [this.#resolve(alert, record.timeMs)];
  }

  /** The count of a subject within the window that ends with this record. */
  #counted(rule: RecordsRule & ActiveRule, found: Found): number {
    if (rule.threshold <= 1) return found.count;
    const name = alertKey({ rule: rule.id, ...found });
    const slice = sliceAt(rule, found.atMs);
    const before = this.#counts.get(name) ?? { slice, slices: [] };
    const passed = Math.max(0, slice - before.slice);
    const moved = [...Array<number>(Math.min(passed, SLICES)).fill(0), ...before.slices].slice(0, SLICES);
    const slices = [(moved[0] ?? 0) + found.count, ...moved.slice(1)];
    this.#counts.set(name, { slice: Math.max(slice, before.slice), slices });
    return slices.reduce((sum, each) => sum + each, 0);
  }

  /** A new alert, or one more match of an alert that stands. */
  #fire(rule: ActiveRule, found: Found): Notice[] {
    const { tenantId, atMs, count, facts } = found;
    let key = alertKey({ rule: rule.id, ...found });
    let { subject } = found;
    if (this.#alerts.get(key) === undefined && this.#standing(rule.id) >= ALERTS_PER_RULE_MAX) {
      subject = OTHERS;
      key = alertKey({ rule: rule.id, tenantId: null, subject });
    }
    const stands = this.#alerts.get(key);
    if (stands !== undefined) {
      const value = facts.value === stands.facts.value ? stands.facts : facts;
      // A measurement that says the same again changes nothing, so that nothing is written for it.
      if (rule.kind === 'measure' && value === stands.facts) return [];
      this.#alerts.set(key, {
        ...stands,
        lastAtMs: Math.max(atMs, stands.lastAtMs),
        count: stands.count + count,
        facts,
      });
      return [];
    }
    this.#counts.delete(key);
    const { id, severity } = rule;
    const alert: Alert = {
      rule: id,
      severity,
      subject,
      tenantId: subject === OTHERS ? null : tenantId,
      firstAtMs: atMs,
      lastAtMs: atMs,
      count: Math.max(1, count),
      facts: subject === OTHERS ? {} : facts,
      toldAtMs: atMs,
    };
    return [this.#tell('firing', alert, atMs)];
  }

  #tell(kind: NoticeKind, alert: Alert, atMs: number): Notice {
    const told = { ...alert, toldAtMs: atMs };
    this.#alerts.set(alertKey(alert), told);
    return { kind, atMs, alert: told };
  }

  #resolve(alert: Alert, atMs: number): Notice {
    this.#alerts.delete(alertKey(alert));
    return { kind: 'resolved', atMs, alert };
  }

  #standing(id: RuleId): number {
    let count = 0;
    for (const { rule } of this.#alerts.values()) if (rule === id) count += 1;
    return count;
  }
}

function isForbidding(operation: string, outcome: string): boolean {
  return outcome === 'OK' && (FORBIDDING_OPERATIONS as readonly string[]).includes(operation);
}

/** A record with its key as it was then, without what later changes have made of it. */
function asOfThen(record: WatchedRecord, changes: readonly WatchedRecord[]): WatchedRecord {
  if (record.key === null) return record;
  const later = changes.filter(({ index, keyId }) => keyId === record.keyId && index > record.index);
  if (later.length === 0) return record;
  const compromises = later.filter(({ operation }) => operation === 'CompromiseKey');
  // Without a version, the whole key was compromised, which happens only once.
  const since = (version: number): boolean =>
    compromises.some(({ keyVersion }) => keyVersion === null || keyVersion === version);
  return {
    ...record,
    key: {
      pendingDeletion:
        record.key.pendingDeletion && !later.some(({ operation }) => operation === 'ScheduleKeyDeletion'),
      compromisedVersions: record.key.compromisedVersions.filter((version) => !since(version)),
    },
  };
}

/** One match of a rule, or one measurement beyond its limit. */
interface Found {
  readonly subject: string;
  readonly tenantId: string | null;
  readonly atMs: number;
  readonly count: number;
  readonly facts: AlertFacts;
}

function isOver({ threshold, below = false }: MeasureRule, value: number): boolean {
  return below ? value <= threshold : value >= threshold;
}

function isQuiet(rule: ActiveRule, { lastAtMs }: Alert, nowMs: number): boolean {
  return rule.kind !== 'measure' && nowMs - lastAtMs >= rule.windowSeconds * 1000;
}

function sliceAt({ windowSeconds }: RecordsRule, atMs: number): number {
  return Math.floor((atMs * SLICES) / (windowSeconds * 1000));
}

function factsOf({ principal, source, operation, outcome, keyId, index, aggregated }: WatchedRecord): AlertFacts {
  return {
    ...(principal === null ? {} : { principal }),
    ...(source === null && !aggregated ? {} : { source: source ?? MANY_SOURCES }),
    ...(operation === '' ? {} : { operation }),
    outcome,
    ...(keyId === null ? {} : { keyId }),
    index,
  };
}

/** Without the addresses that were used longest ago, where there are too many. */
function newest(sources: Sources): Sources {
  const all = Object.entries(sources);
  if (all.length <= SOURCES_PER_PRINCIPAL_MAX) return sources;
  return Object.fromEntries(all.toSorted(([, a], [, b]) => b - a).slice(0, SOURCES_PER_PRINCIPAL_MAX));
}

/** An IPv4 address as it is; of IPv6 the network of 64 bits, within which a machine changes its address by itself. */
export function networkOf(address: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined) return v4;
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  // An IPv4 tail stands for two groups, none of which is among the first four.
  const missing = tail === undefined ? 0 : 8 - before.length - after.length - (address.includes('.') ? 1 : 0);
  const groups = [...before, ...Array<string>(Math.max(0, missing)).fill('0'), ...after].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
