/**
 * A strict server that speaks Cloud KMS over gRPC, for tests: no program of Google's can be had that does.
 *
 * It is driven through Google's own client only. On command it throttles, fails, stalls, cuts connections, and answers what
 * is changed, unchecked or of another key.
 *
 * @module
 */
import { type Metadata, Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32c } from './crc.ts';
import { Kms, type KmsOptions } from './kms.ts';
import { KmsError, type StatusName } from './status.ts';
import { checkToken, type ServiceAccounts } from './tokens.ts';
import { METHOD_NAMES, type MethodName, type ReadRequest, SERVICE } from './wire.ts';

/** What goes wrong from now on. */
export type GcpFault =
  /** The call ends with this status, and nothing was done. */
  | { readonly kind: 'status'; readonly status: StatusName; readonly message?: string }
  /** The call is never answered. */
  | { readonly kind: 'stall' }
  | { readonly kind: 'delay'; readonly ms: number }
  /** A byte of the answer changes on its way; its checksum does not. */
  | { readonly kind: 'corrupt' }
  /** The checksum of the answer changes on its way. */
  | { readonly kind: 'checksum' }
  /** The answer has no checksum. */
  | { readonly kind: 'unsummed' }
  /** The answer says that the checksums of the request were not looked at. */
  | { readonly kind: 'unverified' }
  /** The answer names another version. */
  | { readonly kind: 'name' }
  /** The answer is an empty message. */
  | { readonly kind: 'empty' }
  /** The call is carried out, and all connections end before its answer. */
  | { readonly kind: 'cut' };

export interface FaultScope {
  /** Calls that fail before all is well again; without end where it is not given. */
  readonly times?: number;
  /** Of these methods; of all where it is not given. */
  readonly methods?: readonly MethodName[];
}

export interface GcpServerOptions extends KmsOptions {
  /** Certificate chain and key in PEM; plain text where it is not given. */
  readonly tls?: { readonly certificate: Buffer; readonly key: Buffer };
  /** Who may call; everybody where it is not given. */
  readonly serviceAccounts?: ServiceAccounts;
  /** As an emulator in Go is: Encrypt takes the name of a key and of no version, and most errors are INTERNAL. */
  readonly asEmulator?: boolean;
  readonly port?: number;
}

export interface GcpServer {
  readonly host: string;
  readonly port: number;
  /** Calls so far, of one method or of all. */
  calls(method?: MethodName): number;
  /** Names of the methods called, in order. */
  readonly log: readonly MethodName[];
  set(fault: GcpFault, scope?: FaultScope): void;
  heal(): void;
  /** Tokens that were issued until now are over. */
  expireTokens(): void;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
/** The name by which Google routes a request, where it stands in it. */
const ROUTES = ['name', 'parent', 'location'] as const;

type UnaryCall = ServerUnaryCall<ReadRequest, object>;

/** Listens on a free port of 127.0.0.1. */
export async function startGcpServer(options: GcpServerOptions = {}): Promise<GcpServer> {
  const kms = new Kms(options);
  const now = options.now ?? Date.now;
  const log: MethodName[] = [];
  const sockets = new Set<Socket>();
  const stopped = new AbortController();
  let fault: GcpFault | null = null;
  let scope: FaultScope = {};
  let timesLeft = 0;
  let tokensFromMs = 0;

  const take = (method: MethodName): GcpFault | null => {
    if (fault === null || timesLeft <= 0 || !(scope.methods ?? METHOD_NAMES).includes(method)) return null;
    timesLeft -= 1;
    return fault;
  };
  const answer = async (method: MethodName, { request, metadata }: UnaryCall): Promise<object> => {
    log.push(method);
    if (options.serviceAccounts) {
      checkToken(metadata.get('authorization')[0], options.serviceAccounts, now(), tokensFromMs);
    }
    const met = take(method);
    if (met?.kind === 'status') throw new KmsError(met.status, met.message ?? 'a fault on command');
    if (met?.kind === 'stall') await sleep(2 ** 31 - 1, undefined, { signal: stopped.signal, ref: false });
    if (met?.kind === 'delay') await sleep(met.ms);
    if (!request.known)
      throw new KmsError('INVALID_ARGUMENT', 'the request has fields that its definition does not have.');
    requireRoute(metadata, request.message);
    if (options.asEmulator && method === 'Encrypt' && String(request.message['name']).includes('/cryptoKeyVersions/')) {
      throw new KmsError('INVALID_ARGUMENT', 'invalid crypto key name');
    }
    const made = await kms.run(method, request.message);
    if (met?.kind === 'cut') for (const socket of sockets) socket.destroy();
    return met === null ? made : spoiled(made, met);
  };
  const handler =
    (method: MethodName) =>
    (call: UnaryCall, reply: sendUnaryData<object>): void => {
      answer(method, call).then(
        (made) => reply(null, made),
        (error: unknown) => {
          if (error instanceof KmsError) return reply((options.asEmulator ? wrapped(error) : error).toServiceError());
          if (!stopped.signal.aborted) console.error(error);
          reply(new KmsError('INTERNAL', 'Internal error.').toServiceError());
        },
      );
    };

  const server = new Server({ 'grpc.max_receive_message_length': 1024 * 1024 });
  server.addService(SERVICE, Object.fromEntries(METHOD_NAMES.map((method) => [method, handler(method)])));
  const { tls } = options;
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [{ cert_chain: tls.certificate, private_key: tls.key }]);
  const injector = server.createConnectionInjector(credentials);
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    injector.injectConnection(socket);
  });
  listener.listen(options.port ?? 0, HOST);
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  return {
    host: HOST,
    port,
    log,
    calls: (method) => (method === undefined ? log.length : log.filter((one) => one === method).length),
    set: (next, where = {}) => {
      fault = next;
      scope = where;
      timesLeft = where.times ?? Infinity;
    },
    heal: () => {
      fault = null;
    },
    expireTokens: () => {
      // Tokens tell their time in seconds.
      tokensFromMs = (Math.floor(now() / 1000) + 1) * 1000;
    },
    stop: async () => {
      stopped.abort();
      const closed = once(listener, 'close');
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
      server.forceShutdown();
    },
  };
}

