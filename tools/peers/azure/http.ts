/**
 * Requests and answers of the test server: bodies with a limit, JSON, errors in Azure's form.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { randomUUID } from 'node:crypto';

/** Azure's own is larger; no request of a test comes near. */
const BODY_BYTES_MAX = 65_536;

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Handler = (request: Request) => Answer | Promise<Answer>;

/** A refusal: `{ error: { code, message, innererror: { code } } }`. */
export class Refusal extends Error {
  readonly answer: Answer;

  constructor(status: number, code: string, message: string, inner?: string, headers: Answer['headers'] = {}) {
    super(message);
    const innererror = inner === undefined ? {} : { innererror: { code: inner } };
    this.answer = { status, headers, body: { error: { code, message, ...innererror } } };
  }
}

export function badParameter(message: string): Refusal {
  return new Refusal(400, 'BadParameter', message);
}

export async function readRequest(message: IncomingMessage): Promise<Request> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Refusal(413, 'RequestTooLarge', 'The request is too large.');
    chunks.push(chunk);
  }
  const url = new URL(message.url ?? '/', 'https://server');
  return {
    method: message.method ?? 'GET',
    path: url.pathname,
    query: url.searchParams,
    headers: message.headers,
    body: Buffer.concat(chunks).toString(),
  };
}

export async function answerTo(handle: Handler, message: IncomingMessage): Promise<Answer> {
  try {
    return await handle(await readRequest(message));
  } catch (error) {
    if (error instanceof Refusal) return error.answer;
    return new Refusal(500, 'InternalServerError', String(error)).answer;
  }
}

export function textOf({ body }: Answer): string {
  return body === undefined ? '' : JSON.stringify(body);
}

export function writeHead(response: ServerResponse, { status, headers = {} }: Answer, length: number): void {
  response.writeHead(status, {
    ...(length === 0 ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    'content-length': length,
    'cache-control': 'no-cache',
    'x-ms-request-id': randomUUID(),
    'x-ms-keyvault-service-version': '1.9.2000.1',
    ...headers,
  });
}

/** A JSON object, or BadParameter. */
export function jsonBody({ headers, body }: Request): Record<string, unknown> {
  if (!/^application\/json(;|$)/.test(headers['content-type'] ?? ''))
    throw new Refusal(415, 'UnsupportedMediaType', 'The content must be application/json.');
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw badParameter('The request body is not JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badParameter('The request body is no JSON object.');
  return value as Record<string, unknown>;
}
