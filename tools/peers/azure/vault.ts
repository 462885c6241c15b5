/**
 * The keys of the test server: versions, states, soft deletion, and what may be done with which.
 *
 * Deleting and recovering take a moment, as they do at Azure, during which the key is neither here nor there.
 *
 * @module
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
  type webcrypto,
} from 'node:crypto';
import { CURVES, type Family, type Usable } from './algorithms.ts';
import type { Fields } from './fields.ts';
import { badParameter, Refusal } from './http.ts';

const NAME = /^[0-9A-Za-z-]{1,127}$/;
const RSA_BITS = [2048, 3072, 4096];
const AES_BITS = [128, 192, 256];
const TAGS_MAX = 15;
const RECOVERABLE_DAYS = 90;
const DAY_S = 86_400;
const OPERATIONS: ReadonlySet<string> = new Set([
  'encrypt',
  'decrypt',
  'sign',
  'verify',
  'wrapKey',
  'unwrapKey',
  'import',
  'export',
]);
const DEFAULT_OPS: Readonly<Record<Family, readonly string[]>> = {
  RSA: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
  EC: ['sign', 'verify'],
  oct: ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'],
};
/** Operations that a key allows outside of `nbf` and `exp` as well. */
const ANY_TIME: ReadonlySet<string> = new Set(['decrypt', 'unwrapKey', 'verify']);

export interface VaultOptions {
  readonly managedHsm: boolean;
  /** Host that the ids of keys name. */
  readonly publicHost: string;
  /** How long deleting and recovering take. */
  readonly transitionMs: number;
}

interface Version extends Usable {
  readonly id: string;
  readonly kty: string;
  readonly created: number;
  ops: readonly string[];
  enabled: boolean;
  nbf: number | null;
  exp: number | null;
  exportable: boolean;
  tags: Readonly<Record<string, string>>;
  updated: number;
}

interface Key {
  readonly name: string;
  versions: Version[];
  policy: object;
  deletedAt: number | null;
  /** Until then it is between two states, in milliseconds. */
  changingUntil: number;
}

interface Backup {
  readonly name: string;
  readonly versions: readonly (Omit<Version, 'key'> & { readonly material: string })[];
}

export class Vault {
  readonly #options: VaultOptions;
  readonly #keys = new Map<string, Key>();
  readonly #backupKey = randomBytes(32);

  constructor(options: VaultOptions) {
    this.#options = options;
  }

  create(name: string, fields: Fields): object {
    const kty = fields.text('kty');
    const family = this.#family(kty);
    const curve = family === 'EC' ? (fields.get<string>('crv') ?? 'P-256') : null;
    if (family !== 'EC' && fields.has('crv')) throw badParameter("Property 'crv' is for EC keys.");
    if (curve !== null && !Object.hasOwn(CURVES, curve)) throw badParameter(`The curve '${curve}' is not supported.`);
    if (curve !== null && fields.has('key_size')) throw badParameter("Property 'key_size' is not for EC keys.");
    const key = newMaterial(family, curve, fields.get<number>('key_size'));
    return this.#add(name, fields, { kty, family, curve, key });
  }

  import(name: string, fields: Fields): object {
    const jwk = fields.get<Record<string, string>>('key');
    if (jwk === undefined) throw badParameter("Property 'key' is required.");
    const kty = this.#importedKty(jwk['kty'] ?? '', fields.get<boolean>('Hsm') ?? this.#options.managedHsm);
    const family = this.#family(kty);
    const curve = family === 'EC' ? (jwk['crv'] ?? '') : null;
    if (curve !== null && !Object.hasOwn(CURVES, curve)) throw badParameter(`The curve '${curve}' is not supported.`);
    const ops = (jwk as { key_ops?: string[] }).key_ops;
    return this.#add(name, fields, { kty, family, curve, key: importedMaterial(family, curve, jwk) }, ops);
  }

  rotate(name: string): object {
    const key = this.#live(name);
    const last = key.versions.at(-1)!;
    const bits = last.family === 'oct' ? last.key.symmetricKeySize! * 8 : last.key.asymmetricKeyDetails?.modulusLength;
    const version = {
      ...last,
      id: newId(),
      key: newMaterial(last.family, last.curve, bits),
      created: now(),
      updated: now(),
      enabled: true,
    };
    key.versions.push(version);
    return this.#bundle(key, version);
  }

