/**
 * The REST API: bytes of a request → input of an operation, its output → bytes of the answer. It decides nothing.
 *
 * @module
 */
import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Proof } from '../../auth/authenticator.ts';
import { ClavigerError, ERRORS, errorOf, toClavigerError } from '../../errors.ts';
import { printable } from '../../model/ids.ts';
import type { OperationName } from '../../model/operation.ts';
import type { ServedBy } from '../../operations/crypto-input.ts';
import { countStranger, execute, refuse, RefusedError } from '../../operations/execute.ts';
import { OPERATIONS } from '../../operations/index.ts';
import type { Call, Idempotency, Operation } from '../../operations/operation.ts';
import type { Services } from '../../operations/services.ts';
import { encodeBytes, ROUTES, type Route, type RouteName } from '../../wire/index.ts';
import {
  callOf,
  endWithMistake,
  failureToProve,
  letBodyGo,
  onlyCounted,
  parseWith,
  readJson,
  send,
  sourceOf,
  strangersError,
  type HttpRequest,
} from '../http-call.ts';
import { answerOf, inputOf } from './bindings.ts';
import { findRoute, type FoundRoute } from './router.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const PROBLEM_TYPE = ['content-type', 'application/problem+json'] as const;
/** Characters of an `Idempotency-Key`. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** Answers a request under /v1/, and refuses every other. */
export async function serveRest(services: Services, request: HttpRequest, response: ServerResponse): Promise<void> {
  let call = callOf(services, request.message, 'rest', proofOf(request.message));
  try {
    const looking = strangersError(services, request, call);
    const stranger = looking === null ? null : await looking;
    const asked = understood(request, stranger);
    if (asked.route !== null) call.trace?.rename(`${ROUTES[asked.route].method} ${ROUTES[asked.route].path}`);
    if ('error' in asked) return await refuse(services, operationNameOf(asked.route), call, asked.error);
    const { route, operation, fields, input, idempotency } = asked;
    const { status, media = JSON_TYPE }: Route = ROUTES[route];
    if (idempotency !== null) call = { ...call, idempotency };
    const answer = await execute(services, operation, call, input);
    const served = answer.kind === 'replay' ? null : answer.served;
    const body = answer.kind === 'replay' ? answer.answer : encodeAnswer(route, answer.output, fields, served);
    const headers = ['content-type', media, ...recordHeaders(services, call, answer.index), ...servedHeaders(served)];
    send(response, call, status, headers, body);
  } catch (thrown) {
    sendProblem(services, response, call, thrown);
  }
}

/**
 * Turns away a stranger whose refusal would only be counted, without a look at its body: `true` where it is gone, and is told
 * when its turn comes. A flood is to cost the event loop little more than what HTTP itself costs.
 *
 * @param message whose body nobody has begun to read
 */
export function turnAway(
  services: Services,
  message: IncomingMessage,
  response: ServerResponse,
): boolean | Promise<boolean> {
  const proof = proofOf(message);
  const away = (error: ClavigerError | null): boolean => {
    if (error === null || !onlyCounted(services, sourceOf(message), error)) return false;
    const call = callOf(services, message, 'rest', proof);
    // From now on nothing of it is held, however long the answer has to wait.
    message.resume();
    const answer = (): void => {
      try {
        sendProblem(services, response, call, error);
      } catch (mistake) {
        endWithMistake(services, response, mistake);
      }
    };
    countStranger(services, call, error, (mistake) => {
      if (mistake === null) letBodyGo(message, response, answer);
      else endWithMistake(services, response, mistake);
    });
    return true;
  };
  const failed = failureToProve(services, proof);
  return failed instanceof Promise ? failed.then(away) : away(failed);
}

/** Refuses a request whose body or headers could not even be read. */
export async function refuseRest(
  services: Services,
  request: HttpRequest,
  response: ServerResponse,
  error: ClavigerError,
): Promise<void> {
  const call = callOf(services, request.message, 'rest', proofOf(request.message));
  try {
    await refuse(services, null, call, error);
  } catch (thrown) {
    sendProblem(services, response, call, thrown);
  }
}

function sendProblem(services: Services, response: ServerResponse, call: Call, thrown: unknown): void {
  const error = toClavigerError(thrown);
  const index = error instanceof RefusedError ? error.index : null;
  const headers = [...PROBLEM_TYPE, ...recordHeaders(services, call, index)];
  if (error.code === 'UNAUTHENTICATED') headers.push('www-authenticate', 'Bearer realm="claviger"');
  if (error.code === 'THROTTLED') headers.push('retry-after', '1');
  send(response, call, error.http, headers, `${problemWithout(error)},"requestId":"${call.requestId}"}`);
}

/** What refusals for errors that are made once have in common: those of a flood all say the same. */
const problems = new WeakMap<ClavigerError, string>();

/** The JSON of a problem (RFC 9457), but for the request's id and the last brace. */
function problemWithout(error: ClavigerError): string {
  const known = problems.get(error);
  if (known !== undefined) return known;
  const text = JSON.stringify({
    type: `urn:claviger:error:${error.code}`,
    title: ERRORS[error.code].title,
    status: error.http,
    detail: error.message,
    code: error.code,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
  }).slice(0, -1);
  if (Object.isFrozen(error)) problems.set(error, text);
  return text;
}

