/**
 * Sink: OpenTelemetry logs over OTLP/HTTP, as JSON.
 *
 * A record is a log record with its fields as attributes under `claviger.audit.`. It belongs to no trace.
 *
 * @module
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { post, receiverUrl, type PostAnswer } from '../post.ts';
import type { OtlpSinkOptions } from './options.ts';
import { eventOf, readTls, requireTaken, type Sink, type SinkBatch, type SinkEvent } from './sink.ts';

/** SeverityNumber of the logs data model. */
const SEVERITY = { INFO: 9, WARN: 13 } as const;
const SCOPE = 'claviger.audit';

type Value =
  | { readonly stringValue: string }
  | { readonly intValue: string }
  | { readonly arrayValue: { readonly values: readonly Value[] } }
  | { readonly kvlistValue: { readonly values: readonly Attribute[] } };
interface Attribute {
  readonly key: string;
  readonly value: Value;
}

export interface OtlpOrigin {
  readonly hostname: string;
  /** Of this release. */
  readonly version: string;
}

export class OtlpSink implements Sink {
  readonly #options: OtlpSinkOptions;
  readonly #url: URL;
  readonly #origin: OtlpOrigin;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: OtlpSinkOptions, origin: OtlpOrigin, clock: Clock, log: Log) {
    this.#options = options;
    this.#url = receiverUrl(options.url, 'url', options.allowHttp ? 'anywhere' : 'loopback');
    this.#origin = origin;
    this.#clock = clock;
    this.#log = log;
  }

  async deliver(batch: SinkBatch, signal: AbortSignal): Promise<void> {
    const answer = await post(this.#url, JSON.stringify(otlpLogs(batch, this.#origin, this.#clock.now())), {
      contentType: 'application/json',
      headers: this.#options.headers,
      tls: await readTls(this.#options.tls ?? {}),
      signal,
    });
    requireTaken(answer, this.#clock.now());
    this.#tellRejected(answer);
  }

  async close(): Promise<void> {
    // Connections belong to node's agent.
  }

  /** A partial success is final: the protocol forbids to send the batch again. The operator is told. */
  #tellRejected({ body }: PostAnswer): void {
    const { rejected, message } = rejectedOf(body);
    if (rejected === 0) return;
    this.#log.write('error', `\`${this.#options.name}\` has rejected records of the log for good`, {
      records: rejected,
      cause: message,
    });
  }
}

/** An ExportLogsServiceRequest in the JSON form of OTLP: 64-bit integers are decimal texts. */
export function otlpLogs({ logId, records }: SinkBatch, { hostname, version }: OtlpOrigin, nowMs: number): object {
  const resource = {
    'service.name': 'claviger',
    'service.version': version,
    'host.name': hostname,
    'claviger.log.id': logId,
  };
  return {
    resourceLogs: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeLogs: [
          {
            scope: { name: SCOPE, version },
            logRecords: records.map((record) => logRecordOf(eventOf(logId, record), nowMs)),
          },
        ],
      },
    ],
  };
}

function logRecordOf({ logId, ...event }: SinkEvent, nowMs: number): object {
  const { time, operation = 'refused', outcome } = event;
  const severity = outcome === 'OK' || outcome === null ? 'INFO' : 'WARN';
  const fields = Object.entries(event).map(([name, value]): [string, unknown] => [`${SCOPE}.${name}`, value]);
  return {
    timeUnixNano: nanoseconds(Date.parse(time)),
    observedTimeUnixNano: nanoseconds(nowMs),
    severityNumber: SEVERITY[severity],
    severityText: severity,
    eventName: SCOPE,
    body: { stringValue: `${operation} ${outcome ?? event.phase}` },
    attributes: attributesOf(Object.fromEntries(fields)),
  };
}

function attributesOf(fields: Readonly<Record<string, unknown>>): readonly Attribute[] {
  return Object.entries(fields)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => ({ key, value: valueOf(value) }));
}

function valueOf(value: unknown): Value {
  if (Array.isArray(value)) return { arrayValue: { values: value.map(valueOf) } };
  if (typeof value === 'object' && value !== null)
    return { kvlistValue: { values: attributesOf(value as Record<string, unknown>) } };
  // Records have no fractions.
  return typeof value === 'number' ? { intValue: String(value) } : { stringValue: String(value) };
}

function nanoseconds(ms: number): string {
  return `${ms}000000`;
}

/** What the answer says of a partial success; an answer that is no JSON says nothing. */
function rejectedOf(body: Buffer): { readonly rejected: number; readonly message: string } {
  try {
    const answer = JSON.parse(body.toString()) as {
      partialSuccess?: { rejectedLogRecords?: unknown; errorMessage?: unknown };
    } | null;
    const { rejectedLogRecords = 0, errorMessage = '' } = answer?.partialSuccess ?? {};
    return { rejected: Number(rejectedLogRecords), message: String(errorMessage).slice(0, 500) };
  } catch {
    return { rejected: 0, message: '' };
  }
}