  get(name: string, id: string | null): object {
    const key = this.#live(name);
    return this.#bundle(key, versionOf(key, id));
  }

  update(name: string, id: string | null, fields: Fields): object {
    const key = this.#live(name);
    const version = versionOf(key, id);
    this.#change(version, fields, fields.get('key_ops'));
    version.updated = now();
    return this.#bundle(key, version);
  }

  list(): object[] {
    return [...this.#keys.values()]
      .filter((key) => key.deletedAt === null && !isChanging(key))
      .map((key) => this.#item(key, key.versions.at(-1)!, false));
  }

  versions(name: string): object[] {
    const key = this.#live(name);
    return key.versions.map((version) => this.#item(key, version, true));
  }

  /** The version, where it may do this now. */
  use(name: string, id: string | null, operation: string): { readonly kid: string; readonly key: Usable } {
    const key = this.#live(name);
    const version = versionOf(key, id);
    const refuse = (message: string, inner: string): never => {
      throw new Refusal(403, 'Forbidden', message, inner);
    };
    if (!version.enabled) refuse(`Operation ${operation} is not allowed on a disabled key.`, 'KeyDisabled');
    if (version.nbf !== null && now() < version.nbf && !ANY_TIME.has(operation))
      refuse(`Operation ${operation} is not allowed on a key that is not yet valid.`, 'KeyNotYetValid');
    if (version.exp !== null && now() >= version.exp && !ANY_TIME.has(operation))
      refuse(`Operation ${operation} is not allowed on an expired key.`, 'KeyExpired');
    if (!version.ops.includes(operation))
      refuse(`Operation ${operation} is not permitted on this key.`, 'KeyOperationForbidden');
    return { kid: this.#kid(key, version), key: version };
  }

  delete(name: string): object {
    const key = this.#live(name);
    key.deletedAt = now();
    key.changingUntil = Date.now() + this.#options.transitionMs;
    return this.#deletedBundle(key);
  }

  getDeleted(name: string): object {
    return this.#deletedBundle(this.#deleted(name));
  }

  listDeleted(): object[] {
    return [...this.#keys.values()]
      .filter((key) => key.deletedAt !== null && !isChanging(key))
      .map((key) => ({ ...this.#item(key, key.versions.at(-1)!, false), ...this.#deletion(key) }));
  }

  recover(name: string): object {
    const key = this.#deleted(name);
    key.deletedAt = null;
    key.changingUntil = Date.now() + this.#options.transitionMs;
    return this.#bundle(key, key.versions.at(-1)!);
  }

  purge(name: string): void {
    this.#keys.delete(this.#deleted(name).name.toLowerCase());
  }

  backup(name: string): object {
    const { versions, ...key } = this.#live(name);
    const kept: Backup = {
      name: key.name,
      versions: versions.map(({ key: material, ...version }) => ({ ...version, material: exported(material) })),
    };
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#backupKey, iv);
    const sealed = Buffer.concat([cipher.update(JSON.stringify(kept)), cipher.final()]);
    return { value: Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url') };
  }

  restore(value: Buffer): object {
    const { name, versions } = this.#opened(value);
    const there = this.#keys.get(name.toLowerCase());
    if (there !== undefined) throw new Refusal(409, 'Conflict', `Key ${name} is there already.`, conflictOf(there));
    const key: Key = { name, versions: versions.map(restored), policy: {}, deletedAt: null, changingUntil: 0 };
    this.#keys.set(name.toLowerCase(), key);
    return this.#bundle(key, key.versions.at(-1)!);
  }

  policy(name: string): object {
    return this.#policy(this.#live(name));
  }

  setPolicy(name: string, policy: object): object {
    const key = this.#live(name);
    key.policy = policy;
    return this.#policy(key);
  }

  #add(name: string, fields: Fields, made: Usable & { readonly kty: string }, ops?: readonly string[]): object {
    if (!NAME.test(name)) throw badParameter(`The name '${name}' is not valid.`);
    const there = this.#keys.get(name.toLowerCase());
    if (there !== undefined && (there.deletedAt !== null || isChanging(there)))
      throw new Refusal(
        409,
        'Conflict',
        `Key ${name} is currently in a deleted but recoverable state.`,
        conflictOf(there),
      );
    const key: Key = there ?? { name, versions: [], policy: {}, deletedAt: null, changingUntil: 0 };
    const version: Version = {
      ...made,
      id: newId(),
      ops: DEFAULT_OPS[made.family],
      enabled: true,
      nbf: null,
      exp: null,
      exportable: false,
      tags: {},
      created: now(),
      updated: now(),
    };
    this.#change(version, fields, ops ?? fields.get('key_ops'));
    key.versions.push(version);
    this.#keys.set(name.toLowerCase(), key);
    return this.#bundle(key, version);
  }

  #change(version: Version, fields: Fields, ops: readonly string[] | undefined): void {
    const strange = ops?.find((op) => !OPERATIONS.has(op));
    if (strange !== undefined) throw badParameter(`The key operation '${strange}' is not known.`);
    const tags = fields.get<Record<string, string>>('tags');
    if (tags !== undefined && Object.keys(tags).length > TAGS_MAX)
      throw badParameter(`There are more than ${TAGS_MAX} tags.`);
    const { enabled, nbf, exp } = fields.get<Partial<Version>>('attributes') ?? {};
    if (nbf !== undefined && exp !== undefined && nbf! >= exp!) throw badParameter("'nbf' must be before 'exp'.");
    Object.assign(version, {
      ...(ops === undefined ? {} : { ops }),
      ...(tags === undefined ? {} : { tags }),
      ...(enabled === undefined ? {} : { enabled }),
      ...(nbf === undefined ? {} : { nbf }),
      ...(exp === undefined ? {} : { exp }),
    });
  }

  #family(kty: string): Family {
    const { managedHsm } = this.#options;
    const allowed = managedHsm ? ['RSA-HSM', 'EC-HSM', 'oct-HSM'] : ['RSA', 'RSA-HSM', 'EC', 'EC-HSM'];
    if (!allowed.includes(kty)) throw badParameter(`The key type '${kty}' is not supported here.`);
    return kty.replace('-HSM', '') as Family;
  }

  #importedKty(kty: string, hsm: boolean): string {
    return hsm && !kty.endsWith('-HSM') ? `${kty}-HSM` : kty;
  }

  #live(name: string): Key {
    const key = this.#keys.get(name.toLowerCase());
    if (key === undefined || key.deletedAt !== null || isChanging(key))
      throw new Refusal(
        404,
        'KeyNotFound',
        `A key with (name/id) ${name} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command.`,
      );
    return key;
  }

  #deleted(name: string): Key {
    const key = this.#keys.get(name.toLowerCase());
    if (key === undefined || key.deletedAt === null || isChanging(key))
      throw new Refusal(404, 'KeyNotFound', `Deleted Key not found: ${name}`);
    return key;
  }

  #opened(value: Buffer): Backup {
    try {
      const cipher = createDecipheriv('aes-256-gcm', this.#backupKey, value.subarray(0, 12), { authTagLength: 16 });
      cipher.setAuthTag(value.subarray(12, 28));
      return JSON.parse(Buffer.concat([cipher.update(value.subarray(28)), cipher.final()]).toString()) as Backup;
    } catch {
      throw badParameter('Backup blob contains invalid or corrupt data.');
    }
  }

  #kid(key: Key, { id }: Version): string {
    return `https://${this.#options.publicHost}/keys/${key.name}/${id}`;
  }

  #bundle(key: Key, version: Version): object {
    return {
      key: { kid: this.#kid(key, version), kty: version.kty, key_ops: version.ops, ...publicJwk(version) },
      ...this.#meta(version),
    };
  }

  #deletedBundle(key: Key): object {
    return { ...this.#bundle(key, key.versions.at(-1)!), ...this.#deletion(key) };
  }

  #deletion({ name, deletedAt }: Key): object {
    return {
      recoveryId: `https://${this.#options.publicHost}/deletedkeys/${name}`,
      deletedDate: deletedAt,
      scheduledPurgeDate: deletedAt! + RECOVERABLE_DAYS * DAY_S,
    };
  }

  #item(key: Key, version: Version, withVersion: boolean): object {
    const kid = this.#kid(key, version);
    return { kid: withVersion ? kid : kid.slice(0, kid.lastIndexOf('/')), ...this.#meta(version) };
  }

  #meta({ enabled, nbf, exp, created, updated, exportable, tags }: Version): object {
    return {
      attributes: {
        enabled,
        ...(nbf === null ? {} : { nbf }),
        ...(exp === null ? {} : { exp }),
        created,
        updated,
        recoveryLevel: 'Recoverable+Purgeable',
        recoverableDays: RECOVERABLE_DAYS,
        exportable,
        ...(this.#options.managedHsm ? { hsmPlatform: '2' } : {}),
      },
      tags,
    };
  }

  #policy({ name, policy }: Key): object {
    return {
      id: `https://${this.#options.publicHost}/keys/${name}/rotationpolicy`,
      lifetimeActions: [],
      attributes: {},
      ...policy,
    };
  }
}

