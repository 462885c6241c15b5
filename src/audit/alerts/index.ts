export { type Alert } from './alert.ts';
export { Alerts, type AlertsOptions, type AlertsStatus, type TestResult } from './alerts.ts';
export {
  emailChannel,
  pagerdutyChannel,
  PAGERDUTY_URL,
  slackChannel,
  webhookChannel,
  type Channel,
} from './channels/index.ts';
export { type ChannelStatus } from './outbox.ts';
export {
  ruleBook,
  RULE_IDS,
  RULES,
  SEVERITIES,
  type Rule,
  type RuleBook,
  type RuleId,
  type Severity,
} from './rules.ts';
