export { ChannelError, type Channel, type Envelope } from './channel.ts';
export { emailChannel, type EmailOptions } from './email.ts';
export { pagerdutyChannel, PAGERDUTY_URL } from './pagerduty.ts';
export { slackChannel } from './slack.ts';
export { webhookChannel } from './webhook.ts';