function newMaterial(family: Family, curve: string | null, bits: number | undefined): KeyObject {
  switch (family) {
    case 'RSA':
      if (!RSA_BITS.includes(bits ?? 2048)) throw badParameter(`The key size ${bits} is not supported.`);
      return generateKeyPairSync('rsa', { modulusLength: bits ?? 2048 }).privateKey;
    case 'EC':
      return generateKeyPairSync('ec', { namedCurve: CURVES[curve!]!.node }).privateKey;
    case 'oct':
      if (!AES_BITS.includes(bits ?? 256)) throw badParameter(`The key size ${bits} is not supported.`);
      return createSecretKey(randomBytes((bits ?? 256) / 8));
  }
}

function importedMaterial(family: Family, curve: string | null, jwk: Readonly<Record<string, string>>): KeyObject {
  if (family === 'oct') {
    const bytes = Buffer.from(jwk['k'] ?? '', 'base64url');
    if (!AES_BITS.includes(bytes.length * 8)) throw badParameter("Property 'key.k' has an invalid length.");
    return createSecretKey(bytes);
  }
  const node = { ...jwk, kty: family, ...(curve === null ? {} : { crv: CURVES[curve]!.jwk }) } as webcrypto.JsonWebKey;
  delete node.key_ops;
  try {
    return createPrivateKey({ key: node, format: 'jwk' });
  } catch {
    throw badParameter('The key is not valid.');
  }
}

