/**
 * The part `alerts` of the configuration: its schema, and the channels and rules that it describes.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import {
  emailChannel,
  pagerdutyChannel,
  PAGERDUTY_URL,
  ruleBook,
  RULES,
  SEVERITIES,
  slackChannel,
  webhookChannel,
  type Channel,
  type Rule,
  type RuleBook,
} from '../audit/alerts/index.ts';
import { receiverUrl } from '../audit/post.ts';
import { webhookSecret } from '../audit/webhook.ts';
import { ClavigerError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';

/** More than anybody watches; each has a queue of its own. */
const CHANNELS_MAX = 16;
const RECIPIENTS_MAX = 50;
const THRESHOLD_MAX = 1_000_000;
const WINDOW_SECONDS_MAX = 30 * 24 * 60 * 60;
const SMTP_PORTS = { starttls: 587, tls: 465, none: 25 } as const;

const secret = z.string().min(1).meta({ secret: true });
const severities = z
  .array(z.enum(SEVERITIES))
  .min(1)
  .default([...SEVERITIES])
  .describe('What it is told of.');
const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9 and -');
const address = z.string().regex(/^[^\s<>"@]{1,64}@[^\s<>"@]{1,255}$/, 'must be a mail address, without a name');

/** A text that `read` can read; its refusal is the mistake. */
function readable(text: z.ZodString, read: (text: string) => unknown): z.ZodString {
  return text.superRefine((value, context) => {
    try {
      read(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message.replace(/^`value`:? (is )?/, '') });
    }
  });
}

const receiver = readable(z.string(), (text) => receiverUrl(text, 'value', 'loopback'));

const channel = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('webhook'),
    name,
    severities,
    url: receiver.describe('Gets a signed message for each notice.'),
    secret: readable(z.string(), (text) => webhookSecret(text, 'value'))
      .meta({ secret: true })
      .describe('`${NAME}` or `file:PATH`; `whsec_` and base64, or 24 to 64 characters.'),
  }),
  z.strictObject({
    kind: z.literal('email'),
    name,
    severities,
    host: z.string().min(1).max(255).describe('Mail server.'),
    port: z.int().min(1).max(65_535).optional().describe('587 where it is not given, 465 with `tls`, 25 with `none`.'),
    security: z
      .enum(['starttls', 'tls', 'none'])
      .default('starttls')
      .describe('`starttls` demands it, `tls` begins with it, `none` is for a server on this machine.'),
    user: z.string().min(1).max(255).optional().describe('Logs in where it is given.'),
    password: secret.optional().describe('`${NAME}` or `file:PATH`; of `user`.'),
    ca: z.string().min(1).optional().describe('File with certificates to trust for this server, PEM.'),
    from: address.describe('Sender.'),
    to: z.array(address).min(1).max(RECIPIENTS_MAX).describe('Recipients.'),
  }),
  z.strictObject({
    kind: z.literal('pagerduty'),
    name,
    severities,
    routingKey: secret.describe('`${NAME}` or `file:PATH`; integration key of an Events API v2 integration.'),
    url: receiver
      .default(PAGERDUTY_URL)
      .describe('`https://events.eu.pagerduty.com/v2/enqueue` for accounts in the EU.'),
  }),
  z.strictObject({
    kind: z.literal('slack'),
    name,
    severities,
    url: receiver
      .meta({ secret: true })
      .describe('`${NAME}` or `file:PATH`; the incoming webhook, by which anybody can post.'),
  }),
]);

const settingsOf = (rule: Rule): z.ZodType => {
  const fields: Record<string, z.ZodType> = {
    enabled: z.boolean().default(true).describe(rule.title),
    severity: z.enum(SEVERITIES).default(rule.severity),
  };
  if (rule.kind !== 'sources') {
    const unit = rule.kind === 'measure' ? rule.unit : 'records';
    fields['threshold'] = z.int().min(1).max(THRESHOLD_MAX).default(rule.threshold).describe(`In ${unit}.`);
  }
  if (rule.kind !== 'measure') {
    fields['windowSeconds'] = z.int().min(1).max(WINDOW_SECONDS_MAX).default(rule.windowSeconds);
  }
  return z.strictObject(fields).optional();
};

