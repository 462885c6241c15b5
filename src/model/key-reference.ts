/**
 * References to keys of providers, as texts: our own `kms://`, and those of other tools, brought into one form.
 *
 * spec/key-reference.md says it to the byte. A reference is shown, logged and kept, so a secret in it is refused, and no
 * error repeats what might be one.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';

export const KEY_REFERENCE_CHARS_MAX = 2048;
const VERSION_CHARS_MAX = 128;

/** A key of a configured provider. */
export interface KmsReference {
  readonly scheme: 'kms';
  /** Name of the provider. */
  readonly provider: string;
  /** The provider's own name of the key, unescaped. */
  readonly path: string;
  readonly version: string | null;
}

/** A key in the form of another tool; it names no provider of ours. */
export type ForeignReference =
  /** Key ARN, alias ARN, key id or `alias/NAME`. */
  | { readonly scheme: 'awskms'; readonly key: string }
  /** `projects/P/locations/L/keyRings/R/cryptoKeys/K` */
  | { readonly scheme: 'gcpkms'; readonly key: string; readonly version: string | null }
  | { readonly scheme: 'azurekms'; readonly host: string; readonly name: string; readonly version: string | null }
  | { readonly scheme: 'hashivault'; readonly name: string }
  | { readonly scheme: 'pkcs11'; readonly attributes: Pkcs11Attributes };

export type KeyReference = KmsReference | ForeignReference;

/** RFC 7512, section 2.3: what names an object; in the order of the normal form. */
const PKCS11_TEXTS = ['token', 'manufacturer', 'serial', 'model', 'object', 'type'] as const;

export type Pkcs11Attributes = Readonly<Partial<Record<(typeof PKCS11_TEXTS)[number], string>>> & {
  /** CKA_ID, hex. */
  readonly id?: string;
};

const VISIBLE_ASCII = /^[\x21-\x7e]+$/;
const SCHEME = /^(?<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?<rest>.*)$/;
const PROVIDER = /^[a-z0-9][a-z0-9-]{0,62}$/;
const VERSION = new RegExp(`^[A-Za-z0-9._~-]{1,${VERSION_CHARS_MAX}}$`);
// oxlint-disable-next-line no-control-regex -- they are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

const AWS_KEY_ID = '(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})';
const AWS_ALIAS = 'alias/[A-Za-z0-9/_-]{1,250}';
const AWS_KEY = new RegExp(
  `^(?:${AWS_KEY_ID}|${AWS_ALIAS}|arn:aws(?:-[a-z]+)*:kms:[a-z0-9-]+:\\d{12}:(?:key/${AWS_KEY_ID}|${AWS_ALIAS}))$`,
);
const GCP_ID = '[A-Za-z0-9_-]{1,63}';
const GCP_KEY = new RegExp(
  `^(?<key>projects/[a-z0-9][a-z0-9.:_-]{0,62}/locations/[a-z0-9-]{1,63}/keyRings/${GCP_ID}/cryptoKeys/${GCP_ID})` +
    `(?:/(?:cryptoKeyVersions|versions)/(?<version>[1-9]\\d{0,17}))?$`,
);
const AZURE =
  /^(?<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?(?::[1-9]\d{0,4})?)\/(?:keys\/)?(?<name>[A-Za-z0-9-]{1,127})(?:\/(?<version>[A-Za-z0-9]{1,64}))?$/;