function publicJwk({ family, curve, key }: Version): object {
  if (family === 'oct') return {};
  const { n, e, x, y } = createPublicKey(key).export({ format: 'jwk' });
  return family === 'RSA' ? { n, e } : { crv: curve, x, y };
}

function exported(key: KeyObject): string {
  const bytes = key.type === 'secret' ? key.export() : key.export({ format: 'der', type: 'pkcs8' });
  return bytes.toString('base64');
}

function restored({ material, ...version }: Backup['versions'][number]): Version {
  const bytes = Buffer.from(material, 'base64');
  const key =
    version.family === 'oct' ? createSecretKey(bytes) : createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
  return { ...version, key };
}

function versionOf(key: Key, id: string | null): Version {
  const version = id === null ? key.versions.at(-1) : key.versions.find((one) => one.id === id);
  if (version === undefined)
    throw new Refusal(404, 'KeyNotFound', `A key with (name/id) ${key.name}/${id} was not found in this key vault.`);
  return version;
}

function conflictOf(key: Key): string {
  if (key.deletedAt !== null) return isChanging(key) ? 'ObjectIsBeingDeleted' : 'ObjectIsDeletedButRecoverable';
  return isChanging(key) ? 'ObjectIsBeingRecovered' : 'KeyAlreadyExists';
}

function isChanging(key: Key): boolean {
  return Date.now() < key.changingUntil;
}

function newId(): string {
  return randomBytes(16).toString('hex');
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