export const alertsSchema = z
  .strictObject({
    reminderHours: z
      .int()
      .min(1)
      .max(720)
      .default(12)
      .describe('The channels are told again of an alert that still stands.'),
    channels: z
      .array(channel)
      .max(CHANNELS_MAX)
      .refine((list) => new Set(list.map((each) => each.name)).size === list.length, 'must have names of their own')
      .default([])
      .describe('Where alerts go; the server log has them as well.'),
    rules: z
      .strictObject(Object.fromEntries(Object.entries(RULES).map(([id, rule]) => [id, settingsOf(rule)])))
      .default({})
      .describe('What differs from the [rules as they are](../operating/alerts.md#rules).'),
  })
  .prefault({})
  .describe('Who is told of what the log shows.');

export type AlertsConfig = z.output<typeof alertsSchema>;
type ChannelConfig = AlertsConfig['channels'][number];

/** @throws INVALID_ARGUMENT for what no single field shows to be wrong */
export function requireSoundAlerts({ channels }: AlertsConfig): void {
  for (const [position, each] of channels.entries()) {
    if (each.kind !== 'email') continue;
    const mistake = mailMistake(each);
    if (mistake === null) continue;
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `the configuration has mistakes:\n  \`alerts.channels.${position}\`: ${mistake}`,
    );
  }
}

type EmailConfig = Extract<ChannelConfig, { kind: 'email' }>;

function mailMistake({ user, password, security, host }: EmailConfig): string | null {
  if ((user === undefined) !== (password === undefined)) return 'has `user` and `password`, or neither';
  const isLocal = host === 'localhost' || host === '::1' || host.startsWith('127.');
  return security === 'none' && !isLocal ? '`security: none` is for a mail server on this machine' : null;
}

/** The configuration with the paths of its files made absolute. */
export function withAbsoluteAlertPaths(alerts: AlertsConfig, folder: string): AlertsConfig {
  const absolute = (each: ChannelConfig): ChannelConfig =>
    each.kind === 'email' && each.ca !== undefined ? { ...each, ca: resolve(folder, each.ca) } : each;
  return { ...alerts, channels: alerts.channels.map(absolute) };
}

/** What a service is opened with. */
export interface AlertsSetup {
  readonly rules: RuleBook;
  readonly reminderMs: number;
  readonly channels: (clock: Clock) => readonly Channel[];
}

/** @throws INVALID_ARGUMENT for a file that cannot be read */
export function alertsSetup({ rules, reminderHours, channels }: AlertsConfig): AlertsSetup {
  return {
    rules: ruleBook(rules),
    reminderMs: reminderHours * 60 * 60 * 1000,
    channels: (clock) => channels.map((each) => channelOf(each, clock)),
  };
}

function channelOf(config: ChannelConfig, clock: Clock): Channel {
  const { name, severities } = config;
  switch (config.kind) {
    case 'webhook': {
      const url = receiverUrl(config.url, 'url', 'loopback');
      return webhookChannel({ name, severities, url, secret: webhookSecret(config.secret, 'secret'), clock });
    }
    case 'email': {
      const { host, security, port = SMTP_PORTS[security], user, password, ca, from, to } = config;
      const login = user === undefined || password === undefined ? null : { user, password };
      return emailChannel({ name, severities, host, port, security, login, from, to, ca: readCa(ca) });
    }
    case 'pagerduty': {
      const url = receiverUrl(config.url, 'url', 'loopback');
      return pagerdutyChannel({ name, severities, url, routingKey: config.routingKey });
    }
    case 'slack':
      return slackChannel({ name, severities, url: receiverUrl(config.url, 'url', 'loopback') });
  }
}

function readCa(file: string | undefined): string | null {
  if (file === undefined) return null;
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `cannot read the certificates \`${file}\`: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}
