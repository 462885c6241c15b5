/**
 * A host process: the only place where a vendor's library runs. A crash or a hang here never reaches the server.
 *
 * It gets everything over one socket, its PIN included; nothing stands in its arguments or environment but what the
 * library wants there. It lives as long as the socket: when the server is gone, so is the host.
 *
 * @module
 */
import { Socket } from 'node:net';
import { CKR } from '../cryptoki.ts';
import { retryClass } from '../errors.ts';
import { jsonBody, OP, readUse, STATUS, type StartRequest } from '../protocol.ts';
import { FrameReader, FrameWriter, type Frame } from '../wire.ts';
import { Keys } from './keys.ts';
import { Lane } from './lane.ts';
import { loadLibrary, nativeOf, Refusal } from './module.ts';
import { OPERATIONS, useMechanisms, type Desk } from './operations.ts';
import { findToken, logIn, openSession } from './token.ts';

/** Where the server's end of the socket is. */
const SOCKET_FD = 3;
/** Answers of a batch wait at most so long for the ones behind them. */
const FLUSH_MS = 1;
/** Repairs within one request: a new session, then a new handle. */
const REPAIRS_MAX = 2;
/** Operations that name a key first, whose handle may be stale. */
const USES: ReadonlySet<number> = new Set([OP.sign, OP.decrypt, OP.seal, OP.open, OP.wrap, OP.unwrap, OP.derive]);

interface Waiting {
  readonly id: number;
  readonly kind: number;
  readonly body: Buffer;
}

const socket = new Socket({ fd: SOCKET_FD, readable: true, writable: true });
const writer = new FrameWriter(socket);
const reader = new FrameReader(take);
const waiting: Waiting[] = [];
let desk: Desk | null = null;
let free: Lane[] = [];
let flushedAt = 0;

socket.on('data', (bytes: Buffer) => {
  flushedAt = performance.now();
  reader.push(bytes);
  writer.flush();
});
for (const end of ['error', 'close', 'end'] as const) socket.on(end, leave);
// Whoever stops the server ends us by it, after what is under way; a terminal's Ctrl-C comes to all of its processes.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

/** At once: what the library still holds ends with the process, and to finalise it could hang. */
function leave(): void {
  // oxlint-disable-next-line unicorn/no-process-exit -- threads of the library would keep the process
  process.exit(0);
}

function take({ id, kind, body }: Frame): void {
  if (desk === null) {
    const copy = Buffer.from(body);
    void start(id, copy).finally(() => {
      copy.fill(0);
      writer.flush();
    });
    return;
  }
  const lane = free.pop();
  if (lane === undefined) waiting.push({ id, kind, body: Buffer.from(body) });
  else perform(desk, lane, id, kind, body, 0);
  if (performance.now() - flushedAt > FLUSH_MS) {
    writer.flush();
    flushedAt = performance.now();
  }
}

async function start(id: number, body: Buffer): Promise<void> {
  try {
    const request = JSON.parse(body.toString()) as StartRequest;
    const { asynchronous, readWrite, inputBytesMax } = request;
    const library = await loadLibrary(request.library, { threads: asynchronous });
    const { pkcs11 } = library;
    const { slot, facts } = findToken(pkcs11, request);
    // This session stays open and idle: a module may log out when the last session closes.
    const session = openSession(pkcs11, slot, readWrite);
    logIn(pkcs11, slot, session, request, () => {
      writer.write(0, STATUS.login);
      writer.flush();
    });
    free = Array.from({ length: request.lanes }, () => new Lane(pkcs11, slot, readWrite, inputBytesMax));
    desk = { library, keys: new Keys(pkcs11), asynchronous, mechanisms: useMechanisms(library) };
    writer.write(id, STATUS.ok, jsonBody(facts));
  } catch (error) {
    refuse(id, error);
  }
}

/** Runs an operation in a lane, and gives the lane back with the answer. */
function perform(at: Desk, lane: Lane, id: number, kind: number, body: Buffer, repairs: number): void {
  try {
    const answer = OPERATIONS.get(kind)!(at, lane, body);
    if (!(answer instanceof Promise)) return done(lane, id, body.length, answer);
    // The frame is wiped before the call ends; a repair needs what stood in it.
    void settle(at, lane, id, kind, Buffer.from(body), repairs, answer);
  } catch (error) {
    failed(at, lane, id, kind, body, repairs, error);
  }
}

async function settle(
  at: Desk,
  lane: Lane,
  id: number,
  kind: number,
  body: Buffer,
  repairs: number,
  answer: Promise<Buffer>,
): Promise<void> {
  try {
    done(lane, id, body.length, await answer);
  } catch (error) {
    failed(at, lane, id, kind, body, repairs, error);
  }
  next(at);
}

function done(lane: Lane, id: number, inputBytes: number, answer: Buffer): void {
  writer.write(id, STATUS.ok, answer);
  lane.wipe(inputBytes, answer.length);
  free.push(lane);
}

/** Repairs what can be repaired here, a new session or a new handle, and tries again; else the server decides. */
function failed(at: Desk, lane: Lane, id: number, kind: number, body: Buffer, repairs: number, error: unknown): void {
  const native = nativeOf(error);
  const repair = native === null || repairs >= REPAIRS_MAX ? 'fatal' : retryClass(native);
  if ((repair === 'reopen' || (repair === 'lookup' && USES.has(kind))) && reopened(lane, native)) {
    if (repair === 'lookup') at.keys.forget(readUse(body).name);
    return perform(at, lane, id, kind, body, repairs + 1);
  }
  // An operation may still be active in the session of a lane that failed between its two calls.
  if (native !== null) reopened(lane, native);
  refuse(id, error);
  // What of an answer was there already, nobody says.
  lane.wipe(body.length, lane.output.length);
  free.push(lane);
}

function reopened(lane: Lane, native: number | null): boolean {
  if (native === CKR.CRYPTOKI_NOT_INITIALIZED) return false;
  try {
    lane.reopen();
    return true;
  } catch {
    return false;
  }
}

/** In asynchronous hosts, after an answer: what waited for a lane. */
function next(at: Desk): void {
  while (free.length > 0 && waiting.length > 0) {
    const { id, kind, body } = waiting.shift()!;
    perform(at, free.pop()!, id, kind, body, 0);
  }
  writer.flush();
}

function refuse(id: number, error: unknown): void {
  if (error instanceof Refusal) return writer.write(id, STATUS.refused, jsonBody(error.refusal));
  const native = nativeOf(error);
  if (native === null) {
    const message = `the host process failed: ${(error as Error).message}`;
    return writer.write(id, STATUS.refused, jsonBody({ code: 'INTERNAL', message }));
  }
  const value = Buffer.alloc(4);
  value.writeUInt32BE(native);
  writer.write(id, STATUS.native, value, Buffer.from((error as { readonly method?: string }).method ?? ''));
}
