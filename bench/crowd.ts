/**
 * A crowd: a process with many connections that do next to nothing, and do it slowly. It is there to be in the way of
 * the good clients, not to be measured.
 *
 * @module
 */
import { once, setMaxListeners } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { httpRequest, type PlainRequest } from './requests.ts';

export type CrowdOrder =
  | {
      readonly do: 'come';
      readonly port: number;
      readonly connections: number;
      /**
       * `idle`: one request each, and then nothing. `slow-writer`: sends its request a byte at a time. `slow-reader`: sends
       * many requests, and takes the answers a byte at a time.
       */
      readonly kind: 'idle' | 'slow-writer' | 'slow-reader';
      readonly request: PlainRequest;
    }
  /** Says what has become of it, and closes all connections. */
  | { readonly do: 'go' };

export interface CrowdReport {
  /** Connections that are open. */
  readonly open: number;
  /** Bytes that came back. */
  readonly bytesRead: number;
}

/** Connections that are made at a time: more would overflow the server's queue of those it has not yet taken. */
const AT_A_TIME = 100;
const COME_MS_MAX = 60_000;
/** Between two bytes. A request of 350 bytes takes 18 s: slow, and within the server's limit for a whole request. */
const BYTE_MS = 50;
/** More answers than the buffers of both ends hold, so that the server has to keep some. */
const PIPELINED = 64;
const SLOW_READ_BYTES = 1;

const members: Member[] = [];

process.on('message', (order: CrowdOrder) => {
  const report = order.do === 'come' ? come(order) : Promise.resolve(go());
  void report.then((result) => process.send!(result));
});
process.once('disconnect', () => process.exit());

async function come({ port, connections, kind, request }: CrowdOrder & { do: 'come' }): Promise<CrowdReport> {
  const host = `127.0.0.1:${port}`;
  const bytes = httpRequest(host, request);
  const deadline = AbortSignal.timeout(COME_MS_MAX);
  setMaxListeners(AT_A_TIME, deadline);
  while (members.length < connections) {
    const more = Math.min(AT_A_TIME, connections - members.length);
    const come = Array.from({ length: more }, () => new Member(port, kind));
    members.push(...come);
    await Promise.all(come.map((member) => member.arrive(bytes, deadline)));
  }
  return reportOf();
}

function go(): CrowdReport {
  const report = reportOf();
  for (const member of members.splice(0)) member.leave();
  return report;
}

function reportOf(): CrowdReport {
  return {
    open: members.filter(({ open }) => open).length,
    bytesRead: members.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
  };
}

class Member {
  readonly #kind: (CrowdOrder & { do: 'come' })['kind'];
  readonly #socket: Socket;
  readonly #left = new AbortController();
  bytesRead = 0;
  open = false;

  constructor(port: number, kind: (CrowdOrder & { do: 'come' })['kind']) {
    this.#kind = kind;
    const slow = kind === 'slow-reader';
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(slow ? SLOW_READ_BYTES : 4096),
        callback: (length) => {
          this.bytesRead += length;
          this.#socket.emit('some');
          return !slow;
        },
      },
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.open = false;
    });
  }

  /** Resolves once it is there and does what it came for. */
  async arrive(request: Buffer, signal: AbortSignal): Promise<void> {
    await once(this.#socket, 'connect', { signal });
    this.open = true;
    if (this.#kind === 'slow-writer') void this.#writeSlowly(request);
    else if (this.#kind === 'slow-reader') this.#readSlowly(request);
    else {
      this.#socket.write(request);
      await once(this.#socket, 'some', { signal });
    }
  }

  leave(): void {
    this.#left.abort();
    this.#socket.destroy();
  }

  async #writeSlowly(request: Buffer): Promise<void> {
    // Not all at the same moment.
    await sleep(Math.random() * BYTE_MS);
    for (let at = 0; this.open; at = (at + 1) % request.length) {
      this.#socket.write(request.subarray(at, at + 1));
      await sleep(BYTE_MS);
    }
  }

  #readSlowly(request: Buffer): void {
    for (let n = 0; n < PIPELINED; n++) this.#socket.write(request);
    const timer = setInterval(() => this.#socket.resume(), BYTE_MS);
    this.#left.signal.addEventListener('abort', () => clearInterval(timer));
  }
}
