/**
 * A small signer of its own for tests, which shares no line with the code that checks; and requests to sign.
 *
 * @module
 */
import { createHash, createHmac } from 'node:crypto';
import type { SigV4Request } from '../../../src/auth/sigv4.ts';

export const ACCESS_KEY_ID = 'CLAVAAAABBBBCCCCDDDD';
export const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
export const REGION = 'eu-central-1';
export const TIME = '20150830T123600Z';
export const NOW_MS = Date.UTC(2015, 7, 30, 12, 36);

export interface SignOptions {
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly accessKeyId?: string;
  readonly secret?: string;
  readonly scope?: string;
  readonly time?: string;
  readonly signedHeaders?: string;
  readonly algorithm?: string;
  readonly separator?: string;
}

/** Headers as the AWS CLI sends them. */
export const HEADERS: readonly (readonly [string, string])[] = [
  ['Host', 'localhost:8443'],
  ['Content-Type', 'application/x-amz-json-1.1'],
  ['X-Amz-Target', 'TrentService.Encrypt'],
  ['X-Amz-Date', TIME],
];

/** A request signed as AWS writes it down, step by step; the path and the query must be canonical already. */
export function sign(options: SignOptions = {}): SigV4Request {
  const {
    headers = HEADERS,
    body = '{"KeyId":"1","Plaintext":"aGVsbG8="}',
    method = 'POST',
    path = '/',
    query = '',
    accessKeyId = ACCESS_KEY_ID,
    secret = SECRET,
    time = TIME,
    scope = `${time.slice(0, 8)}/${REGION}/kms/aws4_request`,
    algorithm = 'AWS4-HMAC-SHA256',
    separator = ', ',
  } = options;
  const byName = new Map(headers.map(([name, value]) => [name.toLowerCase(), value.trim().replaceAll(/ +/g, ' ')]));
  const signedHeaders = options.signedHeaders ?? [...byName.keys()].sort().join(';');
  const lines = signedHeaders.split(';').map((name) => `${name}:${byName.get(name) ?? ''}\n`);
  const canonical = [method, path, query, lines.join(''), signedHeaders, sha256(body)].join('\n');
  const stringToSign = [algorithm, time, scope, sha256(canonical)].join('\n');
  let key: string | Buffer = `AWS4${secret}`;
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest();
  const signature = createHmac('sha256', key).update(stringToSign).digest('hex');
  const credential = `Credential=${accessKeyId}/${scope}`;
  const parts = [credential, `SignedHeaders=${signedHeaders}`, `Signature=${signature}`];
  return {
    method,
    path,
    query,
    headers: [...headers.flat(), 'Authorization', `${algorithm} ${parts.join(separator)}`],
    body: Buffer.from(body),
  };
}

/** The request with a header's value replaced, added, or taken away by null. */
export function withHeader(request: SigV4Request, name: string, value: string | null): SigV4Request {
  const headers: string[] = [];
  let found = false;
  for (let index = 0; index < request.headers.length; index += 2) {
    const same = request.headers[index]!.toLowerCase() === name.toLowerCase();
    found ||= same;
    if (!same) headers.push(request.headers[index]!, request.headers[index + 1]!);
    else if (value !== null) headers.push(request.headers[index]!, value);
  }
  if (!found && value !== null) headers.push(name, value);
  return { ...request, headers };
}

export function authorizationOf({ headers }: SigV4Request): string {
  return headers[headers.indexOf('Authorization') + 1]!;
}

export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}
