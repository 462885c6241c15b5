/**
 * Resource names of Cloud KMS.
 *
 * A key has one name here: the project stands in it by its id. Google takes the project's number as well, under which
 * the same key would be a second one to us, and could belong to a second tenant.
 *
 * @module
 * @see https://cloud.google.com/kms/docs/resource-hierarchy
 */
import { ClavigerError } from '../../errors.ts';

const ID = '[a-zA-Z0-9_-]{1,63}';
const RING = `projects/[a-z][a-z0-9.:_-]{0,62}/locations/[a-z][a-z0-9-]{0,62}/keyRings/${ID}`;
const VERSION = '[1-9][0-9]{0,17}';

export const KEY_RING = new RegExp(`^${RING}$`);
const KEY = new RegExp(`^(?<key>${RING}/cryptoKeys/${ID})(?:/cryptoKeyVersions/(?<version>${VERSION}))?$`);
/** A key of the provider's own ring, as a person writes it. */
const SHORT = new RegExp(`^${ID}(?:/cryptoKeyVersions/${VERSION})?$`);
/** Of go-cloud and of Tink. */
const SCHEME = /^gcp-?kms:\/\//;

/** A version of a key, by its names. */
export interface VersionName {
  /** The version's own name: our reference. */
  readonly ref: string;
  /** The name of the key that it is a version of. */
  readonly key: string;
  readonly version: string;
}

/** @throws INVALID_ARGUMENT for anything but the full name of a version */
export function parseVersion(ref: string): VersionName {
  const { key, version } = KEY.exec(ref)?.groups ?? {};
  if (key === undefined || version === undefined) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`${shown(ref)}\` is no version of a Cloud KMS key; it looks like \`projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1\`, with the id of the project`,
    );
  }
  return { ref, key, version };
}

/**
 * What a person wrote, as the full name of a key or of a version.
 *
 * @param keyRing in which a short name is looked for
 * @throws INVALID_ARGUMENT
 */
export function parseReference(
  reference: string,
  keyRing: string,
): { readonly key: string; readonly ref: string | null } {
  const bare = reference.replace(SCHEME, '');
  const { key, version } = KEY.exec(SHORT.test(bare) ? `${keyRing}/cryptoKeys/${bare}` : bare)?.groups ?? {};
  if (key === undefined) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`${shown(reference)}\` is no Cloud KMS key; write its name in the key ring, or \`projects/P/locations/L/keyRings/R/cryptoKeys/K\` with the id of the project, not its number`,
    );
  }
  return { key, ref: version === undefined ? null : versionName(key, version) };
}

export function versionName(key: string, version: string): string {
  return `${key}/cryptoKeyVersions/${version}`;
}

/** `projects/P/locations/L` of a key ring. */
export function locationOf(keyRing: string): string {
  return keyRing.slice(0, keyRing.indexOf('/keyRings/'));
}

/** The last part of a name. */
export function idOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

/** A stranger's text in a message: not for ever. */
function shown(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
