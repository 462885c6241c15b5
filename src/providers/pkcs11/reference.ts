/**
 * How a key of a token is named: `id=<CKA_ID in hexadecimal>`, which never changes; by people also `label=…`, the label
 * alone, or a `pkcs11:` URI (RFC 7512).
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import { hostError } from './errors.ts';
import { ID_BYTES_MAX } from './protocol.ts';

const REF = /^id=((?:[0-9a-f]{2})+)$/;
/** Labels are shown to people, and longer than any that a tool makes. */
const LABEL_BYTES_MAX = 255;
const CONTROL = /\p{Cc}/u;

/** What a reference is held against. */
export interface TokenName {
  readonly provider: string;
  readonly label: string;
  readonly serial: string;
}

export type KeyName = { readonly id: string } | { readonly label: string };

export function refOf(id: string): string {
  return `id=${id}`;
}

/** @throws INVALID_ARGUMENT for what is no immutable reference */
export function idOf(ref: string): Buffer {
  const [, id] = REF.exec(ref) ?? [];
  if (id !== undefined && id.length <= 2 * ID_BYTES_MAX) return Buffer.from(id, 'hex');
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `\`${ref.slice(0, LABEL_BYTES_MAX)}\` is no reference of a PKCS#11 key; it is \`id=\` and hexadecimal`,
  );
}

/**
 * What a person wrote.
 *
 * @throws INVALID_ARGUMENT for what names no key; KEY_NOT_FOUND for a URI of another token
 */
export function parseReference(reference: string, token: TokenName): KeyName {
  if (reference.startsWith('pkcs11:')) return parseUri(reference, token);
  if (reference.startsWith('id=')) return { id: idOf(reference.toLowerCase()).toString('hex') };
  return named(reference.startsWith('label=') ? reference.slice('label='.length) : reference, reference);
}

function named(label: string, reference: string): KeyName {
  const isLabel = label.trim() !== '' && label.isWellFormed() && !CONTROL.test(label);
  if (isLabel && Buffer.byteLength(label) <= LABEL_BYTES_MAX) return { label };
  throw new ClavigerError('INVALID_ARGUMENT', `\`${reference.slice(0, LABEL_BYTES_MAX)}\` names no key of a token`);
}

/** Attributes of the path that say what we know; the others would have to be looked at, so they are refused. */
function parseUri(uri: string, token: TokenName): KeyName {
  const [path = '', query] = uri.slice('pkcs11:'.length).split('?', 2);
  if (query !== undefined) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      'a `pkcs11:` reference has no part after `?`: library and PIN stand in the configuration of the provider',
    );
  }
  const parts = new Map<string, Buffer>();
  for (const part of path.split(';')) {
    const at = part.indexOf('=');
    const name = part.slice(0, at);
    if (at < 1 || parts.has(name)) throw malformed(uri);
    parts.set(name, unescaped(part.slice(at + 1), uri));
  }
  for (const [name, value] of parts) {
    if (name === 'token' || name === 'serial') requireSame(name, value.toString(), token);
    else if (name === 'type') requireKeyType(value.toString());
    else if (name !== 'id' && name !== 'object') {
      throw new ClavigerError('INVALID_ARGUMENT', `\`${name}\` of a \`pkcs11:\` reference is not known here`);
    }
  }
  const id = parts.get('id');
  if (id !== undefined) return { id: idOf(refOf(id.toString('hex'))).toString('hex') };
  const label = parts.get('object');
  if (label === undefined)
    throw new ClavigerError('INVALID_ARGUMENT', 'a `pkcs11:` reference names a key by `id` or `object`');
  return named(label.toString(), uri);
}

function requireSame(name: 'token' | 'serial', value: string, token: TokenName): void {
  if (value === (name === 'token' ? token.label : token.serial)) return;
  const message = `the key is on another token: \`${name}\` is \`${value}\``;
  throw hostError(token.provider, 'KEY_NOT_FOUND', message, 'TOKEN');
}

function requireKeyType(type: string): void {
  if (['private', 'secret-key', 'public'].includes(type)) return;
  throw new ClavigerError('INVALID_ARGUMENT', `\`type=${type}\` is no key`);
}

/** Bytes, because an id is no text. */
function unescaped(text: string, uri: string): Buffer {
  const parts: Buffer[] = [];
  for (const [whole, escaped] of text.matchAll(/%([0-9a-fA-F]{2})|[^%]+|%/g)) {
    if (whole === '%') throw malformed(uri);
    parts.push(escaped === undefined ? Buffer.from(whole) : Buffer.from(escaped, 'hex'));
  }
  return Buffer.concat(parts);
}

function malformed(uri: string): ClavigerError {
  return new ClavigerError(
    'INVALID_ARGUMENT',
    `\`${uri.slice(0, LABEL_BYTES_MAX)}\` is no \`pkcs11:\` URI of RFC 7512`,
  );
}
