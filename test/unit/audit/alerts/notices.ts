/** Notices and envelopes for the tests of channels. */
import type { Alert, Notice, NoticeKind } from '../../../../src/audit/alerts/alert.ts';
import type { Envelope } from '../../../../src/audit/alerts/channels/index.ts';
import { ADDRESS, KEY, NOW, TENANT, TOKEN } from './records.ts';

export const ALERT: Alert = {
  rule: 'key-deletion',
  severity: 'critical',
  subject: KEY,
  tenantId: TENANT,
  firstAtMs: NOW,
  lastAtMs: NOW + 1000,
  count: 2,
  facts: {
    principal: TOKEN,
    principalName: 'deploy',
    source: ADDRESS,
    operation: 'ScheduleKeyDeletion',
    outcome: 'OK',
    keyId: KEY,
    index: 41,
  },
  toldAtMs: NOW,
};

export function notice(kind: NoticeKind = 'firing', alert: Partial<Alert> = {}): Notice {
  return { kind, atMs: NOW + 2000, alert: { ...ALERT, ...alert } };
}

export function envelope(kind: NoticeKind = 'firing', alert: Partial<Alert> = {}): Envelope {
  return { notice: notice(kind, alert), id: `message-${kind}`, alertId: 'a'.repeat(32), origin: 'kms.example/audit' };
}
