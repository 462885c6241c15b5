/**
 * The alert rules, as a table: what each one looks at, from where on it fires, and what to do then.
 *
 * There are three kinds. A `records` rule counts records of the log for each of its subjects, and fires where `threshold`
 * of them fall within the window; with a threshold of 1, the first fires. A `sources` rule knows the addresses that each
 * principal has come from. A `measure` rule compares what is measured from time to time with a limit.
 *
 * docs/operating/alerts.md tells of every rule under its id.
 *
 * @module
 */
import type { ErrorCode } from '../../errors.ts';
import { BATCH_OPERATIONS, USE_OPERATIONS } from '../../model/operation.ts';
import type { Role } from '../../model/principal.ts';
import type { WatchedRecord } from '../../store/contract.ts';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What the records of a rule are counted by. */
export type SubjectKind = 'key' | 'principal' | 'source';

interface RuleWords {
  readonly severity: Severity;
  /** What has happened, in a few words. */
  readonly title: string;
  /** What to do first. */
  readonly action: string;
}

export interface RecordsRule extends RuleWords {
  readonly kind: 'records';
  readonly threshold: number;
  readonly windowSeconds: number;
  readonly subject: SubjectKind;
  /** Operations that are looked at; every one where it is not given. */
  readonly operations?: readonly string[];
  /** Outcomes that are looked at, of a record or of an item of a batch; every one where it is not given. */
  readonly outcomes?: readonly (ErrorCode | 'OK')[];
  /** A condition beyond the two lists. */
  readonly where?: (record: WatchedRecord) => boolean;
  /** The operation that ends the alert of its subject at once. */
  readonly clearedBy?: string;
}

export interface SourcesRule extends RuleWords {
  readonly kind: 'sources';
  readonly windowSeconds: number;
}

export interface MeasureRule extends RuleWords {
  readonly kind: 'measure';
  readonly threshold: number;
  readonly unit: 'seconds' | 'days' | 'failures' | 'contradictions';
  /** True where a small value is the bad one. */
  readonly below?: boolean;
}

export type Rule = RecordsRule | SourcesRule | MeasureRule;

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What the resource of a record begins with where a home gave, or opened, something else than was put there. */
export const DISAGREEMENT = 'disagreement/';

/** Roles by which somebody rules over others or over keys. */
const POWERFUL_ROLES: ReadonlySet<Role> = new Set(['security-officer', 'key-administrator', 'approver']);

