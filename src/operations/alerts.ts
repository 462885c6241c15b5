/**
 * listAlerts and testAlerts: what fires now, by which rules, and whether the channels that tell of it work.
 *
 * A tenant's auditor or officer sees the alerts of their tenant; with the system scope, all of them and the channels.
 *
 * @module
 */
import {
  alertId,
  ruleWords,
  runbookOf,
  type ActiveRule,
  type Alert,
  type ChannelStatus,
  type Severity,
  type TestResult,
} from '../audit/alerts/index.ts';
import { isoTime } from './key-info.ts';
import type { Operation } from './operation.ts';

export interface AlertRuleInfo {
  readonly id: string;
  readonly severity: Severity;
  readonly title: string;
  /** What to do first. */
  readonly action: string;
  readonly runbook: string;
  readonly enabled: boolean;
  /** Null where the rule has none: it fires at once. */
  readonly threshold: number | null;
  /** Of the threshold: `records`, `seconds`, `days` or `failures`. */
  readonly unit: string;
  /** Null where the rule measures. */
  readonly windowSeconds: number | null;
  /** Alerts of this rule that the caller sees. */
  readonly firing: number;
}

export interface AlertInfo {
  /** The same in every notice of this alert, wherever it is told. */
  readonly id: string;
  readonly rule: string;
  readonly severity: Severity;
  readonly title: string;
  readonly subject: string;
  readonly tenantId: string | null;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly count: number;
  readonly facts: Alert['facts'];
}

export interface AlertChannelInfo extends Omit<ChannelStatus, 'failingSinceMs'> {
  readonly failingSince: string | null;
}

export interface ListAlertsOutput {
  /** False in a library: only a server watches. */
  readonly watching: boolean;
  /** Those of the longest standing first. */
  readonly alerts: readonly AlertInfo[];
  readonly rules: readonly AlertRuleInfo[];
  /** Empty without the system scope. */
  readonly channels: readonly AlertChannelInfo[];
}

export interface TestAlertsInput {
  /** Name of a channel; all where it is not given. */
  readonly channel?: string | undefined;
}

export interface TestAlertsOutput {
  readonly results: readonly TestResult[];
}

export const listAlerts: Operation<Record<string, never>, ListAlertsOutput> = {
  name: 'ListAlerts',
  run(scope) {
    scope.readTenant();
    const { principal, services } = scope;
    const { systemScope, tenantId } = principal;
    const { watching, rules, alerts, channels } = services.alerts.status();
    const seen = alerts.filter((alert) => systemScope || alert.tenantId === tenantId);
    return {
      output: {
        watching,
        alerts: seen.map((alert) => alertInfo(services.ledger.logId, alert)),
        rules: rules.map((rule) => ruleInfo(rule, seen)),
        channels: systemScope ? channels.map(channelInfo) : [],
      },
    };
  },
};

export const testAlerts: Operation<TestAlertsInput, TestAlertsOutput> = {
  name: 'TestAlerts',
  async run(scope, { channel = null }) {
    scope.manageTenant();
    // Sent once, though the decision may have to be made again.
    const results = await scope.once('sent', () => scope.services.alerts.test(channel));
    return { output: { results } };
  },
};

function alertInfo(logId: string, alert: Alert): AlertInfo {
  const { rule, severity, subject, tenantId, firstAtMs, lastAtMs, count, facts } = alert;
  return {
    id: alertId(logId, alert),
    rule,
    severity,
    title: ruleWords(rule).title,
    subject,
    tenantId,
    firstAt: isoTime(firstAtMs),
    lastAt: isoTime(lastAtMs),
    count,
    facts,
  };
}

function ruleInfo(rule: ActiveRule, alerts: readonly Alert[]): AlertRuleInfo {
  const { id, severity, title, action, enabled } = rule;
  return {
    id,
    severity,
    title,
    action,
    runbook: runbookOf(id),
    enabled,
    threshold: rule.kind === 'sources' ? null : rule.threshold,
    unit: rule.kind === 'measure' ? rule.unit : 'records',
    windowSeconds: rule.kind === 'measure' ? null : rule.windowSeconds,
    firing: alerts.filter((alert) => alert.rule === id).length,
  };
}

function channelInfo({ failingSinceMs, ...channel }: ChannelStatus): AlertChannelInfo {
  return { ...channel, failingSince: failingSinceMs === null ? null : isoTime(failingSinceMs) };
}
