/**
 * Tokens that service accounts sign themselves (AIP-4111), checked: signature, issuer, scope or audience, times.
 *
 * @module
 * @see https://google.aip.dev/auth/4111
 */
import { verify } from 'node:crypto';
import { KmsError } from './status.ts';

const SCOPES = ['https://www.googleapis.com/auth/cloudkms', 'https://www.googleapis.com/auth/cloud-platform'];
const AUDIENCE = 'https://cloudkms.googleapis.com/';
const LIFETIME_SECONDS_MAX = 3600;

/** E-mail of a service account → its public key in PEM. */
export type ServiceAccounts = Readonly<Record<string, string>>;

/**
 * @param validFromMs tokens that were issued before this are over
 * @throws KmsError UNAUTHENTICATED
 */
export function checkToken(
  authorization: unknown,
  accounts: ServiceAccounts,
  nowMs: number,
  validFromMs: number,
): void {
  const refuse = (why: string): never => {
    throw new KmsError('UNAUTHENTICATED', `Request had invalid authentication credentials: ${why}.`);
  };
  const [, token = ''] = /^Bearer (.+)$/.exec(String(authorization)) ?? refuse('there is no bearer token');
  const [header = '', payload = '', signature = ''] = token.split('.');
  const { alg } = parse(header);
  const { iss, sub, aud, scope, iat, exp } = parse(payload);
  const key = accounts[String(iss)] ?? refuse('the issuer is unknown');
  if (alg !== 'RS256') refuse('the algorithm is not RS256');
  const signed = Buffer.from(`${header}.${payload}`);
  if (!verify('sha256', signed, key, Buffer.from(signature, 'base64url'))) refuse('the signature is wrong');
  if (sub !== iss) refuse('the subject is not the issuer');
  const scopes = (typeof scope === 'string' ? scope : '').split(' ');
  if (aud !== AUDIENCE && !scopes.some((one) => SCOPES.includes(one))) refuse('neither scope nor audience is ours');
  const [issued, ends] = [Number(iat), Number(exp)];
  if (!(ends * 1000 > nowMs && issued * 1000 <= nowMs + 60_000 && ends - issued <= LIFETIME_SECONDS_MAX)) {
    refuse('the token is expired, or not valid yet');
  }
  if (issued * 1000 < validFromMs) refuse('the token is expired');
}

function parse(part: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}
