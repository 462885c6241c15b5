/**
 * JSON Web Tokens with RS256 (RFC 7519, RFC 7515), for the test server: enough to give them out and to be strict.
 *
 * @module
 */
import { createPublicKey, generateKeyPairSync, randomUUID, sign, verify, type KeyObject } from 'node:crypto';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

export type Claims = Readonly<Record<string, unknown>>;

export function newSigningKey(): SigningKey {
  return { kid: randomUUID(), privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey };
}

export function signJwt({ kid, privateKey }: SigningKey, claims: Claims): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part({ alg: 'RS256', typ: 'JWT', kid })}.${part(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

/** The claims of a token; null for anything that this key has not signed, or that is not valid now. */
export function verifyJwt(token: string, key: SigningKey, nowMs: number): Claims | null {
  const [header, payload, signature, ...more] = token.split('.');
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) return null;
  const { alg, kid } = decoded(header) as { alg?: unknown; kid?: unknown };
  if (alg !== 'RS256' || kid !== key.kid) return null;
  const signed = Buffer.from(`${header}.${payload}`);
  if (!verify('sha256', signed, createPublicKey(key.privateKey), Buffer.from(signature, 'base64url'))) return null;
  const claims = decoded(payload) as { exp?: unknown; nbf?: unknown };
  const now = nowMs / 1000;
  if (typeof claims.exp !== 'number' || claims.exp <= now) return null;
  if (typeof claims.nbf === 'number' && claims.nbf > now + 1) return null;
  return claims;
}

function decoded(part: string): object {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) as object;
  } catch {
    return {};
  }
}
