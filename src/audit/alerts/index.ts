export { alertId, type Alert } from './alert.ts';
export { Alerts, type AlertsOptions, type TestResult } from './alerts.ts';
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
  DISAGREEMENT,
  ruleBook,
  RULES,
  SEVERITIES,
  type ActiveRule,
  type Rule,
  type RuleBook,
  type Severity,
} from './rules.ts';
export { ruleWords, runbookOf } from './words.ts';
