/**
 * An alert: a rule and a subject, for as long as the condition lasts. And the notices that tell of its life.
 *
 * An alert says who, what, which key, from where, when and how often. It never holds a plaintext, an encryption context or
 * a credential: it leaves the service by ways that are not as well kept as the log.
 *
 * @module
 */
import { hash } from 'node:crypto';
import type { RuleId, Severity } from './rules.ts';

export interface Alert {
  readonly rule: RuleId;
  readonly severity: Severity;
  /** A key's id, a principal's id, an address, the name of a sink. */
  readonly subject: string;
  /** Null where it is the whole service's, or where the tenant is not known. */
  readonly tenantId: string | null;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  /** Matching records, with every item and every aggregated refusal; of a measure, 1. */
  readonly count: number;
  readonly facts: AlertFacts;
  /** When its channels were last told. */
  readonly toldAtMs: number;
}

/** Of the last record that matched, or of the last measurement. */
export interface AlertFacts {
  readonly principal?: string;
  readonly principalName?: string;
  readonly source?: string;
  readonly operation?: string;
  readonly outcome?: string;
  readonly keyId?: string;
  /** Place in the log. */
  readonly index?: number;
  /** What was measured, in the rule's unit. */
  readonly value?: number;
  /** What else there is to say, in words of ours. */
  readonly note?: string;
}

export const NOTICE_KINDS = ['firing', 'reminder', 'resolved', 'test'] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

/** What channels are told. */
export interface Notice {
  readonly kind: NoticeKind;
  readonly atMs: number;
  readonly alert: Alert;
}

/** Names an alert in the state and among alerts of its rule. */
export function alertKey({ rule, tenantId, subject }: Pick<Alert, 'rule' | 'tenantId' | 'subject'>): string {
  return JSON.stringify([rule, tenantId, subject]);
}

/** The same for an alert from its firing to its resolution, wherever it is told: receivers join the two by it. */
export function alertId(logId: string, alert: Alert): string {
  return hash('sha256', `${logId}\n${alertKey(alert)}`).slice(0, 32);
}
