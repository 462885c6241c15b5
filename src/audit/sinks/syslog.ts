/**
 * Sink: syslog (RFC 5424) over TCP with octet counting (RFC 6587, section 3.4.1) or TLS (RFC 5425).
 *
 * Syslog has no acknowledgement: what was written to a connection may be lost with it. So each batch has a connection of
 * its own, and counts as taken when the receiver has closed it in order after our end: TCP does that only once all of it
 * was read. Left out: UDP, which loses what it likes.
 *
 * @module
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { FollowedRecord } from '../follow.ts';
import type { SyslogSinkOptions } from './options.ts';
import { eventOf, readTls, type Sink, type SinkBatch, type SinkEvent } from './sink.ts';

/** A receiver that neither reads nor closes for so long is taken as one that is away. */
const SILENCE_MS_MAX = 30_000;
/** A connection a batch: at most one a second while little happens. */
const LINGER_MS = 1000;
/** RFC 5424, section 6.2.1. */
const SEVERITY = { warning: 4, informational: 6 } as const;
/** RFC 5424, section 6.4: what says that the message is UTF-8. */
const BOM = '\uFEFF';
const NIL = '-';
/** Fields that stand in the structured data, so that a receiver can sort by them without reading JSON. */
const SD_FIELDS = [
  'logId',
  'index',
  'tenant',
  'principal',
  'source',
  'operation',
  'key',
  'outcome',
  'requestId',
  'leafHash',
] as const satisfies readonly (keyof SinkEvent)[];

export interface SyslogOrigin {
  readonly hostname: string;
  readonly pid: number;
}

export class SyslogSink implements Sink {
  readonly lingerMs = LINGER_MS;
  readonly #options: SyslogSinkOptions;
  readonly #origin: SyslogOrigin;

  constructor(options: SyslogSinkOptions, origin: SyslogOrigin) {
    this.#options = options;
    this.#origin = origin;
  }

  async deliver({ logId, records }: SinkBatch, signal: AbortSignal): Promise<void> {
    const frames = records.map((record) => frameOf(syslogMessage(this.#options, this.#origin, logId, record)));
    const socket = await this.#connect();
    await sendAndClose(socket, Buffer.concat(frames), signal);
  }

  async close(): Promise<void> {
    // Nothing stays open between batches.
  }

  async #connect(): Promise<Socket> {
    const { host, port, tls } = this.#options;
    if (tls === null) return connectTcp({ host, port });
    // An address is no name for SNI; the certificate is checked against it all the same.
    const servername = isIP(host) === 0 ? host : '';
    return connectTls({ host, port, servername, minVersion: 'TLSv1.2', ...(await readTls(tls)) });
  }
}

/** One message, as RFC 5424, section 6 has it. */
export function syslogMessage(
  { facility, appName, enterpriseNumber }: SyslogSinkOptions,
  { hostname, pid }: SyslogOrigin,
  logId: string,
  record: FollowedRecord,
): string {
  const event = eventOf(logId, record);
  const { time, operation, outcome } = event;
  const severity = outcome === 'OK' || outcome === null ? SEVERITY.informational : SEVERITY.warning;
  const parameters = SD_FIELDS.filter((name) => event[name] !== undefined && event[name] !== null)
    .map((name) => ` ${name}="${escaped(String(event[name]))}"`)
    .join('');
  return [
    `<${facility * 8 + severity}>1`,
    time,
    headerField(hostname, 255),
    headerField(appName, 48),
    String(pid),
    headerField(operation ?? NIL, 32),
    `[claviger@${enterpriseNumber}${parameters}]`,
    `${BOM}${JSON.stringify(event)}`,
  ].join(' ');
}

function frameOf(message: string): Buffer {
  const bytes = Buffer.from(message);
  return Buffer.concat([Buffer.from(`${bytes.length} `), bytes]);
}

/** PRINTUSASCII of a bounded length. */
function headerField(text: string, charsMax: number): string {
  return text.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, charsMax) || NIL;
}

/** RFC 5424, section 6.3.3. Control characters, which receivers treat as they like, stand in the message only. */
function escaped(value: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what it looks for
  return value.replaceAll(/[\\"\]]/g, String.raw`\$&`).replaceAll(/[\u0000-\u001f\u007f]/g, '?');
}

/** Resolves when the receiver has closed the connection after our end. */
function sendAndClose(socket: Socket, bytes: Buffer, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let written = false;
  const fail = (error: Error): void => {
    reject(error);
    socket.destroy();
  };
  const aborted = (): void => fail(signal.reason as Error);
  signal.addEventListener('abort', aborted, { once: true });
  if (signal.aborted) aborted();
  socket.setTimeout(SILENCE_MS_MAX, () => {
    fail(new Error(`the receiver has neither read nor closed for ${SILENCE_MS_MAX / 1000} s`));
  });
  socket.once('error', fail);
  socket.once('finish', () => {
    written = true;
  });
  socket.once('end', () => {
    if (!written) fail(new Error('the receiver closed the connection before it had everything'));
  });
  socket.once('close', () => resolve());
  // What a receiver says is of no interest, but its end is, and that comes after it.
  socket.resume();
  socket.end(bytes);
  return promise.finally(() => signal.removeEventListener('abort', aborted));
}