export const RULES = {
  'new-source': {
    kind: 'sources',
    severity: 'warning',
    windowSeconds: HOUR,
    title: 'a principal came from an address that it never came from before',
    action: 'ask its owner. If the address is not theirs, revoke the token: `claviger token revoke ID`',
  },
  'key-deletion': {
    kind: 'records',
    severity: 'critical',
    threshold: 1,
    windowSeconds: DAY,
    subject: 'key',
    operations: ['ScheduleKeyDeletion', 'DestroyKey', 'DeleteImportedKeyMaterial', 'ExpireKeyMaterial'],
    clearedBy: 'CancelKeyDeletion',
    title: 'a key is being deleted, or somebody tried to',
    action: 'ask who did it. A scheduled deletion is taken back with `claviger keys cancel-deletion KEY`',
  },
  'refusals-principal': {
    kind: 'records',
    severity: 'warning',
    threshold: 20,
    windowSeconds: MINUTE,
    subject: 'principal',
    outcomes: ['PERMISSION_DENIED', 'KEY_NOT_FOUND', 'NOT_FOUND'],
    title: 'a principal is refused again and again',
    action:
      'see what it tries: `claviger audit list --principal ID`. A wrong configuration, or somebody who looks around',
  },
  'refusals-source': {
    kind: 'records',
    severity: 'warning',
    threshold: 30,
    windowSeconds: MINUTE,
    subject: 'source',
    outcomes: ['UNAUTHENTICATED', 'PERMISSION_DENIED'],
    title: 'an address is refused again and again',
    action: 'see whose address it is. An expired token on a machine of yours, or a stranger: keep the address out',
  },
  'ciphertext-refusals': {
    kind: 'records',
    severity: 'warning',
    threshold: 20,
    windowSeconds: 5 * MINUTE,
    subject: 'principal',
    outcomes: ['INVALID_CIPHERTEXT', 'INVALID_MAC', 'INCORRECT_KEY'],
    title: 'many ciphertexts or MACs of a principal do not open',
    action: 'compare keys and encryption contexts with those they were made with; if they fit, the data was changed',
  },
  'integrity-failure': {
    kind: 'records',
    severity: 'critical',
    threshold: 1,
    windowSeconds: HOUR,
    subject: 'key',
    outcomes: ['INTERNAL'],
    title: 'an operation failed inside, as when a sealed value of the store does not open',
    action: 'look up the request id in the server log. A sealed value that does not open was changed: restore a backup',
  },
  'forbidden-key-use': {
    kind: 'records',
    severity: 'critical',
    threshold: 1,
    windowSeconds: HOUR,
    subject: 'key',
    operations: [...USE_OPERATIONS, ...Object.keys(BATCH_OPERATIONS)],
    where: usesForbiddenKey,
    title: 'a key that is compromised or pending deletion was used, or somebody tried to',
    action: 'find who depends on the key. Give them another before it is gone, or cancel the deletion',
  },
  'governance-change': {
    kind: 'records',
    severity: 'warning',
    threshold: 1,
    windowSeconds: HOUR,
    subject: 'principal',
    operations: ['SetKeyPolicy', 'CreateToken', 'RevokeToken', 'CreateTenant', 'ConfigureAuditSinks', 'ClearProvider'],
    outcomes: ['OK'],
    where: ({ granted }) =>
      granted === null || granted.systemScope || granted.roles.some((role) => POWERFUL_ROLES.has(role)),
    title: 'somebody changed who may do what, where the log is sent, or had a provider called again',
    action: 'hold it against what was agreed: `claviger audit list --principal ID`',
  },
  'audit-redaction': {
    kind: 'records',
    severity: 'warning',
    threshold: 1,
    windowSeconds: HOUR,
    subject: 'principal',
    operations: ['RedactAuditRecords'],
    title: 'openings of audit records were removed, or somebody tried to',
    action: 'see that it is what your retention asks for, and that an export was made before',
  },
  'cryptoperiod-ending': {
    kind: 'measure',
    severity: 'warning',
    threshold: 14,
    unit: 'days',
    below: true,
    title: 'imported key material expires soon, or a rotation is overdue',
    action: 'import the material again with a later date, or rotate: `claviger keys rotate KEY`',
  },
  'home-refused': {
    kind: 'records',
    severity: 'critical',
    threshold: 1,
    windowSeconds: DAY,
    subject: 'key',
    operations: ['NoteHomeRefusal'],
    where: ({ resource }) => resource !== 'cleared',
    title: 'a home refuses its key: disabled, gone or forbidden there, so the key is refused here too',
    action: 'ask who changed it at the provider. The refusal is lifted by itself once the home answers again',
  },
  'home-integrity': {
    kind: 'records',
    severity: 'critical',
    threshold: 1,
    windowSeconds: DAY,
    subject: 'key',
    outcomes: ['PROVIDER_INTEGRITY', 'INVALID_CIPHERTEXT'],
    where: ({ outcome, resource }) =>
      outcome === 'PROVIDER_INTEGRITY' || (resource !== null && resource.startsWith(DISAGREEMENT)),
    title: 'a home gave a wrong answer: one that fails its check, or another data key than was wrapped',
    action: 'take the home out of the key and find out why: it has another key, or its answers were changed',
  },
  'provider-denied': {
    kind: 'records',
    severity: 'critical',
    threshold: 1,
    windowSeconds: HOUR,
    subject: 'key',
    outcomes: ['PROVIDER_DENIED'],
    title: 'a provider refused our own credentials, and is called no more',
    action: 'set the credentials, or what they may do, right; then `claviger providers clear NAME`',
  },
  'homes-failed': {
    kind: 'records',
    severity: 'critical',
    threshold: 5,
    windowSeconds: 5 * MINUTE,
    subject: 'key',
    outcomes: ['ALL_BACKINGS_FAILED'],
    title: 'a key cannot be used: none of its homes answers, or fewer than its quorum',
    action: 'see which are down, and why: `claviger providers`',
  },
  'circuit-open': {
    kind: 'measure',
    severity: 'critical',
    threshold: 5 * MINUTE,
    unit: 'seconds',
    title: 'a home of keys does not answer, and is left alone for now',
    action: 'see whether the provider, the network or our credentials there are at fault',
  },
  'sink-lag': {
    kind: 'measure',
    severity: 'warning',
    threshold: 5 * MINUTE,
    unit: 'seconds',
    title: 'a sink does not keep up with the log',
    action: 'see whether its receiver answers; nothing is lost, the sink goes on where it was',
  },
  'checkpoint-lag': {
    kind: 'measure',
    severity: 'critical',
    threshold: 30,
    unit: 'seconds',
    title: 'new records of the log are not covered by a signed checkpoint',
    action: 'read the server log; the writer thread should sign four a second',
  },
  'log-rewritten': {
    kind: 'measure',
    severity: 'critical',
    threshold: 1,
    unit: 'contradictions',
    title: 'a witness, or a copy of checkpoints, holds one that the log does not continue: its past was changed',
    action: 'keep the machine as it is and find out who was on it; docs/operating/witnesses.md has the next steps',
  },
  'keeper-lag': {
    kind: 'measure',
    severity: 'warning',
    threshold: 5 * MINUTE,
    unit: 'seconds',
    title: 'a witness, or a copy of checkpoints, does not take the newest',
    action: 'see its last error in `GET /v1/health`. What is new since then could be rewritten unseen',
  },
  'log-failure': {
    kind: 'measure',
    severity: 'critical',
    threshold: 1,
    unit: 'failures',
    title: 'the audit log cannot be written, so nothing is answered',
    action: 'see whether the disk is full or broken; the server log has the reason',
  },
  'channel-failure': {
    kind: 'measure',
    severity: 'warning',
    threshold: 5 * MINUTE,
    unit: 'seconds',
    title: 'a channel does not take alerts; the other channels get them',
    action: 'see its last error with `claviger alerts list`, then try it: `claviger alerts test --channel NAME`',
  },
} as const satisfies Record<string, Rule>;

