/**
 * What makes two ways of writing one value equal before it is indexed. docs/guides/fields.md says what each forgives and
 * what it does not.
 *
 * Node's Unicode, so a new version of it may fold a new letter otherwise: the version of an index is there for that.
 *
 * @module
 */
import { domainToASCII } from 'node:url';

export const NORMALIZERS = {
  /** As it is. */
  none: (text: string): string => text,
  /** Without white space around it, in NFC. */
  trim: (text: string): string => text.normalize('NFC').trim(),
  /** As `trim`, and alike in upper and lower case, full width and half width (NFKC). */
  case: folded,
  /** As `case`, with the domain in its ASCII form. Dots and `+tags` stay: to most servers they are other addresses. */
  email,
  /** The digits, with `+` before an international number; `00` counts as `+`, `(0)` is left out. */
  phone,
} as const satisfies Readonly<Record<string, (text: string) => string>>;

export type NormalizerName = keyof typeof NORMALIZERS;
export type Normalizer = NormalizerName | ((text: string) => string);

export function isNormalizerName(name: unknown): name is NormalizerName {
  return typeof name === 'string' && Object.hasOwn(NORMALIZERS, name);
}

/** Lower case of upper case, because `ß` and `SS` meet only in upper case. */
function folded(text: string): string {
  return text.normalize('NFKC').trim().toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFKC');
}

function email(text: string): string {
  const address = folded(text);
  const at = address.lastIndexOf('@');
  if (at < 0) return address;
  const domain = address.slice(at + 1);
  // Where it is no domain (an address literal, a slip of the pen), it stays as it is.
  return `${address.slice(0, at)}@${domainToASCII(domain) || domain}`;
}

function phone(text: string): string {
  const signs = text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/\(0\)|[^\p{L}\p{Nd}+]/gu, '');
  return signs.startsWith('00') ? `+${signs.slice(2)}` : signs;
}
