/**
 * Webhooks, signed as Standard Webhooks 1.0.0 says: the receiver checks with a library that exists already, or in a few
 * lines, that a message is from us, whole and fresh.
 *
 * `webhook-signature: v1,base64(HMAC-SHA256(secret, id ‖ "." ‖ seconds ‖ "." ‖ body))`. A message that is sent again keeps its
 * id, by which a receiver drops what it has; its time is new.
 *
 * @module
 * @see https://www.standardwebhooks.com
 */
import { createHmac } from 'node:crypto';
import { decodeBase64 } from '../bytes/base64.ts';
import { ClavigerError } from '../errors.ts';
import { post, type PostAnswer } from './post.ts';

/** The standard's own bounds: less can be guessed, more is hashed down by HMAC. */
export const WEBHOOK_SECRET_BYTES_MIN = 24;
export const WEBHOOK_SECRET_BYTES_MAX = 64;
const SECRET_PREFIX = 'whsec_';

export interface WebhookMessage {
  /** Names the message, the same on every attempt; no `.` in it. */
  readonly id: string;
  readonly body: Uint8Array | string;
  readonly contentType?: string;
}

/**
 * The bytes of a secret: of `whsec_…` what the base64 behind it says, of any other text its own.
 *
 * @param what names it in the error
 * @throws INVALID_ARGUMENT where it is too short or too long
 */
export function webhookSecret(text: string, what: string): Buffer {
  const bytes = text.startsWith(SECRET_PREFIX)
    ? decodeBase64(text.slice(SECRET_PREFIX.length), what)
    : Buffer.from(text);
  if (bytes.length >= WEBHOOK_SECRET_BYTES_MIN && bytes.length <= WEBHOOK_SECRET_BYTES_MAX) return bytes;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `\`${what}\`: has ${WEBHOOK_SECRET_BYTES_MIN} to ${WEBHOOK_SECRET_BYTES_MAX} bytes`,
  );
}

/** The headers that sign a message. */
export function webhookHeaders(secret: Uint8Array, message: WebhookMessage, nowMs: number): Record<string, string> {
  const seconds = Math.floor(nowMs / 1000);
  const mac = createHmac('sha256', secret).update(`${message.id}.${seconds}.`).update(message.body).digest('base64');
  return { 'webhook-id': message.id, 'webhook-timestamp': String(seconds), 'webhook-signature': `v1,${mac}` };
}

/**
 * Signs a message and posts it once.
 *
 * @throws Error in words where it was not taken: no answer, or a status that is none of 2xx
 */
export async function postWebhook(
  url: URL,
  secret: Uint8Array,
  message: WebhookMessage,
  options: { readonly nowMs: number; readonly timeoutMs?: number; readonly signal?: AbortSignal },
): Promise<PostAnswer> {
  const { nowMs, ...rest } = options;
  const headers = webhookHeaders(secret, message, nowMs);
  const answer = await post(url, message.body, {
    contentType: message.contentType ?? 'application/json',
    headers,
    ...rest,
  });
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw new Error(`the receiver answered ${answer.status}`);
}