/** The true status stands in the words alone. */
function wrapped({ status, message }: KmsError): KmsError {
  if (status === 'NOT_FOUND' || status === 'ALREADY_EXISTS') return new KmsError(status, 'no words');
  const name = status.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return new KmsError('INTERNAL', `rpc error: code = ${name} desc = ${message}`);
}

/** Google's clients name the resource in a header, by which a request finds its region. */
function requireRoute(metadata: Metadata, message: ReadRequest['message']): void {
  const nested = [message['cryptoKey'], message['cryptoKeyVersion']].map(
    (inner) => (Object(inner) as { name?: unknown }).name,
  );
  const name = ROUTES.map((field) => message[field]).find((value) => value !== undefined) ?? nested.find(Boolean);
  const route = new URLSearchParams(String(metadata.get('x-goog-request-params')[0] ?? ''));
  if ([...route.values()].join() === String(name)) return;
  throw new KmsError('INVALID_ARGUMENT', 'the header x-goog-request-params does not name the resource.');
}

/** The answer as a fault leaves it. */
function spoiled(made: object, { kind }: GcpFault): object {
  if (kind === 'empty') return {};
  const fields = { ...made } as Record<string, unknown>;
  for (const [field, value] of Object.entries(fields)) {
    const isChecksum = /crc32c$/i.test(field) && !field.startsWith('verified');
    if (kind === 'corrupt' && value instanceof Uint8Array) fields[field] = flipped(value);
    if (kind === 'corrupt' && field === 'pem') fields[field] = `${String(value)}\n`;
    if (kind === 'checksum' && isChecksum) fields[field] = changedChecksum(value);
    if (kind === 'unsummed' && isChecksum) delete fields[field];
    if (kind === 'unverified' && field.startsWith('verified')) fields[field] = false;
    if (kind === 'name' && field === 'name')
      fields[field] = String(value).replace('/cryptoKeys/', '/cryptoKeys/other-');
  }
  return fields;
}

function flipped(bytes: Uint8Array): Buffer {
  const changed = Buffer.from(bytes);
  if (changed.length > 0) changed[0]! ^= 1;
  return changed;
}

function changedChecksum(value: unknown): unknown {
  const other = crc32c(Buffer.from(JSON.stringify(value)));
  return typeof value === 'object' ? { value: other } : other;
}
