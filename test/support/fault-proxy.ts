/**
 * A proxy before a real server that fails on command: it refuses, resets, stalls, cuts off answers, delays, or answers
 * with an error of its own. It counts what came, so that a test can say how many calls were made.
 *
 * Bytes pass as they are (`tcp`), TLS and HTTP/2 too; there only connections can be counted. With `http` the proxy reads
 * plain HTTP/1.1: it counts requests, and a fault can be for some of them.
 *
 * @module
 */
import { once } from 'node:events';
import { Agent, createServer as createHttp, request as callHttp, type IncomingMessage } from 'node:http';
import type { ServerResponse } from 'node:http';
import { connect, createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const HOST = '127.0.0.1';

/** What goes wrong from now on. */
export type Fault =
  | { readonly kind: 'pass' }
  /** Nobody listens, and connections that are there are closed: the process has died. */
  | { readonly kind: 'refuse' }
  /** Connections that are there are reset at once, new ones as soon as they have asked for something. */
  | { readonly kind: 'reset' }
  /** Connections are accepted and what is sent is taken, but nothing goes on. It does once the fault is over. */
  | { readonly kind: 'stall' }
  /**
   * The server does its work, and the connection ends after so many bytes of its answer; of its body with `http`. With 0
   * a call has failed that was carried out.
   */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** What is sent goes on so much later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** With `http` only: the proxy answers by itself, and the server never hears of the request. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    };

export interface FaultScope {
  /** How many requests (`tcp`: connections) fail before all is well again; without end where it is not given. */
  readonly times?: number;
  /** With `http` only: which requests; the others pass. */
  readonly where?: (request: IncomingMessage) => boolean;
}

export interface FaultProxyOptions {
  readonly target: { readonly host?: string; readonly port: number };
  readonly mode: 'tcp' | 'http';
}

