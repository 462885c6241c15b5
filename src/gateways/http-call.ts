/**
 * What every HTTP gateway does the same: takes a request apart into a call, and reads its JSON.
 *
 * @module
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Proof } from '../auth/authenticator.ts';
import { ClavigerError, errorOf, toClavigerError } from '../errors.ts';
import { printable } from '../model/ids.ts';
import { countStranger } from '../operations/execute.ts';
import type { Call, GatewayName } from '../operations/operation.ts';
import type { Services } from '../operations/services.ts';
import { monotonicMs } from '../ports/clock.ts';

/** Largest body: a batch of 100 items of 4 KiB is 550 KiB. */
export const BODY_BYTES_MAX = 1024 * 1024;
/** To parse a body that is larger costs more than to look at who sent it, and may cost 100 ms. */
const UNSEEN_BODY_BYTES_MAX = 16 * 1024;
/** No body of ours is nested deeper than 5. */
const JSON_DEPTH_MAX = 16;

/** A request with its whole body. */
export interface HttpRequest {
  readonly message: IncomingMessage;
  /** As it was sent, still percent-encoded. */
  readonly path: string;
  /** Without its question mark; empty where there is none. */
  readonly query: string;
  readonly body: Buffer;
}

/** The address that a request comes from; null where its connection was reset meanwhile. */
export function sourceOf({ socket }: IncomingMessage): string | null {
  return socket.remoteAddress ?? null;
}

/** A new call of a request that has just come. */
export function callOf(services: Services, message: IncomingMessage, gateway: GatewayName, proof: Proof): Call {
  return {
    proof,
    gateway,
    source: sourceOf(message),
    requestId: services.requestId(),
    startedMs: monotonicMs(),
    dryRun: false,
    idempotency: null,
    trace: services.observer.trace(message.method!, message.headers),
  };
}

/**
 * Why the credential of a request does not hold, where that is to be known before anything is made of the request: of a
 * large body, and of an address that is refused over and over. Null where it holds, or need not be known yet: then
 * `execute` finds out.
 *
 * @throws UNAUTHENTICATED for a stranger who is only counted, when its turn to be answered has come
 */
export function strangersError(
  services: Services,
  { body }: HttpRequest,
  call: Call,
): Promise<ClavigerError | null> | null {
  if (body.length <= UNSEEN_BODY_BYTES_MAX && !services.refusals.counting(call.source)) return null;
  return failureOf(services, call);
}

async function failureOf(services: Services, call: Call): Promise<ClavigerError | null> {
  const failed = failureToProve(services, call.proof);
  const error = failed instanceof Promise ? await failed : failed;
  if (error === null || !onlyCounted(services, call.source, error)) return error;
  return new Promise((_, reject) =>
    countStranger(services, call, error, (mistake) => reject(toClavigerError(mistake ?? error))),
  );
}

/** Why a proof does not hold; null where it does. */
export function failureToProve(
  { authenticator }: Services,
  proof: Proof,
): ClavigerError | null | Promise<ClavigerError | null> {
  try {
    const proved = authenticator.authenticate(proof);
    return proved instanceof Promise ? proved.then(() => null, toClavigerError) : null;
  } catch (thrown) {
    return toClavigerError(thrown);
  }
}

/**
 * Has the body of a stranger go by unread, and then `tell` answer. A caller is answered behind its body, as everybody is, so
 * that nothing of it can be taken for the next request. Only what is too large, or does not say how large it is, is not waited
 * for: its connection ends with the answer.
 */
export function letBodyGo(message: IncomingMessage, response: ServerResponse, tell: () => void): void {
  if (message.complete) return tell();
  const { 'content-length': length } = message.headers;
  if (length !== undefined && Number(length) <= BODY_BYTES_MAX) {
    message.once('end', tell);
    return;
  }
  response.setHeader('connection', 'close');
  tell();
}

/** True of a stranger whose refusal gets no record of its own. */
export function onlyCounted({ refusals }: Services, source: string | null, { code }: ClavigerError): boolean {
  return code === 'UNAUTHENTICATED' && refusals.counting(source);
}

/** A mistake of ours that no answer tells of: the operator is told, and the caller's connection ends. */
export function endWithMistake({ log }: Services, response: ServerResponse, mistake: unknown): void {
  log.write('error', 'internal error of the server', { cause: mistake instanceof Error ? mistake.stack : mistake });
  response.destroy();
}

/**
 * A JSON body; an empty one is an empty object.
 *
 * @throws INVALID_ARGUMENT (reason Serialization) for what is not JSON in UTF-8, or nested too deep
 */
export function readJson(body: Buffer): unknown {
  if (body.length === 0) return {};
  if (!isUtf8(body)) throw errorOf('Serialization', 'the body is not valid UTF-8');
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    throw errorOf('Serialization', 'the body is not valid JSON');
  }
  requireTame(value, JSON_DEPTH_MAX);
  return value;
}

/** Refuses what is nested too deep, and a name that JavaScript objects give a meaning of its own. */
function requireTame(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth === 0) throw errorOf('Serialization', `the body is nested deeper than ${JSON_DEPTH_MAX}`);
  if (Array.isArray(value)) {
    for (const part of value) requireTame(part, depth - 1);
    return;
  }
  for (const name in value) {
    if (name === '__proto__') throw errorOf('Serialization', 'a field cannot be named `__proto__`');
    requireTame((value as Record<string, unknown>)[name], depth - 1);
  }
}

/** What a schema makes of a value, or an error that names each wrong field and what is wrong with it. */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value, { reportInput: false });
  if (parsed.success) return parsed.data;
  const told = parsed.error.issues.slice(0, 5).map((issue) => {
    const place = issue.path.map(String).join('.');
    const what = printable(wordsOf(issue)).replaceAll("'", '`');
    return place === '' ? what : `\`${printable(place)}\`: ${what}`;
  });
  throw new ClavigerError('INVALID_ARGUMENT', told.join('; '));
}

/** What is wrong, in our manner: lower case, and without Zod's name for the kind of mistake. */
function wordsOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `there is no field '${issue.keys.join("', '")}'`;
  const words = issue.message
    .replace(/^(Invalid (input|option)|Too (small|big)): /, '')
    .replace(/^(.*), received undefined$/, 'is missing; $1');
  return words.charAt(0).toLowerCase() + words.slice(1);
}

/**
 * Sends the answer to a call, and ends its span; nothing that leaves here may be kept by a cache.
 *
 * @param headers names and values in turn: Node writes these with half the work that it has with an object
 */
export function send(
  response: ServerResponse,
  { trace }: Call,
  status: number,
  headers: readonly string[],
  body: string | Uint8Array,
): void {
  const length = Buffer.byteLength(body);
  const all = [
    ...headers,
    'cache-control',
    'no-store',
    'x-content-type-options',
    'nosniff',
    'content-length',
    String(length),
  ];
  if (trace !== null) all.push(...Object.entries(trace.headers()).flat());
  response.writeHead(status, all);
  // Where every character is one byte, it need not be looked for others again.
  if (typeof body === 'string' && length === body.length) response.end(body, 'latin1');
  else response.end(body);
  if (trace === null) return;
  trace.set({ 'http.response.status_code': status });
  trace.end(status >= 500 ? String(status) : undefined);
}
