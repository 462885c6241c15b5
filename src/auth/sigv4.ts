/**
 * AWS Signature Version 4, as a server checks it: HMAC-SHA-256, in the `Authorization` header, for the service `kms`.
 *
 * `parseAuthorization` refuses everything that can be refused without the secret; `verifyClaim` checks the rest. What
 * is signed is canonicalised from what was sent, and the body is hashed here, whatever the caller declares.
 * Left out on purpose: presigned queries, SigV4A (ECDSA), unsigned and streamed payloads, session tokens.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 * @module
 */
import { createHmac, createSecretKey, hash, timingSafeEqual, type KeyObject } from 'node:crypto';
import { ClavigerError, errorOf } from '../errors.ts';
import { printable } from '../model/ids.ts';

const ALGORITHM = 'AWS4-HMAC-SHA256';
const ASYMMETRIC_ALGORITHM = 'AWS4-ECDSA-P256-SHA256';
export const SERVICE = 'kms';
const TERMINATOR = 'aws4_request';
/** How far a caller's clock may be from ours: that of AWS. */
export const SKEW_MS_MAX = 5 * 60 * 1000;
/** SDKs send about 400 characters; every signed header's name costs its length. */
const AUTHORIZATION_CHARS_MAX = 4096;
/** Days and regions whose signing keys are kept for one secret: around midnight two days are in use. */
const SIGNING_KEYS_MAX = 4;

