/**
 * References to keys of a vault: `NAME/VERSION` inside; a name, a name with version, or the URL of a key from people.
 *
 * The host of a key's URL is not kept. It is the vault's public name, and calls go to the configured address.
 *
 * @module
 * @see https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers
 */
import { ClavigerError } from '../../errors.ts';

export interface KeyReference {
  readonly name: string;
  readonly version: string;
}

export interface LooseReference {
  readonly name: string;
  /** Null for the newest. */
  readonly version: string | null;
  /** Host, and port where it is not 443, that the URL names; null where it was no URL. */
  readonly host: string | null;
}

const NAME = /^[0-9A-Za-z-]{1,127}$/;
/** The service's own are 32 hexadecimal digits. A word without a digit is a path of the API, such as `versions`. */
const VERSION = /^(?=.*\d)[0-9A-Za-z-]{1,64}$/;
const REFERENCE_CHARS_MAX = 512;
const KEYS_PATH = '/keys/';

/** @throws INVALID_ARGUMENT */
export function parseReference(ref: string): KeyReference {
  const { name, version, host } = parseLoose(ref);
  if (version === null || host !== null) throw malformed();
  return { name, version };
}

/** @throws INVALID_ARGUMENT */
export function parseLoose(text: string): LooseReference {
  return parse(text, /^https:$/);
}

/**
 * Parts of the id of a key as the service writes it; null where it is none. It is not called, so emulators may write
 * `http:`.
 */
export function parseKeyId(id: string): (LooseReference & { readonly host: string }) | null {
  try {
    const { host, ...parts } = parse(id, /^https?:$/);
    return host === null ? null : { host, ...parts };
  } catch {
    return null;
  }
}

/** Names the key among all of the world. Hosts and names of keys are case-insensitive in Azure. */
export function nativeIdOf(host: string, name: string): string {
  return `https://${host}/keys/${name}`.toLowerCase();
}

function parse(text: string, scheme: RegExp): LooseReference {
  if (text.length > REFERENCE_CHARS_MAX) throw malformed();
  const url = text.includes('://') ? keyUrl(text, scheme) : null;
  const [name = '', version, ...more] = (url?.path ?? text).split('/');
  if (more.length > 0 || !NAME.test(name) || (version !== undefined && !VERSION.test(version))) throw malformed();
  return { name, version: version ?? null, host: url?.host ?? null };
}

function keyUrl(text: string, scheme: RegExp): { readonly host: string; readonly path: string } {
  const url = URL.parse(text);
  const plain = url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  if (!plain || !scheme.test(url.protocol) || !url.pathname.startsWith(KEYS_PATH)) throw malformed();
  return { host: url.host, path: url.pathname.slice(KEYS_PATH.length).replace(/\/$/, '') };
}

/** Does not repeat the text: people put secrets into URLs. */
function malformed(): ClavigerError {
  return new ClavigerError(
    'INVALID_ARGUMENT',
    `the reference names no key of a vault; write \`NAME\`, \`NAME/VERSION\` or \`https://HOST/keys/NAME\``,
  );
}
