/**
 * An HTTP receiver whose behaviour a test changes while it runs.
 *
 * @module
 */
import { createServer as createHttp, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps, type ServerOptions } from 'node:https';
import { connect, type AddressInfo } from 'node:net';

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Receiver {
  readonly url: string;
  readonly port: number;
  /** All that was received, whatever was answered. */
  readonly received: Received[];
  /** What is answered from now on; null leaves the caller without an answer. */
  answer: (received: Received) => Answer | null | Promise<Answer>;
  stop(): Promise<void>;
}

/** Listens on 127.0.0.1; with `tls` it speaks HTTPS. */
export async function startReceiver(
  options: { readonly port?: number; readonly tls?: ServerOptions } = {},
): Promise<Receiver> {
  const received: Received[] = [];
  const listener: RequestListener = (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('error', () => undefined);
    request.on('end', () => {
      const one = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(parts) };
      received.push(one);
      void Promise.resolve(receiver.answer(one)).then((answer) => {
        if (answer === null) return;
        response.writeHead(answer.status, answer.headers ?? {});
        response.end(answer.body ?? '');
      });
    });
  };
  const server: Server = options.tls === undefined ? createHttp(listener) : createHttps(options.tls, listener);
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: Receiver = {
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/hook`,
    port,
    received,
    answer: () => ({ status: 204 }),
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return receiver;
}

/** A port of 127.0.0.1 where nothing listens. */
export async function freePort(): Promise<number> {
  const receiver = await startReceiver();
  await receiver.stop();
  return receiver.port;
}

/** Whether anybody listens at a port of 127.0.0.1. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
