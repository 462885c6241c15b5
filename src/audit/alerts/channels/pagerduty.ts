/**
 * Alerts to PagerDuty, by its Events API v2: an alert triggers, its end resolves, and both have the alert's id as
 * `dedup_key`. A reminder triggers again, which PagerDuty adds to the incident that is there.
 *
 * @module
 * @see https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
 */
import { post } from '../../post.ts';
import type { Severity } from '../rules.ts';
import { wordsOf } from '../words.ts';
import { requireTaken, type Channel, type Envelope } from './channel.ts';

export const PAGERDUTY_URL = 'https://events.pagerduty.com/v2/enqueue';
/** Ours → theirs, which also has `error`. */
const SEVERITY: Readonly<Record<Severity, string>> = { info: 'info', warning: 'warning', critical: 'critical' };

export interface PagerdutyOptions extends Pick<Channel, 'name' | 'severities'> {
  readonly url: URL;
  readonly routingKey: string;
}

export function pagerdutyChannel({ name, severities, url, routingKey }: PagerdutyOptions): Channel {
  const send = async (event: object, signal: AbortSignal): Promise<void> => {
    requireTaken(await post(url, JSON.stringify(event), { contentType: 'application/json', signal }));
  };
  return {
    name,
    kind: 'pagerduty',
    severities,
    send: async (envelope, signal) => {
      await send(pagerdutyEvent(envelope, routingKey), signal);
      // A test that stayed open would wake somebody.
      if (envelope.notice.kind === 'test') await send(resolution(envelope, routingKey), signal);
    },
  };
}

export function pagerdutyEvent(envelope: Envelope, routingKey: string): object {
  const { notice, alertId, origin } = envelope;
  if (notice.kind === 'resolved') return resolution(envelope, routingKey);
  const { title, action, runbook, facts } = wordsOf(notice);
  const { alert } = notice;
  return {
    routing_key: routingKey,
    event_action: 'trigger',
    dedup_key: alertId,
    client: 'Claviger',
    payload: {
      summary: `${title}: ${alert.subject}`.slice(0, 1024).toWellFormed(),
      source: origin,
      severity: SEVERITY[alert.severity],
      timestamp: new Date(alert.lastAtMs).toISOString(),
      component: 'claviger',
      class: alert.rule,
      custom_details: { ...Object.fromEntries(facts), action, runbook },
    },
  };
}

function resolution({ alertId }: Envelope, routingKey: string): object {
  return { routing_key: routingKey, event_action: 'resolve', dedup_key: alertId };
}
