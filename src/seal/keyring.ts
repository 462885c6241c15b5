/**
 * The tree of seals: root key → tenant keys → values. Each seal is XAES-256-GCM, and its AAD binds the value to its
 * purpose, tenant, key and version, so that a sealed value opens only where it was put.
 *
 * @module
 */
import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { lengthPrefixed } from '../bytes/length-prefixed.ts';
import { SecretBytes } from '../crypto/secret-bytes.ts';
import { XaesKey } from '../crypto/xaes.ts';
import { ClavigerError } from '../errors.ts';
import type { Random } from '../ports/random.ts';

export type SealPurpose = 'tenant-key' | 'key-material' | 'access-key-secret' | 'import-key' | 'root-check' | 'log-key';

/** Where a sealed value belongs. */
export interface SealPlace {
  readonly purpose: SealPurpose;
  readonly tenantId: string;
  /** Key, credential or import slot; empty where there is none. */
  readonly id: string;
  readonly version: number;
}

/** What a tenant key is used for, each with a key of its own. OpenSSL zeroes its copies of key objects. */
interface TenantKey {
  readonly sealing: XaesKey;
  readonly fingerprint: KeyObject;
  /** From which the integrity key of each version with several homes is derived. */
  readonly wrapSeal: KeyObject;
}

const TENANT_KEY_BYTES = 32;
const NO_SALT = Buffer.alloc(0);
const ROOT_CHECK_PLACE: SealPlace = { purpose: 'root-check', tenantId: '', id: '', version: 0 };

export class Keyring implements Disposable {
  readonly #root: XaesKey;
  readonly #random: Random;
  readonly #loadSealedTenantKey: (tenantId: string) => Promise<Uint8Array | null>;
  readonly #tenantKeys = new Map<string, TenantKey>();

  /** @param root 32 bytes; the keyring takes a copy and the caller disposes of its own */
  constructor(
    root: SecretBytes,
    random: Random,
    loadSealedTenantKey: (tenantId: string) => Promise<Uint8Array | null>,
  ) {
    this.#root = new XaesKey(root.reveal());
    this.#random = random;
    this.#loadSealedTenantKey = loadSealedTenantKey;
  }

  /** A new tenant key, sealed under the root key; it is usable at once. */
  newTenantKey(tenantId: string): Uint8Array {
    using key = new SecretBytes(this.#random.bytes(TENANT_KEY_BYTES));
    this.#tenantKeys.set(tenantId, tenantKeyOf(key));
    return this.#root.seal(key.reveal(), aadOf(tenantKeyPlace(tenantId)), this.#random);
  }

  async seal(place: SealPlace, plaintext: Uint8Array): Promise<Buffer> {
    return (await this.#tenantKey(place.tenantId)).sealing.seal(plaintext, aadOf(place), this.#random);
  }

  /** @throws INTERNAL where the value was not sealed for this place: the store was changed from outside */
  async open(place: SealPlace, sealed: Uint8Array): Promise<SecretBytes> {
    const { sealing } = await this.#tenantKey(place.tenantId);
    return new SecretBytes(opened(sealing, sealed, place));
  }

  /** A keyed fingerprint by which material is recognised when it comes again; without the tenant key it says nothing. */
  async fingerprint(tenantId: string, material: Uint8Array): Promise<Buffer> {
    const { fingerprint } = await this.#tenantKey(tenantId);
    return createHmac('sha256', fingerprint).update(material).digest();
  }

  /** The key of the seals that a version's wraps carry: HMAC-SHA-256, the same each time. */
  async wrapSealKey(tenantId: string, keyId: string, version: number): Promise<KeyObject> {
    const { wrapSeal } = await this.#tenantKey(tenantId);
    return derived(wrapSeal, `${keyId}/${version}`);
  }

  /** A value that only this root key opens, to be kept beside the store. */
  rootCheck(): Buffer {
    return this.#root.seal(Buffer.from('claviger'), aadOf(ROOT_CHECK_PLACE), this.#random);
  }

  /** @throws SEALED where the store was sealed by another root key */
  requireRoot(check: Uint8Array): void {
    try {
      this.#root.open(check, aadOf(ROOT_CHECK_PLACE));
    } catch (cause) {
      throw new ClavigerError('SEALED', 'this root key does not open the store; name the one it was sealed with', {
        cause,
      });
    }
  }

  /** Nothing is sealed or opened any more. */
  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
    for (const { sealing } of this.#tenantKeys.values()) sealing[Symbol.dispose]();
    this.#tenantKeys.clear();
  }

  async #tenantKey(tenantId: string): Promise<TenantKey> {
    const known = this.#tenantKeys.get(tenantId);
    if (known !== undefined) return known;
    const sealed = await this.#loadSealedTenantKey(tenantId);
    if (sealed === null) throw new ClavigerError('INTERNAL', 'the tenant has no key');
    using secret = new SecretBytes(opened(this.#root, sealed, tenantKeyPlace(tenantId)));
    const key = tenantKeyOf(secret);
    this.#tenantKeys.set(tenantId, key);
    return key;
  }
}

function tenantKeyOf(secret: SecretBytes): TenantKey {
  const key = createSecretKey(secret.reveal());
  return {
    sealing: new XaesKey(secret.reveal()),
    fingerprint: derived(key, 'claviger/fingerprint/v1'),
    wrapSeal: derived(key, 'claviger/wrap-seal/v1'),
  };
}

/** HKDF-SHA-256 without salt, 32 bytes. */
function derived(key: KeyObject, info: string): KeyObject {
  using bytes = new SecretBytes(Buffer.from(hkdfSync('sha256', key, NO_SALT, info, TENANT_KEY_BYTES)));
  return createSecretKey(bytes.reveal());
}

function tenantKeyPlace(tenantId: string): SealPlace {
  return { purpose: 'tenant-key', tenantId, id: '', version: 1 };
}

function aadOf({ purpose, tenantId, id, version }: SealPlace): Buffer {
  const fields = ['claviger/seal/v1', purpose, tenantId, id, String(version)];
  return lengthPrefixed(...fields.map((field) => Buffer.from(field)));
}

function opened(key: XaesKey, sealed: Uint8Array, place: SealPlace): Buffer {
  try {
    return key.open(sealed, aadOf(place));
  } catch (cause) {
    throw new ClavigerError('INTERNAL', `a sealed value of the store does not open (${place.purpose})`, { cause });
  }
}
