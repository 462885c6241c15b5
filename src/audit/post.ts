/**
 * Sends bytes to an address outside, and reads a short answer: what witnesses, webhooks and alerts have in common.
 *
 * Addresses come from the configuration alone, never from a request. Still, what they name may change under us, so each
 * connection is held to the same rules: nothing goes to an address by which a machine talks to itself or its cloud
 * (link-local, multicast, unspecified), whatever a name resolves to at that moment; plain HTTP goes to loopback only, where
 * the caller wants secrecy; redirects are not followed; time and answer are bounded.
 *
 * @module
 */
import { lookup as systemLookup } from 'node:dns';
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { ClavigerError } from '../errors.ts';

/** A receiver that has not answered within this time is taken as one that is away. */
export const POST_TIMEOUT_MS = 10_000;
/** Answers are a line or a few; a receiver that sends more is cut off. */
export const POST_ANSWER_BYTES_MAX = 65_536;

/** Addresses that no receiver has: the metadata services of clouds are link-local. */
const NEVER = blockList([
  ['0.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
  ['fd00:ec2::', 32, 'ipv6'],
]);
const LOOPBACK = blockList([
  ['127.0.0.0', 8, 'ipv4'],
  ['::1', 128, 'ipv6'],
]);

export interface PostOptions {
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** PEM texts in place of the system's authorities, and our own certificate. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Ends it early: the server stops. */
  readonly signal?: AbortSignal;
}

export interface PostAnswer {
  readonly status: number;
  readonly contentType: string;
  /** The header Retry-After, as it is. */
  readonly retryAfter: string | null;
  readonly body: Buffer;
}

/**
 * Reads the address of a receiver.
 *
 * @param what names it in the error
 * @param plain where plain HTTP may go: `loopback` for what others must not read, `anywhere` for what is public and signed
 * @throws INVALID_ARGUMENT that says what is wrong with it
 */
export function receiverUrl(text: string, what: string, plain: 'loopback' | 'anywhere'): URL {
  const url = URL.parse(text);
  const refuse = (why: string): never => {
    throw new ClavigerError('INVALID_ARGUMENT', `\`${what}\`: ${why}`);
  };
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return refuse(`must be an address that begins with https://${plain === 'anywhere' ? ' or http://' : ''}`);
  }
  if (url.username !== '' || url.password !== '') return refuse('must have no user and no password in it');
  if (url.hash !== '') return refuse('must have no # in it');
  const host = hostOf(url);
  if (isIP(host) !== 0 && isIn(NEVER, host)) return refuse(`${host} is no address of a receiver`);
  if (url.protocol === 'http:' && plain === 'loopback' && host !== 'localhost' && !isIn(LOOPBACK, host)) {
    return refuse('must begin with https://; plain HTTP is for loopback addresses only');
  }
  return url;
}

/**
 * Posts a body and gives the answer, whatever its status. Whether to try again is the caller's.
 *
 * @throws Error that says in words why there is no answer: refused, timed out, too long, forbidden
 */
export async function post(url: URL, body: Uint8Array | string, options: PostOptions): Promise<PostAnswer> {
  const { contentType, headers = {}, timeoutMs = POST_TIMEOUT_MS, tls = {}, signal } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const request: RequestOptions & SecureContextOptions = {
    ...tls,
    method: 'POST',
    headers: { 'content-type': contentType, 'content-length': bytes.length, 'user-agent': 'claviger', ...headers },
    lookup: allowedLookup,
    signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
  };
  // An IP address is never looked up, so it is held to the rule here.
  const host = hostOf(url);
  if (isIP(host) !== 0 && isIn(NEVER, host)) throw forbidden(host);
  try {
    return await exchange(url, request, bytes);
  } catch (error) {
    if (timeout.aborted) throw new Error(`no answer within ${timeoutMs / 1000} s`, { cause: error });
    throw error;
  }
}

function exchange(url: URL, request: RequestOptions & SecureContextOptions, body: Uint8Array): Promise<PostAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<PostAnswer>();
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const sent = send(url, request, (answer) => {
    const { statusCode = 0, headers } = answer;
    read(answer).then((read) => {
      const { 'content-type': contentType = '', 'retry-after': retryAfter = null } = headers;
      resolve({ status: statusCode, contentType, retryAfter, body: read });
    }, reject);
  });
  sent.on('error', (error: NodeJS.ErrnoException) => {
    // The receiver had closed a kept connection just then: nothing was read of this request.
    if (sent.reusedSocket && error.code === 'ECONNRESET') resolve(exchange(url, request, body));
    else reject(error);
  });
  sent.end(body);
  return promise;
}

async function read(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    length += part.length;
    // Leaving the loop destroys the connection.
    if (length > POST_ANSWER_BYTES_MAX) throw new Error(`the answer has more than ${POST_ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The host of a URL as `net` writes it: IPv6 without brackets. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** As the system's, but a name that has a forbidden address has none: so a changed name leads nowhere either. */
const allowedLookup: LookupFunction = (hostname, options, callback) => {
  systemLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '');
    const bad = addresses.find(({ address }) => isIn(NEVER, address));
    if (bad !== undefined) return callback(forbidden(bad.address), '');
    if (options.all === true) return callback(null, addresses);
    const [{ address, family } = { address: '', family: 0 }] = addresses;
    return callback(null, address, family);
  });
};

function forbidden(address: string): Error {
  return new Error(`${address} is no address of a receiver, so nothing is sent there`);
}

function isIn(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

function blockList(subnets: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[]): BlockList {
  const list = new BlockList();
  for (const [address, prefix, family] of subnets) list.addSubnet(address, prefix, family);
  return list;
}
