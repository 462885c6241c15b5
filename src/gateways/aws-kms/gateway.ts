/**
 * The AWS KMS protocol (awsJson1.1 over SigV4): bytes of a request → input of an operation, its output → bytes of the
 * answer. It decides nothing.
 *
 * @module
 */
import type { ServerResponse } from 'node:http';
import type { Proof } from '../../auth/authenticator.ts';
import { ClavigerError, errorOf, toClavigerError } from '../../errors.ts';
import { printable } from '../../model/ids.ts';
import { execute, refuse } from '../../operations/execute.ts';
import type { Call } from '../../operations/operation.ts';
import type { Services } from '../../operations/services.ts';
import { encodeBytes } from '../../wire/index.ts';
import { callOf, parseWith, readJson, send, strangersError, type HttpRequest } from '../http-call.ts';
import { AWS_OPERATIONS, UNSUPPORTED_OPERATIONS, type AwsOperation } from './operations.ts';

const TARGET_PREFIX = 'TrentService.';
const CONTENT_TYPE = ['content-type', 'application/x-amz-json-1.1'] as const;

export async function serveAwsKms(services: Services, request: HttpRequest, response: ServerResponse): Promise<void> {
  let call = callOf(services, request.message, 'aws', proofOf(request));
  try {
    const looking = strangersError(services, request, call);
    const stranger = looking === null ? null : await looking;
    const asked = understood(request, stranger);
    if (asked.row !== null) call.trace?.rename(`POST / ${asked.row.operation.name}`);
    if ('error' in asked) return await refuse(services, asked.row?.operation.name ?? null, call, asked.error);
    const { row, fields, input } = asked;
    if (fields['DryRun'] === true) call = { ...call, dryRun: true };
    const answer = await execute(services, row.operation, call, input);
    if (answer.kind === 'replay') throw new ClavigerError('INTERNAL', 'nothing is replayed here');
    const body = row.toAnswer(answer.output as never, fields as never);
    send(response, call, 200, headersOf(call), body === null ? '' : JSON.stringify(encodeBytes(body)));
  } catch (thrown) {
    sendError(response, call, toClavigerError(thrown));
  }
}

/** Refuses a request whose body could not be read; without it there is no signature to check. */
export async function refuseAwsKms(
  services: Services,
  request: HttpRequest,
  response: ServerResponse,
  error: ClavigerError,
): Promise<void> {
  const call = callOf(services, request.message, 'aws', { kind: 'unread', error });
  try {
    await refuse(services, null, call, error);
  } catch (thrown) {
    sendError(response, call, toClavigerError(thrown));
  }
}

function proofOf({ message, path, query, body }: HttpRequest): Proof {
  const { method = '', rawHeaders } = message;
  return { kind: 'sigv4', request: { method, path, query, headers: rawHeaders, body } };
}

interface Asked {
  readonly row: AwsOperation;
  readonly fields: Record<string, unknown>;
  readonly input: unknown;
}

/** What a request whose syntax is wrong would have asked for, as far as that could be read, and what is wrong. */
interface NotUnderstood {
  readonly row: AwsOperation | null;
  readonly error: ClavigerError;
}

/**
 * What a request asks for. Nothing is decided here: a refusal goes through authentication and into the log.
 *
 * @param stranger why nobody's large body is not worth to be parsed
 */
function understood(request: HttpRequest, stranger: ClavigerError | null): Asked | NotUnderstood {
  let row: AwsOperation | null = null;
  try {
    row = rowOf(request);
    if (stranger !== null) throw stranger;
    const fields = fieldsOf(row, request);
    return { row, fields, input: row.toInput(fields as never) };
  } catch (thrown) {
    return { row, error: toClavigerError(thrown) };
  }
}

/**
 * The row of the operation that `X-Amz-Target` names.
 *
 * @throws UNSUPPORTED for an operation of AWS that we do not have; INVALID_ARGUMENT (reason UnknownOperation) for none
 */
function rowOf({ message }: HttpRequest): AwsOperation {
  const target = String(message.headers['x-amz-target'] ?? '');
  const name = target.startsWith(TARGET_PREFIX) ? target.slice(TARGET_PREFIX.length) : '';
  const row = AWS_OPERATIONS.get(name);
  if (row !== undefined) return row;
  if (UNSUPPORTED_OPERATIONS.has(name)) throw new ClavigerError('UNSUPPORTED', `\`${name}\` is not supported here`);
  const told = target === '' ? '`X-Amz-Target` is missing' : `\`${printable(target)}\` is no operation of AWS KMS`;
  throw errorOf('UnknownOperation', told);
}

function fieldsOf(row: AwsOperation, request: HttpRequest): Record<string, unknown> {
  const body = readJson(request.body);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw errorOf('Serialization', 'the body is not a JSON object');
  }
  const given = body as Record<string, unknown>;
  const refused = row.refused.find((name) => isSet(given[name]));
  if (refused !== undefined) throw new ClavigerError('UNSUPPORTED', `\`${refused}\` is not supported here`);
  if (Array.isArray(given['GrantTokens']) && given['GrantTokens'].length > 0) {
    throw new ClavigerError('UNSUPPORTED', '`GrantTokens` are not supported here');
  }
  // SDKs leave out what is not set, but some send null.
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  return parseWith(row.schema, set);
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false;
}

function sendError(response: ServerResponse, call: Call, error: ClavigerError): void {
  const body = JSON.stringify({ __type: error.aws, message: error.message });
  // AWS knows two: the SDKs act on the type, and retry a 500.
  send(response, call, error.http >= 500 ? 500 : 400, headersOf(call), body);
}

function headersOf({ requestId }: Call): readonly string[] {
  return [...CONTENT_TYPE, 'x-amzn-requestid', requestId];
}