const ACCESS_KEY_ID = /^\w{4,128}$/;
const SIGNATURE = /^[0-9a-f]{64}$/;
const HEADER_NAMES = /^[a-z0-9!#$%&'*+.^_`|~-]+(?:;[a-z0-9!#$%&'*+.^_`|~-]+)*$/;
const BASIC_TIME = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;
/** RFC 9110, section 5.6.7. */
const HTTP_TIME = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** A request as it came: nothing decoded, nothing joined. */
export interface SigV4Request {
  readonly method: string;
  /** The path as sent, without the query. */
  readonly path: string;
  /** The query as sent, without its question mark. */
  readonly query: string;
  /** Node's `rawHeaders`: name, value, name, value … */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** Who a request claims to come from, with what its signature covers. */
export interface SigV4Claim {
  readonly accessKeyId: string;
  /** Day of the scope, `yyyymmdd`. */
  readonly date: string;
  readonly region: string;
  /** `yyyymmddThhmmssZ`. */
  readonly time: string;
  /** Names joined by semicolons, as sent. */
  readonly signedHeaders: string;
  /** `name:value` lines of the signed headers, each with its line feed. */
  readonly canonicalHeaders: string;
  /** The body's hash in hex as the caller declares it, or null. */
  readonly declaredHash: string | null;
  /** Lower-case hex. */
  readonly signature: string;
}

/** What a claim is held against. */
export interface SigV4Expectation {
  readonly region: string;
  readonly nowMs: number;
}

/** Signing keys of one secret. Belongs to one credential, and goes with it when that changes. */
export class SigningKeys {
  readonly #secret: string;
  readonly #keys = new Map<string, KeyObject>();

  constructor(secret: string) {
    this.#secret = secret;
  }

  get(date: string, region: string): KeyObject {
    const name = `${date}/${region}`;
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    if (this.#keys.size >= SIGNING_KEYS_MAX) this.#keys.delete(this.#keys.keys().next().value!);
    const key = createSecretKey(signingKey(this.#secret, date, region, SERVICE));
    this.#keys.set(name, key);
    return key;
  }
}

/** The key that a day's requests to a service in a region are signed with. */
export function signingKey(secret: string, date: string, region: string, service: string): Buffer {
  let key: string | Buffer = `AWS4${secret}`;
  for (const part of [date, region, service]) key = createHmac('sha256', key).update(part).digest();
  return createHmac('sha256', key).update(TERMINATOR).digest();
}

/**
 * Reads the claim of a request and refuses what needs no secret to be refused.
 *
 * @throws UNAUTHENTICATED: reason MissingAuthentication without the header; IncompleteSignature for what is malformed
 *   or of a kind that is not taken; InvalidRequestSignature for a wrong scope, an uncovered header or a stale time
 */
export function parseAuthorization(request: SigV4Request, { region, nowMs }: SigV4Expectation): SigV4Claim {
  if (!request.path.startsWith('/')) throw errorOf('IncompleteSignature', 'the path must begin with a slash');
  if (isPresigned(request.query)) {
    throw errorOf('IncompleteSignature', 'presigned requests are not taken; sign with an `Authorization` header');
  }
  const headers = gather(request.headers);
  const authorization = headers.get('authorization');
  if (authorization === undefined) {
    throw errorOf('MissingAuthentication', `the request is not signed; send \`Authorization: ${ALGORITHM} …\``);
  }
  const { credential, signedHeaders, signature } = parseParts(authorization);
  if (headers.has('x-amz-security-token')) {
    throw new ClavigerError(
      'UNAUTHENTICATED',
      'the security token included in the request is invalid: session tokens are not issued here; use an access key alone',
    );
  }
  const [accessKeyId, date] = parseScope(credential, region);
  const canonicalHeaders = canonicalHeadersOf(headers, signedHeaders);
  const time = requireTime(headers, date, nowMs);
  const declaredHash = headers.get('x-amz-content-sha256') ?? null;
  if (declaredHash !== null && !SIGNATURE.test(declaredHash)) {
    throw errorOf(
      'InvalidRequestSignature',
      `\`x-amz-content-sha256: ${printable(declaredHash)}\` is not taken; sign the SHA-256 of the body, in lower-case hex`,
    );
  }
  return {
    accessKeyId,
    date,
    region,
    time,
    signedHeaders,
    canonicalHeaders,
    declaredHash,
    signature,
  };
}

/**
 * Checks that the request is what the holder of the secret signed.
 *
 * @throws UNAUTHENTICATED (reason InvalidRequestSignature)
 */
export function verifyClaim(claim: SigV4Claim, request: SigV4Request, keys: SigningKeys): void {
  const bodyHash = hash('sha256', request.body, 'hex');
  if (claim.declaredHash !== null && !isSameHex(claim.declaredHash, bodyHash)) {
    throw errorOf('InvalidRequestSignature', '`x-amz-content-sha256` is not the hash of the body that was sent');
  }
  const canonical = `${request.method}\n${canonicalPath(request.path)}\n${canonicalQuery(request.query)}\n${claim.canonicalHeaders}\n${claim.signedHeaders}\n${bodyHash}`;
  // Node hands over header bytes as Latin-1; so they are turned back into what was signed.
  const canonicalHash = hash('sha256', Buffer.from(canonical, 'latin1'), 'hex');
  const { date, region, time } = claim;
  const stringToSign = `${ALGORITHM}\n${time}\n${date}/${region}/${SERVICE}/${TERMINATOR}\n${canonicalHash}`;
  const signature = createHmac('sha256', keys.get(date, region)).update(stringToSign).digest('hex');
  if (!isSameHex(signature, claim.signature)) {
    throw errorOf(
      'InvalidRequestSignature',
      'the request signature we calculated does not match the signature you provided; check the secret access key and the signing method',
    );
  }
}

/** Header names in lower case → value; those that decide here must be there once, others are joined as AWS does. */
function gather(raw: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase();
    const value = raw[index + 1]!;
    const before = headers.get(name);
    if (before !== undefined && isSingle(name)) {
      throw errorOf('IncompleteSignature', `header \`${printable(name)}\` was sent more than once; send it once`);
    }
    headers.set(name, before === undefined ? value : `${canonicalValue(before)},${canonicalValue(value)}`);
  }
  return headers;
}

function isSingle(name: string): boolean {
  return name.startsWith('x-amz-') || name === 'authorization' || name === 'host' || name === 'date';
}

interface AuthorizationParts {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
}

function parseParts(authorization: string): AuthorizationParts {
  if (authorization.length > AUTHORIZATION_CHARS_MAX) {
    throw errorOf('IncompleteSignature', `\`Authorization\` has more than ${AUTHORIZATION_CHARS_MAX} characters`);
  }
  const space = authorization.indexOf(' ');
  const algorithm = space === -1 ? authorization : authorization.slice(0, space);
  if (algorithm === ASYMMETRIC_ALGORITHM) {
    throw errorOf(
      'IncompleteSignature',
      `SigV4A (\`${ASYMMETRIC_ALGORITHM}\`) is not taken; sign with \`${ALGORITHM}\``,
    );
  }
  if (algorithm !== ALGORITHM) {
    throw errorOf('IncompleteSignature', `\`Authorization\` must begin with \`${ALGORITHM}\``);
  }
  const parts = new Map<string, string>();
  for (const part of authorization.slice(space + 1).split(',')) {
    const trimmed = part.trim();
    const equals = trimmed.indexOf('=');
    const name = trimmed.slice(0, Math.max(equals, 0));
    if (parts.has(name)) throw errorOf('IncompleteSignature', `\`Authorization\` says \`${printable(name)}\` twice`);
    parts.set(name, trimmed.slice(equals + 1));
  }
  const credential = parts.get('Credential');
  const signedHeaders = parts.get('SignedHeaders');
  const signature = parts.get('Signature');
  if (credential === undefined || signedHeaders === undefined || signature === undefined || parts.size !== 3) {
    throw errorOf('IncompleteSignature', '`Authorization` needs exactly `Credential`, `SignedHeaders` and `Signature`');
  }
  if (!SIGNATURE.test(signature)) {
    throw errorOf('IncompleteSignature', '`Signature` in `Authorization` must be 64 lower-case hex digits');
  }
  return { credential, signedHeaders, signature };
}

function parseScope(credential: string, wantedRegion: string): readonly [accessKeyId: string, date: string] {
  const parts = credential.split('/');
  const [accessKeyId, date, region, service, terminator] = parts as [string, string, string, string, string];
  if (parts.length !== 5 || !ACCESS_KEY_ID.test(accessKeyId) || !/^\d{8}$/.test(date)) {
    throw errorOf(
      'IncompleteSignature',
      `\`Credential\` must be ACCESS_KEY_ID/YYYYMMDD/REGION/${SERVICE}/${TERMINATOR}, but is \`${printable(credential)}\``,
    );
  }
  if (region !== wantedRegion) {
    throw errorOf(
      'InvalidRequestSignature',
      `credential should be scoped to region \`${wantedRegion}\`, not \`${printable(region)}\`; set the client's region`,
    );
  }
  if (service !== SERVICE) {
    throw errorOf(
      'InvalidRequestSignature',
      `credential should be scoped to service \`${SERVICE}\`, not \`${printable(service)}\``,
    );
  }
  if (terminator !== TERMINATOR) {
    throw errorOf(
      'InvalidRequestSignature',
      `credential should be scoped with the terminator \`${TERMINATOR}\`, not \`${printable(terminator)}\``,
    );
  }
  return [accessKeyId, date];
}

/** The signed headers as lines, once it is sure that they cover what decides. */
function canonicalHeadersOf(headers: ReadonlyMap<string, string>, signedHeaders: string): string {
  if (!HEADER_NAMES.test(signedHeaders)) {
    throw errorOf(
      'IncompleteSignature',
      '`SignedHeaders` must be lower-case header names with semicolons between them',
    );
  }
  let lines = '';
  let before = '';
  let coveredAmz = 0;
  let coversHost = false;
  for (const name of signedHeaders.split(';')) {
    if (name <= before) {
      throw errorOf('IncompleteSignature', '`SignedHeaders` must be sorted and name each header once');
    }
    before = name;
    const value = headers.get(name);
    if (value === undefined) {
      throw errorOf('InvalidRequestSignature', `header \`${printable(name)}\` is signed, but was not sent`);
    }
    // A line feed would let one header pass for two; no HTTP parser lets one through.
    if (value.includes('\n')) throw errorOf('IncompleteSignature', `header \`${printable(name)}\` has a line feed`);
    if (name === 'host') coversHost = true;
    else if (name.startsWith('x-amz-')) coveredAmz += 1;
    lines += `${name}:${canonicalValue(value)}\n`;
  }
  const covered = (name: string): boolean => `;${signedHeaders};`.includes(`;${name};`);
  let sentAmz = 0;
  for (const name of headers.keys()) if (name.startsWith('x-amz-')) sentAmz += 1;
  if (sentAmz !== coveredAmz) {
    const open = [...headers.keys()].find((name) => name.startsWith('x-amz-') && !covered(name))!;
    throw errorOf('InvalidRequestSignature', `header \`${printable(open)}\` was sent, but is not signed`);
  }
  if (!coversHost) throw errorOf('InvalidRequestSignature', '`host` must be a signed header');
  if (!headers.has('x-amz-target')) throw errorOf('InvalidRequestSignature', '`x-amz-target` must be sent and signed');
  if (!headers.has('x-amz-date') && !covered('date')) {
    throw errorOf('InvalidRequestSignature', '`x-amz-date`, or `date`, must be sent and signed');
  }
  return lines;
}

/** The request's time in its basic form, once it is of the scope's day and near our clock. */
function requireTime(headers: ReadonlyMap<string, string>, date: string, nowMs: number): string {
  const sent = headers.get('x-amz-date') ?? fromHttpTime(headers.get('date')!);
  const atMs = parseBasicTime(sent);
  if (atMs === null) {
    throw errorOf(
      'IncompleteSignature',
      `\`${printable(sent)}\` is not a time; \`x-amz-date\` looks like 20150830T123600Z`,
    );
  }
  if (!sent.startsWith(date)) {
    throw errorOf(
      'InvalidRequestSignature',
      `the credential's date \`${date}\` is not the day of the request, \`${sent}\``,
    );
  }
  if (nowMs - atMs > SKEW_MS_MAX) {
    throw errorOf(
      'InvalidRequestSignature',
      `signature expired: ${sent} is earlier than ${basicTime(nowMs - SKEW_MS_MAX)}; check the client's clock`,
    );
  }
  if (atMs - nowMs > SKEW_MS_MAX) {
    throw errorOf(
      'InvalidRequestSignature',
      `signature not yet current: ${sent} is later than ${basicTime(nowMs + SKEW_MS_MAX)}; check the client's clock`,
    );
  }
  return sent;
}

function parseBasicTime(text: string): number | null {
  const match = BASIC_TIME.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match.map(Number) as [
    0,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const atMs = Date.UTC(year, month - 1, day, hour, minute, second);
  // Date.UTC carries the 31st of February over into March; such a time is none.
  const carries = year < 1970 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59;
  return carries || new Date(atMs).getUTCDate() !== day ? null : atMs;
}

/** The basic form of a header `Date`; what is none comes back as it is. */
function fromHttpTime(text: string): string {
  const atMs = HTTP_TIME.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? text : basicTime(atMs);
}

function basicTime(atMs: number): string {
  const iso = new Date(atMs).toISOString();
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`;
}

function canonicalValue(value: string): string {
  return value.includes('  ') || value.includes('\t') ? value.trim().replace(/[ \t]+/g, ' ') : value.trim();
}

/** Dot segments and empty ones removed, then each segment encoded once more than it was sent. */
function canonicalPath(path: string): string {
  if (path === '/') return '/';
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(encodeUri(segment));
  }
  return `/${segments.join('/')}${segments.length > 0 && path.endsWith('/') ? '/' : ''}`;
}

/** Pairs decoded, encoded again in the one way, and sorted by name, then by value. */
function canonicalQuery(query: string): string {
  if (query === '') return '';
  return query
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const name = equals === -1 ? pair : pair.slice(0, equals);
      return [recode(name), recode(equals === -1 ? '' : pair.slice(equals + 1))] as const;
    })
    .toSorted(([nameA, valueA], [nameB, valueB]) => order(nameA, nameB) || order(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function isPresigned(query: string): boolean {
  return query !== '' && query.split('&').some((pair) => /^x-amz-/i.test(decode(pair)));
}

function recode(text: string): string {
  return encodeUri(decode(text));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw errorOf('IncompleteSignature', 'the query has a malformed percent sign');
  }
}

/** RFC 3986: everything but unreserved characters. */
function encodeUri(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Both have 64 digits, and there is one way to write each. */
function isSameHex(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'));
}
