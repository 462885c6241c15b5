/**
 * Identifiers: UUID version 7 (RFC 9562, section 5.7), ARNs and the ways in which a caller names a key.
 *
 * @module
 */
import { ClavigerError, errorOf } from '../errors.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** AWS: 1 to 256 characters with the prefix. */
const ALIAS_NAME = /^[a-zA-Z0-9/_-]{1,250}$/;
const ARN = /^arn:(aws|aws-us-gov|aws-cn):kms:([a-z0-9-]{1,64}):([0-9]{12}):(key|alias)\/(.+)$/;
/** Longest reference that is looked at: an alias ARN is under 340 characters. */
export const KEY_REFERENCE_CHARS_MAX = 512;

/** Where a UUID is put together: every request has one, and memory of its own would cost more than all else of it. */
const scratch = Buffer.alloc(16);

/** How a caller named a key: by id, or by an alias; with the account and region where an ARN said them. */
export interface KeyName {
  readonly kind: 'id' | 'alias';
  readonly value: string;
  readonly accountId: string | null;
  readonly region: string | null;
}

/** The lower-case text of a UUID v7: 48 bits of milliseconds, then random bits. `random` has 10 bytes. */
export function uuidV7(nowMs: number, random: Uint8Array): string {
  const bytes = scratch;
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The 16 bytes of a UUID's text. */
export function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** The text of a UUID's 16 bytes. */
export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function keyArn(region: string, accountId: string, keyId: string): string {
  return `arn:aws:kms:${region}:${accountId}:key/${keyId}`;
}

export function aliasArn(region: string, accountId: string, name: string): string {
  return `arn:aws:kms:${region}:${accountId}:alias/${name}`;
}

/**
 * Reads how a caller named a key: an id, a key or alias ARN, `alias/NAME` or `alias:NAME`.
 *
 * @throws INVALID_ARGUMENT (reason InvalidArn) for a malformed ARN; KEY_NOT_FOUND for what can name no key
 */
export function parseKeyName(text: string): KeyName {
  if (text.length > KEY_REFERENCE_CHARS_MAX) throw new ClavigerError('INVALID_ARGUMENT', 'key name is too long');
  if (isUuid(text)) return { kind: 'id', value: text, accountId: null, region: null };
  if (text.startsWith('arn:')) return parseArn(text);
  if (text.startsWith('alias/') || text.startsWith('alias:')) {
    return { kind: 'alias', value: text.slice(6), accountId: null, region: null };
  }
  throw new ClavigerError('KEY_NOT_FOUND', `key \`${printable(text)}\` does not exist`);
}

function parseArn(text: string): KeyName {
  const match = ARN.exec(text);
  if (match === null) {
    throw errorOf(
      'InvalidArn',
      `\`${printable(text)}\` is not a key or alias ARN; it looks like arn:aws:kms:REGION:ACCOUNT:key/ID`,
    );
  }
  const [, , region, accountId, kind, value] = match as unknown as [string, string, string, string, string, string];
  return { kind: kind === 'key' ? 'id' : 'alias', value, accountId, region };
}

/**
 * The name of an alias without its `alias/` prefix, checked as AWS does.
 *
 * @throws INVALID_ARGUMENT (reason InvalidAliasName)
 */
export function requireAliasName(name: string): string {
  if (!ALIAS_NAME.test(name)) {
    throw errorOf('InvalidAliasName', `\`${printable(name)}\` is not an alias name: use 1 to 250 of a-z A-Z 0-9 / _ -`);
  }
  if (name.startsWith('aws/')) throw errorOf('InvalidAliasName', 'alias names that begin with `aws/` are reserved');
  return name;
}

/** Caller's text, made safe to stand in a message: short and without control characters. */
export function printable(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?').replaceAll('`', "'");
  return clean.length > 100 ? `${clean.slice(0, 100)}…` : clean;
}
