/**
 * API tokens: `clv_`, the credential's id and a secret, such as `clv_AZrX…22 characters…_…43 characters…`.
 *
 * The secret is 32 random bytes, so one SHA-256 is a sufficient verifier: there is nothing to guess that a slow hash
 * would protect. The prefix lets scanners for leaked secrets find a token.
 *
 * @module
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { uuidBytes, uuidText } from '../model/ids.ts';
import type { Random } from '../ports/random.ts';

const PREFIX = 'clv_';
const ID_CHARS = 22;
const SECRET_BYTES = 32;
const SECRET_CHARS = 43;
const SECRET_START = PREFIX.length + ID_CHARS + 1;
export const TOKEN_CHARS = SECRET_START + SECRET_CHARS;

export interface NewToken {
  /** Shown once and kept nowhere. */
  readonly text: string;
  /** SHA-256 of the secret: what a credential keeps. */
  readonly verifier: Buffer;
}

export interface ParsedToken {
  /** The credential's id, in the text form of a UUID. */
  readonly id: string;
  readonly secret: Buffer;
}

/** A new token for the credential with this id (a UUID's text). */
export function newToken(id: string, random: Random): NewToken {
  const secret = random.bytes(SECRET_BYTES);
  const text = `${PREFIX}${uuidBytes(id).toString('base64url')}_${secret.toString('base64url')}`;
  return { text, verifier: verifierOf(secret) };
}

/** The parts of a token; null for what is not the one way to write it. */
export function parseToken(text: string): ParsedToken | null {
  if (text.length !== TOKEN_CHARS || !text.startsWith(PREFIX) || text[SECRET_START - 1] !== '_') return null;
  const id = decodeCanonical(publicPart(text));
  const secret = decodeCanonical(text.slice(SECRET_START));
  return id === null || secret === null ? null : { id: uuidText(id), secret };
}

/** The part of a token that is no secret: its credential's id as it stands there. */
export function publicPart(text: string): string {
  return text.slice(PREFIX.length, SECRET_START - 1);
}

/** True where the secret is the one that the verifier was made of; takes the same time for every wrong one. */
export function tokenMatches(verifier: Uint8Array, secret: Uint8Array): boolean {
  const wanted = verifierOf(secret);
  return verifier.length === wanted.length && timingSafeEqual(verifier, wanted);
}

function verifierOf(secret: Uint8Array): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** Node skips what is not base64url and ignores spare bits; only the text that encoding gives back is taken. */
function decodeCanonical(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}
