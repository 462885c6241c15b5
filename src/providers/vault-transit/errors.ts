/**
 * What Vault and OpenBao say when they refuse → our codes.
 *
 * They answer with a status and a text, and the text alone tells most refusals apart: one 400 is a changed ciphertext, the
 * next a key that is not there. Texts were read in the sources of Vault 1.13 and are matched by the part that names the
 * reason. A text that no row knows is judged by its status.
 *
 * @module
 * @see https://developer.hashicorp.com/vault/api-docs#http-status-codes
 */
import { ClavigerError, invalidCiphertext, type ErrorCode } from '../../errors.ts';

/** Of the service's own words; they are for the operator, and say what they say early. */
const WORDS_CHARACTERS_MAX = 500;
/** 429 is only a standby node's where `sys/health` is asked; elsewhere it is a quota. */
export const STATUS_STANDBY = 429;
export const STATUS_UNINITIALIZED = 501;

/**
 * The `type` that goes with every request to encrypt. Transit makes a key that it does not have, and would so put another
 * one in the place of one that was destroyed; of this type it can make none, and of a key that is there it does not look at
 * the type.
 */
export const NO_NEW_KEY = 'none-is-made-here';

interface Row {
  readonly status?: readonly number[];
  readonly text?: RegExp;
  readonly code: ErrorCode;
  /** What is wrong and what to do; never the service's own words. */
  readonly says: string;
}

const NOT_TRANSIT = 'no Transit engine is mounted there; set `mount` to where it is';
const STANDBY = 'it is a standby node and cannot reach the active one';
/** Vault answers 500 where its code has not foreseen a refusal. */
const REFUSED = [400, 500];

/** The first row that fits. */
const ROWS: readonly Row[] = [
  { status: [503], text: /is sealed/i, code: 'PROVIDER_UNAVAILABLE', says: 'it is sealed; unseal it' },
  { status: [301, 302, 307, 308, 472, 473], code: 'PROVIDER_UNAVAILABLE', says: STANDBY },
  { text: /standby|active cluster node not found/i, code: 'PROVIDER_UNAVAILABLE', says: STANDBY },
  { status: [429], code: 'THROTTLED', says: 'it has answered that there are too many requests' },
  { status: [403, 401], code: 'PROVIDER_DENIED', says: 'its policies do not let us do this' },
  { status: [404], text: /no handler for route|unsupported path/, code: 'PROVIDER_MISCONFIGURED', says: NOT_TRANSIT },
  { status: [405], code: 'PROVIDER_MISCONFIGURED', says: NOT_TRANSIT },
  {
    status: [400],
    text: /HTTP request to an HTTPS server/i,
    code: 'PROVIDER_MISCONFIGURED',
    says: 'it speaks TLS; begin `address` with https://',
  },
  { status: [413], code: 'LIMIT_EXCEEDED', says: 'the request is longer than it takes' },

  {
    status: REFUSED,
    text: /invalid ciphertext|message authentication failed|failed to RSA decrypt|crypto\/rsa: decryption error/,
    code: 'INVALID_CIPHERTEXT',
    says: '',
  },
  {
    status: REFUSED,
    text: /less than the minimum encryption key version|cannot generate HMAC: version is too old/,
    code: 'KEY_STATE',
    says: 'the key version is below `min_encryption_version`, so it protects nothing anew',
  },
  {
    status: REFUSED,
    text: /disallowed by policy \(too old\)|no such key version/,
    code: 'KEY_STATE',
    says: 'the key version is below `min_decryption_version`, or was trimmed',
  },
  {
    status: REFUSED,
    text: new RegExp(`unknown key type ${NO_NEW_KEY}`),
    code: 'KEY_NOT_FOUND',
    says: 'it has no such key',
  },
  {
    status: REFUSED,
    text: /key not found|no key found with name|could not delete key; not found|higher than the latest key version|key version does not exist/,
    code: 'KEY_NOT_FOUND',
    says: 'it has no such key, or not that version of it',
  },
  {
    status: REFUSED,
    text: /already exist|with an existing key/,
    code: 'KEY_EXISTS',
    says: 'it has a key of that name',
  },
  {
    status: REFUSED,
    text: /does not allow rotation/,
    code: 'KEY_STATE',
    says: 'the key was imported, and Vault makes no new version of it',
  },
  {
    status: REFUSED,
    text: /deletion is not allowed/,
    code: 'KEY_STATE',
    says: '`deletion_allowed` of the key is false',
  },
  {
    status: REFUSED,
    text: /missing 'context' for key derivation/,
    code: 'UNSUPPORTED',
    says: 'the key was made with `derived`, which Claviger does not use',
  },
  {
    status: REFUSED,
    text: /not supported for key type|does not support signing|non-AEAD/,
    code: 'KEY_USAGE',
    says: 'keys of that type do not do this',
  },
  { status: REFUSED, text: /unknown key type/, code: 'UNSUPPORTED', says: 'this version has no keys of that type' },
  {
    status: REFUSED,
    text: /error parsing asymmetric key|invalid key size|invalid key type|invalid curve/,
    code: 'INVALID_ARGUMENT',
    says: 'the material is no key of that type',
  },
  { status: [404], code: 'KEY_NOT_FOUND', says: 'it has no such key' },
];

