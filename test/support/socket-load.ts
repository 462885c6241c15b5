/**
 * A load of REST calls as fast as one process can make it: raw keep-alive connections, one request in flight on each,
 * and of every answer what names it in the log.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';

/** One call; what the test wants to know with its answer hangs on it. */
export interface Call {
  readonly bytes: Buffer;
  readonly operation: string;
}

/** An answer that has come whole. */
export interface CallAnswer<C extends Call> {
  readonly call: C;
  readonly status: number;
  readonly requestId: string;
  /** Of its record, or null where the answer names none. */
  readonly index: number | null;
  readonly body: string;
}

export interface LoadOptions<C extends Call> {
  readonly endpoint: string;
  readonly connections: number;
  /** The next call of a connection, or null where it has done all it was to do. */
  readonly next: (connection: number) => C | null;
  readonly answered: (answer: CallAnswer<C>, connection: number) => void;
}

/** A POST with a JSON body, as bytes that can be sent many times. */
export function postBytes(endpoint: string, token: string, path: string, body: object): Buffer {
  const text = JSON.stringify(body);
  const { host } = new URL(endpoint);
  const head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json`;
  return Buffer.from(`${head}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

/** Runs until every connection is done, or closed by the server. */
export async function runLoad<C extends Call>(options: LoadOptions<C>): Promise<void> {
  const { port } = new URL(options.endpoint);
  const connections = Array.from({ length: options.connections }, (_, n) => new Connection(options, Number(port), n));
  await Promise.all(connections.map(({ closed }) => closed));
}

class Connection<C extends Call> {
  readonly #options: LoadOptions<C>;
  readonly #number: number;
  readonly #socket: Socket;
  #sent: C | null = null;
  #received = '';
  readonly closed: Promise<void>;

  constructor(options: LoadOptions<C>, port: number, number: number) {
    this.#options = options;
    this.#number = number;
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('connect', () => this.#send());
    this.#socket.on('data', (text: string) => this.#take(text));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#socket.on('close', () => resolve());
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(error.code ?? '')) reject(error);
    });
  }

  #send(): void {
    this.#sent = this.#options.next(this.#number);
    if (this.#sent === null) this.#socket.destroy();
    else this.#socket.write(this.#sent.bytes);
  }

  #take(text: string): void {
    this.#received = this.#received === '' ? text : this.#received + text;
    const end = this.#received.indexOf('\r\n\r\n');
    if (end === -1) return;
    const head = this.#received.slice(0, end + 2);
    const bodyAt = end + 4;
    const length = Number(valueOf(head, 'content-length') ?? assert.fail(`an answer without its length: ${head}`));
    // An answer counts once all of it has come.
    if (this.#received.length < bodyAt + length) return;
    const answer = {
      call: this.#sent!,
      status: Number(head.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)),
      requestId: valueOf(head, 'x-request-id')!,
      index: indexOf(head),
      body: this.#received.slice(bodyAt, bodyAt + length),
    };
    this.#received = '';
    this.#options.answered(answer, this.#number);
    this.#send();
  }
}

function valueOf(head: string, name: string): string | null {
  const at = head.indexOf(`\r\n${name}: `);
  if (at === -1) return null;
  const from = at + name.length + 4;
  return head.slice(from, head.indexOf('\r\n', from));
}

function indexOf(head: string): number | null {
  const place = valueOf(head, 'x-claviger-audit');
  return place === null ? null : Number(place.slice(place.indexOf('/') + 1));
}