export type RuleId = keyof typeof RULES;
export const RULE_IDS = Object.keys(RULES) as readonly RuleId[];

/** What a configuration may say of a rule. */
export interface RuleSettings {
  readonly enabled?: boolean | undefined;
  readonly severity?: Severity | undefined;
  readonly threshold?: number | undefined;
  readonly windowSeconds?: number | undefined;
}

/** A rule as it is in force. */
export type ActiveRule = Rule & { readonly id: RuleId; readonly enabled: boolean };

export type RuleBook = ReadonlyMap<RuleId, ActiveRule>;

/** The table with a configuration's settings in it. */
export function ruleBook(settings: Readonly<Partial<Record<RuleId, RuleSettings | undefined>>> = {}): RuleBook {
  const active = (id: RuleId): ActiveRule => {
    const rule: Rule = RULES[id];
    const given = Object.entries(settings[id] ?? {}).filter(([name, value]) => name in rule && value !== undefined);
    return { ...rule, ...Object.fromEntries(given), id, enabled: settings[id]?.enabled ?? true };
  };
  return new Map(RULE_IDS.map((id) => [id, active(id)]));
}

/** What the records of all these rules have in common: what a store need not show it. */
export function watchedBy(rules: RuleBook): {
  readonly operations: readonly string[];
  readonly outcomes: readonly string[];
} {
  const enabled = [...rules.values()].filter((rule) => rule.enabled && rule.kind === 'records') as RecordsRule[];
  // Where both lists are given, one is enough to find the record; the condition on keys is the store's own.
  const byOperation = enabled.filter(({ operations, where }) => operations !== undefined && where !== usesForbiddenKey);
  const byOutcome = enabled.filter(({ operations }) => operations === undefined);
  const clearing = enabled.flatMap(({ clearedBy }) => clearedBy ?? []);
  return {
    operations: [...new Set([...byOperation.flatMap(({ operations }) => operations ?? []), ...clearing])],
    outcomes: [...new Set(byOutcome.flatMap(({ outcomes }) => outcomes ?? []))],
  };
}

/** How many times a record counts for a rule: items of a batch and aggregates count each of theirs; 0 for not at all. */
export function countFor(rule: RecordsRule, record: WatchedRecord): number {
  if (rule.operations !== undefined && !rule.operations.includes(record.operation)) return 0;
  if (rule.where !== undefined && !rule.where(record)) return 0;
  if (rule.outcomes === undefined) return record.count;
  const outcomes: readonly string[] = rule.outcomes;
  if (outcomes.includes(record.outcome)) return record.count;
  return Object.entries(record.failedItems).reduce(
    (sum, [code, count]) => sum + (outcomes.includes(code) ? count : 0),
    0,
  );
}

/** Whose count a record belongs to; null where it has no such subject. */
export function subjectOf(kind: SubjectKind, record: WatchedRecord): string | null {
  switch (kind) {
    case 'key':
      return record.keyId ?? record.principal ?? record.operation;
    case 'principal':
      return record.principal;
    case 'source':
      return record.source ?? (record.aggregated ? MANY_SOURCES : null);
  }
}

/** Refusals of more addresses than the log tells apart within a second. */
export const MANY_SOURCES = 'many addresses';

/**
 * An answer is a permitted use only where the very version is compromised: a key that is pending deletion never answers,
 * so what it answered came before. A refusal by state counts where there is a state to refuse by.
 */
function usesForbiddenKey({ outcome, keyVersion, key }: WatchedRecord): boolean {
  if (key === null) return false;
  if (outcome === 'OK') return keyVersion !== null && key.compromisedVersions.includes(keyVersion);
  return outcome === 'KEY_STATE' && (key.pendingDeletion || key.compromisedVersions.length > 0);
}