/** An answer that is a refusal. */
export interface Refusal {
  readonly status: number;
  /** Its `errors`, or the beginning of a body that is none of Vault's. */
  readonly words: string;
}

/** The error that a refusal is. */
export function refusalError(provider: string, refusal: Refusal, code?: ErrorCode, says?: string): ClavigerError {
  const row = rowOf(refusal);
  const chosen = code ?? row.code;
  const message =
    chosen === 'INVALID_CIPHERTEXT' ? invalidCiphertext().message : `provider \`${provider}\`: ${says ?? row.says}`;
  return new ClavigerError(chosen, message, {
    native: { provider, code: String(refusal.status), requestId: null },
    cause: new Error(`${refusal.status}: ${refusal.words.slice(0, WORDS_CHARACTERS_MAX)}`),
  });
}

function rowOf({ status, words }: Refusal): Pick<Row, 'code' | 'says'> {
  const row = ROWS.find((row) => (row.status?.includes(status) ?? true) && (row.text?.test(words) ?? true));
  if (row !== undefined) return row;
  if (status >= 500) return { code: 'PROVIDER_UNAVAILABLE', says: `it has answered with status ${status}` };
  return { code: 'INVALID_ARGUMENT', says: `it has refused the request with status ${status}` };
}

/** Vault has answered, and not with what was asked for: nothing of it is used, and no other home is asked in its place. */
export function integrityError(provider: string, what: string): ClavigerError {
  return new ClavigerError('PROVIDER_INTEGRITY', `provider \`${provider}\`: its answer is wrong: ${what}`, {
    native: { provider, code: 'integrity', requestId: null },
  });
}

/** What came is no answer of Vault's: cut off, a proxy's page, or JSON of another form. Another home may be asked. */
export function unreadableError(provider: string, what: string): ClavigerError {
  return new ClavigerError('PROVIDER_UNAVAILABLE', `provider \`${provider}\`: it has not answered: ${what}`, {
    native: { provider, code: 'unreadable', requestId: null },
  });
}

/** Codes of Node where the server's certificate is the reason. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/;

/** No answer came: refused, reset, cut off, or no TLS. */
export function connectionError(provider: string, cause: unknown): ClavigerError {
  const { code = null } = cause as { code?: string | null };
  const says =
    code !== null && CERTIFICATE.test(code)
      ? 'its certificate is not trusted; set `caFile`, and an `address` that the certificate names'
      : 'it does not answer';
  return new ClavigerError('PROVIDER_UNAVAILABLE', `provider \`${provider}\`: ${says}${code ? ` (${code})` : ''}`, {
    native: { provider, code, requestId: null },
    cause,
  });
}

/** A refusal that we read from what the service says of a key, rather than one in its own words. */
export function homeError(provider: string, code: ErrorCode, says: string, cause?: unknown): ClavigerError {
  return new ClavigerError(code, `provider \`${provider}\`: ${says}`, {
    native: { provider, code: null, requestId: null },
    ...(cause === undefined ? {} : { cause }),
  });
}
