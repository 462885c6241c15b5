/**
 * One keep-alive connection of the load: sends a request, waits for the whole answer, tells it, and is free again.
 *
 * Of an answer only the status and `Content-Length` are read, for the load takes from the same cores as the server.
 *
 * @module
 */
import { connect, type Socket } from 'node:net';

/** An answer's head is far shorter. */
const CHUNK_BYTES = 64 * 1024;

export interface Answer {
  readonly status: string;
  /** When the request was due: where the load is paced, this is before it was sent. */
  readonly dueMs: number;
  readonly sentMs: number;
  /** The body, where it was asked for. */
  readonly body: string | null;
  readonly sent: Buffer;
}

export interface ConnectionEvents {
  /** Nothing is in flight: at the start, and after each answer. */
  free(connection: Connection): void;
  answered(answer: Answer): void;
  /** True where the body of the answer that has just begun is wanted. */
  wantsBody(): boolean;
}

/** Filled by every connection in turn: what was read is used up before the next read. */
const chunk = Buffer.allocUnsafe(CHUNK_BYTES);

export class Connection {
  readonly #events: ConnectionEvents;
  readonly #socket: Socket;
  /** The request that is in flight. */
  #sent: Buffer | null = null;
  #dueMs = 0;
  #sentMs = 0;
  /** What has come of a head that is not whole. */
  #head = '';
  /** Bytes of the body that are still to come; null while the head is. */
  #left: number | null = null;
  #status = '';
  /** Parts of a body that is wanted; null for every other. */
  #kept: string[] | null = null;
  closed = false;

  constructor(events: ConnectionEvents, port: number) {
    this.#events = events;
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer: chunk,
        callback: (length) => {
          this.#take(length);
          return true;
        },
      },
    });
    this.#socket.on('connect', () => events.free(this));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.closed = true;
    });
  }

  /** True while a request waits for its answer; for ever, where the connection was lost. */
  get busy(): boolean {
    return this.#sent !== null;
  }

  send(request: Buffer, dueMs: number, nowMs: number): void {
    this.#sent = request;
    this.#dueMs = dueMs;
    this.#sentMs = nowMs;
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(length: number): void {
    let from = 0;
    if (this.#left === null) {
      const text = this.#head + chunk.toString('latin1', 0, length);
      const end = text.indexOf('\r\n\r\n');
      if (end === -1) {
        this.#head = text;
        return;
      }
      from = end + 4 - this.#head.length;
      this.#head = '';
      this.#status = text.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length);
      this.#left = contentLength(text, end);
      if (this.#events.wantsBody()) this.#kept = [];
    }
    this.#kept?.push(chunk.toString('latin1', from, length));
    this.#left -= length - from;
    if (this.#left > 0) return;
    const body = this.#kept === null ? null : this.#kept.join('');
    const sent = this.#sent!;
    this.#kept = null;
    this.#left = null;
    this.#sent = null;
    this.#events.answered({ status: this.#status, dueMs: this.#dueMs, sentMs: this.#sentMs, body, sent });
    this.#events.free(this);
  }
}

function contentLength(text: string, end: number): number {
  const match = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end));
  if (match === null) throw new Error(`an answer without Content-Length: ${text.slice(0, end)}`);
  return Number(match[1]);
}
