/**
 * Sink: syslog (RFC 5424) over TCP with octet counting (RFC 6587, section 3.4.1) or TLS (RFC 5425).
 *
 * Syslog has no acknowledgement: what was written to a connection may be lost with it. So each batch has a connection of
 * its own, and counts as taken when the receiver has closed it in order after our end. One hole is left: a receiver that
 * dies while the last bytes are under way may look the same. So when a receiver fails, what it was given last comes again.
 * Left out: UDP, which loses what it likes.
 *
 * @module
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../../ports/clock.ts';
import type { FollowedRecord } from '../follow.ts';
import type { SyslogSinkOptions } from './options.ts';
import { eventOf, readTls, type Sink, type SinkBatch, type SinkEvent } from './sink.ts';

/** A receiver that neither reads nor closes for so long is taken as one that is away. */
const SILENCE_MS_MAX = 30_000;
/** A connection a batch: at most one a second while little happens, and large batches while much does. */
const PACE = { lingerMs: 1000, batchRecordsMax: 4096, batchBytesMax: 4 * 1024 * 1024 } as const;
/**
 * Between the last byte and our end. A receiver that refuses us closes the connection meanwhile; with TLS 1.3 it looks at
 * our certificate only when we are sending already.
 */
const SETTLE_MS = 100;
/** What was taken so shortly before a failure comes again, the newest up to so many bytes. */
const AGAIN_MS = 10_000;
const AGAIN_BYTES_MAX = 8 * 1024 * 1024;
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

/** A batch that a receiver has taken. */
interface Taken {
  readonly atMs: number;
  readonly bytes: Buffer;
}

export class SyslogSink implements Sink {
  readonly pace = PACE;
  readonly #options: SyslogSinkOptions;
  readonly #origin: SyslogOrigin;
  readonly #clock: Clock;
  /** Taken of late, the oldest first. */
  #recent: readonly Taken[] = [];
  /** What comes again before anything new; null while all goes well. */
  #again: readonly Taken[] | null = null;

  constructor(options: SyslogSinkOptions, origin: SyslogOrigin, clock: Clock) {
    this.#options = options;
    this.#origin = origin;
    this.#clock = clock;
  }

  async deliver({ logId, records }: SinkBatch, signal: AbortSignal): Promise<void> {
    const frames = records.map((record) => frameOf(syslogMessage(this.#options, this.#origin, logId, record)));
    const bytes = Buffer.concat(frames);
    try {
      const again = this.#again ?? [];
      await sendAndClose(await this.#connect(), [...again.map((taken) => taken.bytes), bytes], signal);
    } catch (error) {
      this.#again ??= newest(this.#recent, this.#clock.now() - AGAIN_MS);
      throw error;
    }
    const nowMs = this.#clock.now();
    this.#recent = newest([...(this.#again ?? this.#recent), { atMs: nowMs, bytes }], nowMs - AGAIN_MS);
    this.#again = null;
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

/** Batches since a time, the newest of them that are within `AGAIN_BYTES_MAX`. */
function newest(taken: readonly Taken[], sinceMs: number): readonly Taken[] {
  let bytes = 0;
  const first = taken.findLastIndex((one) => {
    bytes += one.bytes.length;
    return one.atMs < sinceMs || bytes > AGAIN_BYTES_MAX;
  });
  return taken.slice(first + 1);
}

/** Resolves when the receiver has closed the connection after our end, and not before. */
function sendAndClose(socket: Socket, parts: readonly Buffer[], signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let settling: NodeJS.Timeout | null = null;
  let ended = false;
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
  socket.once('end', () => {
    if (!ended) fail(new Error('the receiver closed the connection before the end: it refuses us, or goes down'));
  });
  socket.once('close', () => resolve());
  // What a receiver says is of no interest, but its end is, and that comes after it.
  socket.resume();
  for (const part of parts.slice(0, -1)) socket.write(part);
  socket.write(parts.at(-1)!, () => {
    settling = setTimeout(() => {
      ended = true;
      socket.end();
    }, SETTLE_MS);
  });
  return promise.finally(() => {
    signal.removeEventListener('abort', aborted);
    if (settling !== null) clearTimeout(settling);
  });
}
