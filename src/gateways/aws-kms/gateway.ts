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
import { callOf, parseWith, readJson, send, type HttpRequest } from '../http-call.ts';
import { AWS_OPERATIONS, UNSUPPORTED_OPERATIONS, type AwsOperation } from './operations.ts';

const TARGET_PREFIX = 'TrentService.';
const CONTENT_TYPE = { 'content-type': 'application/x-amz-json-1.1' };

export async function serveAwsKms(services: Services, request: HttpRequest, response: ServerResponse): Promise<void> {
  let call = callOf(services, request, 'aws', proofOf(request));
  try {
    const row = await found(services, call, request);
    call.trace?.rename(`POST / ${row.operation.name}`);
    const fields = await tried(services, call, row, () => fieldsOf(row, request));
    call = { ...call, dryRun: fields['DryRun'] === true };
    const input = await tried(services, call, row, () => row.toInput(fields as never));
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
  const call = callOf(services, request, 'aws', { kind: 'unread', error });
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

/** The row of the operation that `X-Amz-Target` names. */
async function found(services: Services, call: Call, request: HttpRequest): Promise<AwsOperation> {
  const target = String(request.message.headers['x-amz-target'] ?? '');
  const name = target.startsWith(TARGET_PREFIX) ? target.slice(TARGET_PREFIX.length) : '';
  const row = AWS_OPERATIONS.get(name);
  if (row !== undefined) return row;
  if (UNSUPPORTED_OPERATIONS.has(name)) {
    return refuse(services, null, call, new ClavigerError('UNSUPPORTED', `\`${name}\` is not supported here`));
  }
  const told = target === '' ? '`X-Amz-Target` is missing' : `\`${printable(target)}\` is no operation of AWS KMS`;
  return refuse(services, null, call, errorOf('UnknownOperation', told));
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

async function tried<T>(services: Services, call: Call, row: AwsOperation, step: () => T): Promise<T> {
  try {
    return step();
  } catch (thrown) {
    return refuse(services, row.operation.name, call, toClavigerError(thrown));
  }
}

function sendError(response: ServerResponse, call: Call, error: ClavigerError): void {
  const body = JSON.stringify({ __type: error.aws, message: error.message });
  // AWS knows two: the SDKs act on the type, and retry a 500.
  send(response, call, error.http >= 500 ? 500 : 400, headersOf(call), body);
}

function headersOf({ requestId }: Call): Record<string, string> {
  return { ...CONTENT_TYPE, 'x-amzn-requestid': requestId };
}
