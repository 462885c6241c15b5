/**
 * An HTTP server that stands in for a witness or a receiver, and answers as a test says, byte by byte if need be.
 *
 * @module
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StandIn {
  readonly url: URL;
  /** Closes connections, open answers too; the server goes on. */
  dropConnections(): void;
  stop(): void;
}

export type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => unknown;

export async function startStandIn(answer: Answer): Promise<StandIn> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => answer(request, response, Buffer.concat(parts).toString()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
    dropConnections: () => server.closeAllConnections(),
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