const VAULT_NAME = /^(?=.{1,128}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;

type Parse = (rest: string) => KeyReference;

/** Scheme in small letters → how its rest is read. */
const SCHEMES: ReadonlyMap<string, Parse> = new Map<string, Parse>([
  ['kms', parseKms],
  ['awskms', parseAws],
  ['gcpkms', parseGcp],
  ['gcp-kms', parseGcp],
  ['azurekms', parseAzure],
  ['azurekeyvault', parseAzure],
  ['hashivault', parseVault],
  ['pkcs11', parsePkcs11],
]);

const SECRET_PARAMETERS =
  /pin|pass|secret|token|credential|private|^(?:sig|signature|auth|authorization|jwt|bearer|key|api[-_]?key|access[-_]?key)/i;
const CONFIGURATION_PARAMETERS =
  /^(?:region|endpoint|profile|account|address|addr|host|port|url|mount|engine|namespace|path|vault|tenant|module|library|slot|version[-_]?stage|awssdk|timeout|ca[-_]?file|tls|insecure|fips)/i;

/**
 * A reference, read.
 *
 * @throws INVALID_ARGUMENT with what to write instead
 */
export function parseKeyReference(text: string): KeyReference {
  if (text.length > KEY_REFERENCE_CHARS_MAX) throw refused(`it has more than ${KEY_REFERENCE_CHARS_MAX} characters`);
  if (!VISIBLE_ASCII.test(text)) throw refused('it holds other characters than visible ASCII; escape them as `%XX`');
  const { scheme = '', rest = '' } = SCHEME.exec(text)?.groups ?? {};
  const parse = SCHEMES.get(scheme.toLowerCase());
  if (parse === undefined) {
    throw refused(
      'it begins with none of `kms://`, `awskms://`, `gcpkms://`, `azurekms://`, `hashivault://`, `pkcs11:`',
    );
  }
  requireNoSecrets(rest);
  const reference = parse(rest);
  const normal = printKeyReference(reference);
  if (reference.scheme === 'kms' && normal !== text) throw refused(`it has one form only; write \`${normal}\``);
  return reference;
}

/** The one text of a reference. */
export function printKeyReference(reference: KeyReference): string {
  switch (reference.scheme) {
    case 'kms': {
      const { provider, path, version } = reference;
      return `kms://${provider}/${escaped(path, /[A-Za-z0-9._~:=/-]/)}${version === null ? '' : `@${version}`}`;
    }
    case 'awskms':
      return `awskms:///${reference.key}`;
    case 'gcpkms':
      return `gcpkms://${gcpResource(reference.key, reference.version)}`;
    case 'azurekms':
      return `azurekms://${reference.host}/${reference.name}${reference.version === null ? '' : `/${reference.version}`}`;
    case 'hashivault':
      return `hashivault://${reference.name}`;
    case 'pkcs11':
      return printPkcs11(reference.attributes);
  }
}

/** The reference as the provider itself writes it: what `Provider.resolve` takes. */
export function nativeReference(reference: KeyReference): string {
  switch (reference.scheme) {
    case 'kms':
      return reference.version === null ? reference.path : `${reference.path}@${reference.version}`;
    case 'awskms':
      return reference.key;
    case 'gcpkms':
      return gcpResource(reference.key, reference.version);
    case 'azurekms': {
      const { host, name, version } = reference;
      return `https://${host}/keys/${name}${version === null ? '' : `/${version}`}`;
    }
    case 'hashivault':
      return reference.name;
    case 'pkcs11':
      return printPkcs11(reference.attributes);
  }
}

/**
 * Our reference of a key that a provider calls so; `nativeReference` gives that back.
 *
 * @throws INVALID_ARGUMENT where the provider's name or the native reference can stand in none
 */
export function kmsReference(provider: string, native: string): KmsReference {
  const at = native.lastIndexOf('@');
  const version = at > 0 && VERSION.test(native.slice(at + 1)) ? native.slice(at + 1) : null;
  const path = version === null ? native : native.slice(0, at);
  requireProvider(provider);
  requirePath(path);
  const reference = { scheme: 'kms', provider, path, version } as const;
  if (printKeyReference(reference).length <= KEY_REFERENCE_CHARS_MAX) return reference;
  throw refused(`it has more than ${KEY_REFERENCE_CHARS_MAX} characters`);
}

function parseKms(rest: string): KmsReference {
  requireNoParameters(rest);
  const [, provider = '', tail = ''] = /^\/\/([^/]*)\/(.*)$/.exec(rest) ?? [];
  requireProvider(provider);
  const at = tail.lastIndexOf('@');
  const version = at < 0 ? null : tail.slice(at + 1);
  if (version !== null && !VERSION.test(version)) {
    throw refused(
      `what stands behind \`@\` is no version, which is 1 to ${VERSION_CHARS_MAX} of A-Z, a-z, 0-9, -, ., _ and ~`,
    );
  }
  const path = text(unescaped(at < 0 ? tail : tail.slice(0, at)));
  requirePath(path);
  return { scheme: 'kms', provider, path, version };
}

function parseAws(rest: string): ForeignReference {
  requireNoParameters(rest);
  const key = rest.replace(/^\/\/\/?/, '');
  if (rest.startsWith('//') && AWS_KEY.test(key)) return { scheme: 'awskms', key };
  // Sigstore's form with an endpoint before the key.
  if (/^\/\/[^/]+\/.+$/.test(rest) && AWS_KEY.test(key.slice(key.indexOf('/') + 1))) throw configuration('an endpoint');
  throw refused('`awskms:///` goes before a key ARN, an alias ARN, a key id or `alias/NAME`');
}

function parseGcp(rest: string): ForeignReference {
  requireNoParameters(rest);
  const { key, version = null } = GCP_KEY.exec(rest.replace(/^\/\/\/?/, ''))?.groups ?? {};
  if (rest.startsWith('//') && key !== undefined) return { scheme: 'gcpkms', key, version };
  throw refused(
    '`gcpkms://` goes before `projects/P/locations/L/keyRings/R/cryptoKeys/K`, with or without `/cryptoKeyVersions/N`',
  );
}

function parseAzure(rest: string): ForeignReference {
  requireNoParameters(rest);
  const { host, name, version = null } = AZURE.exec(rest.slice(2))?.groups ?? {};
  if (rest.startsWith('//') && host !== undefined && name !== undefined) {
    return { scheme: 'azurekms', host: host.toLowerCase(), name, version };
  }
  throw refused('`azurekms://` goes before `HOST/NAME` or `HOST/NAME/VERSION`, with the host of the vault');
}

function parseVault(rest: string): ForeignReference {
  requireNoParameters(rest);
  const name = rest.slice(2);
  if (rest.startsWith('//') && VAULT_NAME.test(name)) return { scheme: 'hashivault', name };
  throw refused('`hashivault://` goes before the name of a key of the Transit engine');
}

function parsePkcs11(rest: string): ForeignReference {
  requireNoParameters(rest);
  const attributes: Record<string, string> = {};
  for (const part of rest.split(';')) {
    const at = part.indexOf('=');
    const name = at < 0 ? part : part.slice(0, at);
    requireKnown(name, [...PKCS11_TEXTS, 'id']);
    if (at < 0) throw refused(`\`${name}\` is without its value`);
    if (Object.hasOwn(attributes, name)) throw refused(`\`${name}\` stands in it twice`);
    const value = unescaped(part.slice(at + 1));
    if (value.length === 0) throw refused(`\`${name}\` is empty`);
    attributes[name] = name === 'id' ? value.toString('hex') : text(value);
  }
  if (attributes['id'] !== undefined || attributes['object'] !== undefined) return { scheme: 'pkcs11', attributes };
  throw refused('`pkcs11:` names a key by `id` or `object`');
}

function printPkcs11(attributes: Pkcs11Attributes): string {
  const texts = PKCS11_TEXTS.filter((name) => attributes[name] !== undefined).map(
    (name) => `${name}=${escaped(attributes[name]!, /[A-Za-z0-9._~-]/)}`,
  );
  // RFC 7512, section 2.3: the whole value of `id` should be escaped.
  const id = attributes.id?.toUpperCase().replaceAll(/../g, '%$&');
  return `pkcs11:${[...texts, ...(id === undefined ? [] : [`id=${id}`])].join(';')}`;
}

function gcpResource(key: string, version: string | null): string {
  return version === null ? key : `${key}/cryptoKeyVersions/${version}`;
}

function requireProvider(name: string): void {
  if (PROVIDER.test(name)) return;
  throw refused('`kms://` goes before the name of a provider, 1 to 63 of a-z, 0-9 and -, then `/` and its key');
}

/** What a URL parser would change, or a terminal not show, is no path. */
function requirePath(path: string): void {
  if (path.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw refused('a part of the path between slashes is empty, `.` or `..`');
  }
  if (CONTROL.test(path) || !path.isWellFormed()) throw refused('its path holds control characters, or no text');
}

/** User and password before the host, whatever the scheme. */
function requireNoSecrets(rest: string): void {
  const authority = /^\/\/([^/?#]*)/.exec(rest)?.[1] ?? '';
  const user = authority.slice(0, Math.max(0, authority.lastIndexOf('@')));
  if (user.includes(':')) throw secret('a password');
}

/** Every parameter is an error; the kind of error helps. */
function requireNoParameters(rest: string): void {
  if (rest.includes('#')) throw refused('it has a part behind `#`, which means nothing here');
  const query = rest.indexOf('?');
  if (query < 0) return;
  const names = rest
    .slice(query + 1)
    .split(/[&;]/)
    .map((part) => part.split('=')[0]!);
  // A secret is the worst of them, and the one to be told of.
  requireKnown(names.find((name) => SECRET_PARAMETERS.test(name)) ?? names[0]!, []);
}

/** @throws INVALID_ARGUMENT for a name that is not among these, without its value */
function requireKnown(name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  if (SECRET_PARAMETERS.test(name)) throw secret(shown(name));
  if (CONFIGURATION_PARAMETERS.test(name)) throw configuration(shown(name));
  throw refused(`${shown(name)} is not known; a reference has no parameters`);
}

/** The name of a parameter; it may be anything, a secret too, so only what looks like a name is shown. */
function shown(name: string): string {
  return /^[A-Za-z][A-Za-z_-]{0,31}$/.test(name) ? `\`${name}\`` : 'a parameter';
}

function escaped(value: string, plain: RegExp): string {
  let result = '';
  for (const char of value) {
    result += plain.test(char) ? char : Buffer.from(char).toString('hex').toUpperCase().replaceAll(/../g, '%$&');
  }
  return result;
}

/** The bytes of an escaped text. */
function unescaped(value: string): Buffer {
  if (/%(?![0-9A-Fa-f]{2})/.test(value)) throw refused('a `%` is not followed by two hexadecimal digits');
  const bytes = value.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  // Everything is ASCII or an escaped byte: one character is one byte.
  return Buffer.from(bytes, 'latin1');
}

/** @throws INVALID_ARGUMENT for bytes that are no text that can be shown */
function text(bytes: Buffer): string {
  const value = bytes.toString();
  if (Buffer.from(value).equals(bytes) && !CONTROL.test(value)) return value;
  throw refused('an escaped value is no text in UTF-8, or holds control characters');
}

function secret(what: string): ClavigerError {
  return refused(
    `${what} is a secret, and a reference is shown, logged and kept; put it into the configuration of the provider, as \`\${NAME}\` or \`file:PATH\`, and change it where it was seen`,
  );
}

function configuration(what: string): ClavigerError {
  return refused(`${what} is configuration; it stands in the configuration of the provider, and never in a reference`);
}

function refused(why: string): ClavigerError {
  return new ClavigerError('INVALID_ARGUMENT', `this is no reference to a key: ${why}`);
}
