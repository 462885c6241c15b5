/**
 * Sink: Amazon CloudWatch Logs, through AWS's own client, which is loaded only where such a sink is configured.
 *
 * @module
 * @see https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
 */
import type * as Sdk from '@aws-sdk/client-cloudwatch-logs';
import type { Log } from '../../ports/log.ts';
import type { CloudwatchSinkOptions } from './options.ts';
import { eventOf, type Sink, type SinkBatch } from './sink.ts';

export const CLOUDWATCH_PACKAGE = '@aws-sdk/client-cloudwatch-logs';
/** Limits of PutLogEvents: bytes of a batch, of which each event adds so many, and events. */
const BATCH_BYTES_MAX = 1_048_576;
const EVENT_EXTRA_BYTES = 26;
const BATCH_EVENTS_MAX = 10_000;
/** A batch must not span more than 24 hours. */
const BATCH_SPAN_MS_MAX = 24 * 60 * 60 * 1000;

interface Opened {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.CloudWatchLogsClient;
}

export class CloudwatchSink implements Sink {
  readonly #options: CloudwatchSinkOptions;
  readonly #log: Log;
  #opened: Opened | null = null;

  constructor(options: CloudwatchSinkOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  async deliver({ logId, records }: SinkBatch, signal: AbortSignal): Promise<void> {
    const events = records.map((record) => {
      const event = eventOf(logId, record);
      return { timestamp: Date.parse(event.time), message: JSON.stringify(event) };
    });
    for (const batch of cloudwatchBatches(events)) await this.#put(batch, signal);
  }

  async close(): Promise<void> {
    this.#opened?.client.destroy();
  }

  async #put(logEvents: Sdk.InputLogEvent[], abortSignal: AbortSignal): Promise<void> {
    const { name, group, stream, create } = this.#options;
    const { sdk, client } = await this.#open();
    const command = new sdk.PutLogEventsCommand({ logGroupName: group, logStreamName: stream, logEvents });
    let answer;
    try {
      answer = await client.send(command, { abortSignal });
    } catch (error) {
      if (!create || !(error instanceof sdk.ResourceNotFoundException)) throw error;
      await this.#create(abortSignal);
      answer = await client.send(command, { abortSignal });
    }
    if (answer.rejectedLogEventsInfo === undefined) return;
    // Too old or expired, by the group's retention: they would be rejected again.
    this.#log.write('error', `\`${name}\` has rejected records of the log for good: they are older than it takes`, {
      ...answer.rejectedLogEventsInfo,
    });
  }

  async #create(abortSignal: AbortSignal): Promise<void> {
    const { group: logGroupName, stream: logStreamName } = this.#options;
    const { sdk, client } = await this.#open();
    const unlessThere = (error: unknown): void => {
      if (!(error instanceof sdk.ResourceAlreadyExistsException)) throw error;
    };
    await client.send(new sdk.CreateLogGroupCommand({ logGroupName }), { abortSignal }).catch(unlessThere);
    await client
      .send(new sdk.CreateLogStreamCommand({ logGroupName, logStreamName }), { abortSignal })
      .catch(unlessThere);
  }

  async #open(): Promise<Opened> {
    if (this.#opened !== null) return this.#opened;
    const { region, endpoint, accessKeyId, secretAccessKey } = this.#options;
    const sdk = await import('@aws-sdk/client-cloudwatch-logs');
    const client = new sdk.CloudWatchLogsClient({
      region,
      // The follower tries again by itself, and says so.
      maxAttempts: 1,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(accessKeyId === undefined || secretAccessKey === undefined
        ? {}
        : { credentials: { accessKeyId, secretAccessKey } }),
    });
    this.#opened = { sdk, client };
    return this.#opened;
  }
}

/** Events in order, cut into what one PutLogEvents takes. */
export function cloudwatchBatches(
  events: readonly { readonly timestamp: number; readonly message: string }[],
): Sdk.InputLogEvent[][] {
  const batches: Sdk.InputLogEvent[][] = [];
  let bytes = 0;
  let firstMs = 0;
  for (const event of events) {
    const size = Buffer.byteLength(event.message) + EVENT_EXTRA_BYTES;
    const batch = batches.at(-1);
    const fits =
      batch !== undefined &&
      batch.length < BATCH_EVENTS_MAX &&
      bytes + size <= BATCH_BYTES_MAX &&
      event.timestamp - firstMs < BATCH_SPAN_MS_MAX;
    if (fits) {
      batch.push(event);
      bytes += size;
    } else {
      batches.push([event]);
      bytes = size;
      firstMs = event.timestamp;
    }
  }
  return batches;
}
