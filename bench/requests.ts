/**
 * Requests as bytes, made before the clock runs.
 *
 * @module
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { signingKey } from '../src/auth/sigv4.ts';

/** Signed requests that are ready; a server that kept answers could not keep these. */
const SIGNED_REQUESTS = 4096;

export interface PlainRequest {
  /** `POST` where it is not given. */
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type RequestPlan =
  /** These, in turn. */
  | { readonly kind: 'http'; readonly requests: readonly PlainRequest[] }
  /** A KMS `Sign` of another message each, signed with SigV4. */
  | {
      readonly kind: 'aws-sign';
      readonly keyId: string;
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly region: string;
    };

const JSON_BODY = { 'content-type': 'application/json' };

export interface Requests {
  readonly requests: readonly Buffer[];
  /** What one SigV4 signature cost, microseconds; 0 where there is none. */
  readonly signingUs: number;
}

/** The request of a plan that sends one over and over, with JSON in both directions. */
export function jsonPlan(path: string, headers: Readonly<Record<string, string>>, input: object): RequestPlan {
  return { kind: 'http', requests: [{ path, headers: { ...JSON_BODY, ...headers }, body: JSON.stringify(input) }] };
}

export function bearer(token: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${token}` };
}

export function requestsOf(port: number, plan: RequestPlan): Requests {
  const host = `127.0.0.1:${port}`;
  if (plan.kind === 'http') {
    return { requests: plan.requests.map((request) => httpRequest(host, request)), signingUs: 0 };
  }
  const begun = process.cpuUsage();
  const sign = awsSigner(host, plan);
  const requests = Array.from({ length: SIGNED_REQUESTS }, sign);
  const { user, system } = process.cpuUsage(begun);
  return { requests, signingUs: (user + system) / SIGNED_REQUESTS };
}

/** Signs as an SDK does, with the day's key at hand. */
function awsSigner(host: string, plan: RequestPlan & { readonly kind: 'aws-sign' }): () => Buffer {
  const { keyId, accessKeyId, secretAccessKey, region } = plan;
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const scope = `${time.slice(0, 8)}/${region}/kms/aws4_request`;
  const key = signingKey(secretAccessKey, time.slice(0, 8), region, 'kms');
  const type = 'application/x-amz-json-1.1';
  const target = 'TrentService.Sign';
  const names = 'content-type;host;x-amz-date;x-amz-target';
  return () => {
    const Message = randomBytes(32).toString('base64');
    const body = JSON.stringify({ KeyId: keyId, Message, MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' });
    const lines = `content-type:${type}\nhost:${host}\nx-amz-date:${time}\nx-amz-target:${target}\n`;
    const toHash = `POST\n/\n\n${lines}\n${names}\n${sha256(body)}`;
    const toSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(toHash)}`;
    const signature = createHmac('sha256', key).update(toSign).digest('hex');
    const credential = `Credential=${accessKeyId}/${scope}`;
    const authorization = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names}, Signature=${signature}`;
    const headers = { 'content-type': type, 'x-amz-date': time, 'x-amz-target': target, authorization };
    return httpRequest(host, { path: '/', headers, body });
  };
}

export function httpRequest(host: string, { method = 'POST', path, headers, body }: PlainRequest): Buffer {
  const all = { host, ...headers, 'content-length': Buffer.byteLength(body) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