export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Connections that were accepted so far. */
  readonly connections: number;
  /** With `http`: requests that came whole so far, whatever became of them. */
  readonly requests: number;
  /** Resolves once it is so: a refused connection is refused from then on. */
  set(fault: Fault, scope?: FaultScope): Promise<void>;
  /** All is well again, for calls that stand still as well. */
  heal(): Promise<void>;
  stop(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. */
export async function startFaultProxy({ target, mode }: FaultProxyOptions): Promise<FaultProxy> {
  const state = new FaultState();
  const to = { host: target.host ?? HOST, port: target.port };
  const clients = new Set<Socket>();
  const agent = new Agent({ keepAlive: true });
  const server: Server =
    mode === 'http'
      ? createHttp((request, response) => void forward(state, to, agent, request, response).catch(() => undefined))
      : createTcp({ allowHalfOpen: true }, (client) => void relay(state, to, client).catch(() => undefined));
  server.on('connection', (client: Socket) => {
    state.connections += 1;
    clients.add(client);
    client.on('error', () => undefined);
    client.on('close', () => clients.delete(client));
  });
  await listen(server, 0);
  const { port } = server.address() as AddressInfo;

  const set = async (fault: Fault, scope: FaultScope = {}): Promise<void> => {
    if (mode === 'tcp' && (fault.kind === 'answer' || scope.where !== undefined)) {
      throw new Error('bytes that only pass can be given no answer, and told apart by nothing: use `mode: http`');
    }
    state.set(fault, scope);
    if (fault.kind === 'refuse' && server.listening) {
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.destroy();
      await closed;
    }
    if (fault.kind === 'reset' && scope.times === undefined) for (const client of clients) client.resetAndDestroy();
    if (fault.kind !== 'refuse' && !server.listening) await listen(server, port);
  };
  return {
    host: HOST,
    port,
    url: `http://${HOST}:${port}`,
    get connections() {
      return state.connections;
    },
    get requests() {
      return state.requests;
    },
    set,
    heal: () => set({ kind: 'pass' }),
    stop: async () => {
      state.set({ kind: 'pass' }, {});
      const closed = server.listening ? once(server, 'close') : null;
      if (server.listening) server.close();
      for (const client of clients) client.destroy();
      agent.destroy();
      await closed;
    },
  };
}

/** The fault of the hour, and whom it is for. */
class FaultState {
  connections = 0;
  requests = 0;
  #fault: Fault = { kind: 'pass' };
  #scope: FaultScope = {};
  #timesLeft = Infinity;
  #changed = Promise.withResolvers<void>();

  set(fault: Fault, scope: FaultScope): void {
    this.#fault = fault;
    this.#scope = scope;
    this.#timesLeft = scope.times ?? Infinity;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** The fault that a new request or connection meets. */
  take(request: IncomingMessage | null): Fault {
    const isMeant = request === null || (this.#scope.where?.(request) ?? true);
    if (!isMeant || this.#timesLeft <= 0) return { kind: 'pass' };
    this.#timesLeft -= 1;
    return this.#fault;
  }

  /** The fault that what is under way meets: one for a number of requests is not for it. */
  get now(): Fault {
    return this.#scope.times === undefined ? this.#fault : { kind: 'pass' };
  }

  /** Resolves once another fault is set. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }
}

/** A connection through the proxy, byte by byte. */
async function relay(state: FaultState, to: { host: string; port: number }, client: Socket): Promise<void> {
  // A fault for a number of connections is theirs as long as they live; any other one holds for all there are.
  const own = state.take(null);
  const ownAlone = state.now.kind === 'pass' && own.kind !== 'pass';
  const current = (): Fault => (ownAlone ? own : state.now);
  const server = connect({ ...to, allowHalfOpen: true });
  server.on('error', () => undefined);
  server.setNoDelay(true);
  client.setNoDelay(true);
  client.on('close', () => server.destroy());
  server.on('close', () => client.destroySoon());
  let answered = 0;
  const asked = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const part of source) {
      const fault = current();
      answered = 0;
      if (fault.kind === 'reset') return void client.resetAndDestroy();
      if (fault.kind === 'delay') await sleep(fault.ms);
      if (fault.kind === 'stall') await flowsAgain(state, current);
      yield part;
    }
  };
  const answers = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const part of source) {
      if (current().kind === 'stall') await flowsAgain(state, current);
      const fault = current();
      answered += part.length;
      if (fault.kind !== 'cut' || answered <= fault.afterBytes) {
        yield part;
        continue;
      }
      yield part.subarray(0, Math.max(0, part.length - (answered - fault.afterBytes)));
      client.destroySoon();
      return;
    }
  };
  await Promise.allSettled([pipeline(client, asked, server), pipeline(server, answers, client)]);
  client.destroy();
  server.destroy();
}

async function flowsAgain(state: FaultState, current: () => Fault): Promise<void> {
  while (current().kind === 'stall') await state.changed;
}

/** A request through the proxy. */
async function forward(
  state: FaultState,
  to: { host: string; port: number },
  agent: Agent,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await buffer(request);
  state.requests += 1;
  const fault = state.take(request);
  const { socket } = request;
  if (fault.kind === 'reset') return void socket.resetAndDestroy();
  if (fault.kind === 'answer') return void response.writeHead(fault.status, fault.headers).end(fault.body ?? '');
  if (fault.kind === 'delay') await sleep(fault.ms);
  if (fault.kind === 'stall') await state.changed;
  // Whoever gave up meanwhile is not called for.
  if (socket.destroyed) return;
  const answer = await passOn(to, agent, request, body).catch(() => null);
  if (answer === null) return void socket.resetAndDestroy();
  const isHeldUp = state.now.kind === 'stall' && fault.kind === 'pass';
  if (isHeldUp) await state.changed;
  response.writeHead(answer.status, answer.statusText, [...answer.headers]);
  if (fault.kind !== 'cut') return void response.end(answer.body);
  response.flushHeaders();
  response.write(answer.body.subarray(0, fault.afterBytes), () => socket.destroySoon());
}

interface PassedAnswer {
  readonly status: number;
  readonly statusText: string;
  /** As they came: names and values by turns. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

async function passOn(
  to: { host: string; port: number },
  agent: Agent,
  { method, url, rawHeaders }: IncomingMessage,
  body: Buffer,
): Promise<PassedAnswer> {
  // Headers stay as they came, `host` too: a signature may cover them.
  const call = callHttp({ ...to, agent, method, path: url, headers: rawHeaders as unknown as Record<string, string> });
  call.end(body);
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  return {
    status: answer.statusCode!,
    statusText: answer.statusMessage!,
    headers: answer.rawHeaders,
    body: await buffer(answer),
  };
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, HOST);
  await once(server, 'listening');
}
