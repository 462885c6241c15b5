/**
 * References to keys, and the texts in which Transit gives what it made: `vault:v3:` and base64. OpenBao writes `vault` too.
 *
 * A reference is `name@version`. Only the canonical text of a value is taken: Go's base64 skips over line breaks and
 * trailing bits, so that a changed text would open.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';

/** As Transit's own rule has it (`GenericNameRegex`), and short enough for a path. */
const NAME = /^(?=.{1,128}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;
const REFERENCE = /^(?<name>[^@]+)(?:@(?<version>[1-9][0-9]{0,8}))?$/;
const TEXT = /^vault:v(?<version>[1-9][0-9]{0,8}):(?<base64>[A-Za-z0-9+/]*={0,2})$/;

export interface KeyName {
  readonly name: string;
  readonly version: number;
}

/**
 * What somebody wrote: a name, with or without a version.
 *
 * @throws INVALID_ARGUMENT
 */
export function parseReference(reference: string): { readonly name: string; readonly version: number | null } {
  const { name, version } = REFERENCE.exec(reference)?.groups ?? {};
  if (name === undefined || !NAME.test(name)) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      'the reference is no key of Transit: write `name` or `name@version`, the name of A-Z, a-z, 0-9, _, . and -',
    );
  }
  return { name, version: version === undefined ? null : Number(version) };
}

/** @throws INVALID_ARGUMENT where it has no version */
export function parseRef(ref: string): KeyName {
  const { name, version } = parseReference(ref);
  if (version !== null) return { name, version };
  throw new ClavigerError('INVALID_ARGUMENT', 'the reference names no version of the key: write `name@version`');
}

export function formatRef({ name, version }: KeyName): string {
  return `${name}@${version}`;
}

/** A value with the version of the key that made it. */
export interface Versioned {
  readonly version: number;
  readonly bytes: Buffer;
}

/** Null where it is not the one text for its value. */
export function parseVersioned(text: string): Versioned | null {
  const { version, base64 } = TEXT.exec(text)?.groups ?? {};
  if (version === undefined || base64 === undefined) return null;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? { version: Number(version), bytes } : null;
}

export function formatVersioned(version: number, bytes: Uint8Array): string {
  return `vault:v${version}:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}`;
}
