/**
 * Sink: a signed webhook with an array of records. audit/webhook.ts has the signature.
 *
 * The message's id names the log and the range of records, so a receiver can drop what it has: a batch that is tried
 * again keeps its id, and after a crash records come again under another range, but with the same index.
 *
 * @module
 */
import type { Clock } from '../../ports/clock.ts';
import { post, receiverUrl } from '../post.ts';
import { webhookHeaders, webhookSecret } from '../webhook.ts';
import type { WebhookSinkOptions } from './options.ts';
import { eventOf, readTls, requireTaken, type Sink, type SinkBatch } from './sink.ts';

export class WebhookSink implements Sink {
  readonly #options: WebhookSinkOptions;
  readonly #url: URL;
  readonly #secret: Buffer;
  readonly #clock: Clock;

  constructor(options: WebhookSinkOptions, clock: Clock) {
    this.#options = options;
    this.#url = receiverUrl(options.url, 'url', options.allowHttp ? 'anywhere' : 'loopback');
    this.#secret = webhookSecret(options.secret, 'secret');
    this.#clock = clock;
  }

  async deliver({ logId, records }: SinkBatch, signal: AbortSignal): Promise<void> {
    const body = Buffer.from(JSON.stringify(records.map((record) => eventOf(logId, record))));
    const id = `${logId}/${records[0]!.index}-${records.at(-1)!.index}`;
    const answer = await post(this.#url, body, {
      contentType: 'application/json',
      headers: webhookHeaders(this.#secret, { id, body }, this.#clock.now()),
      tls: await readTls(this.#options.tls ?? {}),
      signal,
    });
    requireTaken(answer, this.#clock.now());
  }

  async close(): Promise<void> {
    // Connections belong to node's agent.
  }
}