/** The request's id, always ours, and the place of its record in the log where it has one. */
function recordHeaders({ ledger }: Services, { requestId }: Call, index: number | null): readonly string[] {
  if (index === null) return ['x-request-id', requestId];
  return ['x-request-id', requestId, 'x-claviger-audit', `${ledger.logId}/${index}`];
}

interface Asked {
  readonly route: RouteName;
  readonly operation: Operation<unknown, unknown>;
  readonly fields: Record<string, unknown>;
  readonly input: unknown;
  readonly idempotency: Idempotency | null;
}

/** What a request whose syntax is wrong would have asked for, as far as that could be read, and what is wrong. */
interface NotUnderstood {
  readonly route: RouteName | null;
  readonly error: ClavigerError;
}

function operationNameOf(route: RouteName | null): OperationName | null {
  return route === null ? null : OPERATIONS[route].name;
}

/**
 * What a request asks for. Nothing is decided here: a refusal goes through authentication and into the log.
 *
 * @param stranger why nobody's large body is not worth to be parsed
 */
function understood(request: HttpRequest, stranger: ClavigerError | null): Asked | NotUnderstood {
  let route: RouteName | null = null;
  try {
    const { message, path } = request;
    // What is asked for without its body is asked for all the same: Node leaves the body out.
    const found = findRoute(message.method === 'HEAD' ? 'GET' : message.method!, path);
    if (found === null) throw new ClavigerError('NOT_FOUND', notFound(message.method!, path));
    route = found.name;
    const operation = OPERATIONS[route] as unknown as Operation<unknown, unknown>;
    if (stranger !== null) throw stranger;
    const fields = fieldsOf(found, request);
    const idempotency = idempotencyOf(route, request);
    return { route, operation, fields, input: inputOf(route, fields), idempotency };
  } catch (thrown) {
    return { route, error: toClavigerError(thrown) };
  }
}

function proofOf({ headers: { authorization } }: IncomingMessage): Proof {
  if (authorization === undefined) return { kind: 'none' };
  return { kind: 'token', text: /^bearer /i.test(authorization) ? authorization.slice('bearer '.length).trim() : '' };
}

function notFound(method: string, path: string): string {
  return `there is no \`${method} ${printable(path)}\`; /openapi.json lists what there is`;
}

/** Body, or query where there is none, and what the path names. */
function fieldsOf({ name, named }: FoundRoute, { query, body }: HttpRequest): Record<string, unknown> {
  const route: Route = ROUTES[name];
  const inQuery = route.method === 'GET' || route.method === 'DELETE';
  if (!inQuery && query !== '') throw new ClavigerError('INVALID_ARGUMENT', 'this call takes no query parameters');
  const given = inQuery ? readQuery(query) : readJson(body);
  return { ...parseWith(route.input as z.ZodType<Record<string, unknown>>, given), ...named };
}

function readQuery(query: string): Record<string, string> {
  // Without a prototype, so that a parameter called `__proto__` is one, and unknown.
  const fields = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(query)) {
    if (Object.hasOwn(fields, name))
      throw new ClavigerError('INVALID_ARGUMENT', `\`${printable(name)}\` is given twice`);
    fields[name] = value;
  }
  return fields;
}

function idempotencyOf(name: RouteName, { message, path, body }: HttpRequest): Idempotency | null {
  const key = message.headers['idempotency-key'];
  if (key === undefined || !ROUTES[name].changes) return null;
  if (typeof key !== 'string' || !IDEMPOTENCY_KEY.test(key)) {
    throw errorOf('Serialization', '`Idempotency-Key` has 1 to 255 printable characters');
  }
  const route = `${message.method} ${path}`;
  const requestHash = hash('sha256', Buffer.concat([Buffer.from(`${route}\n`), body]), 'buffer');
  return { key, route, requestHash, encode: (output) => encodeJson(name, output, {}) };
}

/** An answer is JSON, or where the route says another type, the output as it is. */
function encodeAnswer(
  name: RouteName,
  output: unknown,
  fields: Record<string, unknown>,
  served: ServedBy | null,
): string | Uint8Array {
  const { media }: Route = ROUTES[name];
  return media === undefined ? encodeJson(name, output, fields, served) : (output as string | Uint8Array);
}

function encodeJson(
  name: RouteName,
  output: unknown,
  fields: Record<string, unknown>,
  served: ServedBy | null = null,
): string {
  const answer = answerOf(name, output, fields);
  return JSON.stringify(encodeBytes(served === null ? answer : { ...(answer as object), ...served }));
}

/** Which homes did the work; none where the built-in keystore alone did. */
function servedHeaders(served: ServedBy | null): readonly string[] {
  if (served === null) return [];
  const { provider, failovers } = served;
  const told = ['x-claviger-failovers', failovers.join(',')];
  return provider === null ? told : ['x-claviger-provider', provider, ...told];
}
