/**
 * Alerts to an incoming webhook of Slack, or of what speaks the same (Mattermost, Rocket.Chat, Discord's `/slack`): `text`
 * for notifications and for those that know no blocks, `blocks` for the rest.
 *
 * @module
 * @see https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 * @see https://docs.slack.dev/reference/block-kit/blocks
 */
import { post } from '../../post.ts';
import type { Notice } from '../alert.ts';
import type { Severity } from '../rules.ts';
import { wordsOf } from '../words.ts';
import { requireTaken, type Channel, type Envelope } from './channel.ts';

/** Characters of a header's text. */
const HEADER_CHARS_MAX = 150;
/** Fields of one section. */
const FIELDS_MAX = 10;

const MARKS: Readonly<Record<Severity, string>> = { info: '🔵', warning: '🟠', critical: '🔴' };

export interface SlackOptions extends Pick<Channel, 'name' | 'severities'> {
  /** Secret: whoever has it can post. */
  readonly url: URL;
}

export function slackChannel({ name, severities, url }: SlackOptions): Channel {
  return {
    name,
    kind: 'slack',
    severities,
    send: async (envelope, signal) => {
      const body = JSON.stringify(slackMessage(envelope));
      requireTaken(await post(url, body, { contentType: 'application/json', signal }));
    },
  };
}

export function slackMessage({ notice, origin }: Envelope): object {
  const { title, action, runbook, facts } = wordsOf(notice);
  const header = `${markOf(notice)} ${title}`.slice(0, HEADER_CHARS_MAX).toWellFormed();
  const fields = facts.map(([name, value]) => markdown(`*${name}*\n${escaped(value)}`));
  const sections: object[] = [];
  for (let at = 0; at < fields.length; at += FIELDS_MAX) {
    sections.push({ type: 'section', fields: fields.slice(at, at + FIELDS_MAX) });
  }
  return {
    text: escaped(`${header}: ${notice.alert.subject}`),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: header, emoji: true } },
      ...sections,
      { type: 'section', text: markdown(`*What to do*\n${escaped(action)}`) },
      { type: 'context', elements: [markdown(escaped(`${origin} · ${runbook}`))] },
    ],
  };
}

function markOf({ kind, alert }: Notice): string {
  return kind === 'resolved' ? '🟢' : MARKS[alert.severity];
}

function markdown(text: string): object {
  return { type: 'mrkdwn', text };
}

/** The three characters that Slack gives a meaning: a name with `<!channel>` in it must not call everybody. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
