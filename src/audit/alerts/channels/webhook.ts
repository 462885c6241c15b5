/**
 * Alerts to a webhook of one's own: JSON, signed as Standard Webhooks 1.0.0 says. docs/operating/alerts.md has an example.
 *
 * @module
 * @see https://www.standardwebhooks.com
 */
import type { Clock } from '../../../ports/clock.ts';
import { post } from '../../post.ts';
import { webhookHeaders } from '../../webhook.ts';
import { wordsOf } from '../words.ts';
import { requireTaken, type Channel, type Envelope } from './channel.ts';

export interface WebhookOptions extends Pick<Channel, 'name' | 'severities'> {
  readonly url: URL;
  readonly secret: Uint8Array;
  readonly clock: Clock;
}

export function webhookChannel({ name, severities, url, secret, clock }: WebhookOptions): Channel {
  return {
    name,
    kind: 'webhook',
    severities,
    send: async (envelope, signal) => {
      const body = JSON.stringify(webhookBody(envelope));
      const headers = webhookHeaders(secret, { id: envelope.id, body }, clock.now());
      requireTaken(await post(url, body, { contentType: 'application/json', headers, signal }));
    },
  };
}

export function webhookBody({ notice: { kind, atMs, alert }, ...envelope }: Envelope): object {
  const { title, action, runbook } = wordsOf({ kind, atMs, alert });
  return {
    type: `alert.${kind}`,
    timestamp: new Date(atMs).toISOString(),
    data: {
      id: envelope.alertId,
      origin: envelope.origin,
      rule: alert.rule,
      severity: alert.severity,
      title,
      action,
      runbook,
      subject: alert.subject,
      tenant: alert.tenantId,
      count: alert.count,
      first: new Date(alert.firstAtMs).toISOString(),
      last: new Date(alert.lastAtMs).toISOString(),
      facts: alert.facts,
    },
  };
}
