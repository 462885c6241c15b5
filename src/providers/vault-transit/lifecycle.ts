/**
 * Making and ending keys of Transit.
 *
 * There is no switch that disables a key, and no tag. A version alone can be destroyed where it is the oldest one: Transit
 * trims from the bottom. The last one goes with its key.
 *
 * @module
 * @see https://developer.hashicorp.com/vault/docs/secrets/transit#bring-your-own-key-byok
 */
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { importMaterial } from '../../crypto/key-material.ts';
import { wrapForImport } from '../../crypto/key-wrap.ts';
import { ClavigerError } from '../../errors.ts';
import type { Random } from '../../ports/random.ts';
import type { BackingInfo, CallOptions, KeyLifecycle, WantedKey } from '../provider.ts';
import { typeOf } from './algorithms.ts';
import type { VaultApi } from './api.ts';
import { homeError, integrityError } from './errors.ts';
import { unsupportedSpec } from './home-key.ts';
import { describeVersion, oldestVersion, readKey, requireVersion, specOfKey, type TransitKey } from './keys.ts';
import { parseRef, parseReference } from './names.ts';

/** Bits of the wrapping key (BYOK). */
const WRAPPING_KEY_BITS = 4096;

const wrappingKey = z.object({ public_key: z.string().max(4096) });

export class TransitLifecycle implements KeyLifecycle {
  readonly #api: VaultApi;
  readonly #place: string;
  readonly #random: Random;

  constructor(api: VaultApi, place: string, random: Random) {
    this.#api = api;
    this.#place = place;
    this.#random = random;
  }

  async create(wanted: WantedKey, options: CallOptions): Promise<BackingInfo> {
    const fields = this.#fieldsOf(wanted);
    await this.#requireFree(wanted.name, options);
    await this.#api.command('POST', `keys/${wanted.name}`, { ...fields, exportable: false }, options);
    return this.#fresh(wanted, options);
  }

  async rotate(ref: string, options: CallOptions): Promise<BackingInfo> {
    const { name, version } = parseRef(ref);
    const before = await readKey(this.#api, name, options);
    requireVersion(this.#api, before, version);
    await this.#api.command('POST', `keys/${name}/rotate`, {}, options);
    const after = await readKey(this.#api, name, options);
    if (after.latest_version <= before.latest_version) throw integrityError(this.#api.name, 'no new version was made');
    return describeVersion(this.#api, this.#place, after, { name, version: after.latest_version });
  }

  async destroy(ref: string, options: CallOptions): Promise<void> {
    const { name, version } = parseRef(ref);
    const key = await readKey(this.#api, name, options);
    requireVersion(this.#api, key, version);
    const oldest = oldestVersion(key);
    if (version < oldest) return;
    if (version > oldest) {
      const says = `cannot destroy version ${version} of key \`${name}\`: Transit destroys from the oldest, which is ${oldest}`;
      throw homeError(this.#api.name, 'KEY_STATE', says);
    }
    if (version === key.latest_version) return this.#destroyKey(name, options);
    await this.#trim(key, version + 1, options);
  }

  async importMaterial(wanted: WantedKey, material: Uint8Array, options: CallOptions): Promise<BackingInfo> {
    const { type } = this.#fieldsOf(wanted);
    const { privateMaterial, publicKey } = importMaterial(wanted.spec, material);
    using own = privateMaterial;
    await this.#requireFree(wanted.name, options);
    const { public_key: pem } = await this.#api.transit('GET', 'wrapping_key', null, wrappingKey, options);
    const wrapped = wrapForImport('RSA_AES_KEY_WRAP_SHA_256', this.#wrappingSpki(pem), own.reveal(), this.#random);
    const body = {
      type,
      ciphertext: wrapped.toString('base64'),
      hash_function: 'SHA256',
      // The next version of an imported key is imported as well, into a key of its own.
      allow_rotation: false,
      exportable: false,
    };
    await this.#api.command('POST', `keys/${wanted.name}/import`, body, options);
    const info = await this.#fresh(wanted, options);
    if (publicKey !== null && !info.publicKey?.equals(publicKey)) {
      throw integrityError(this.#api.name, 'the public key is not that of the imported material');
    }
    return info;
  }

  /** @throws UNSUPPORTED for what Transit has no key for, INVALID_ARGUMENT for a bad name */
  #fieldsOf({ spec, usage, name }: WantedKey): { readonly type: string; readonly key_size?: number } {
    const row = typeOf(spec);
    if (row === undefined || !row.usages.includes(usage)) {
      if (row === undefined) throw unsupportedSpec(this.#api.name, spec);
      throw homeError(this.#api.name, 'UNSUPPORTED', `a key of spec \`${spec}\` in Transit has no usage \`${usage}\``);
    }
    parseReference(name);
    return { type: row.type, ...(row.keySizeBytes === undefined ? {} : { key_size: row.keySizeBytes }) };
  }

  /** To make a key that is there would change nothing, and succeed. */
  async #requireFree(name: string, options: CallOptions): Promise<void> {
    const found = await readKey(this.#api, name, options).catch((error: unknown) => {
      if (error instanceof ClavigerError && error.code === 'KEY_NOT_FOUND') return null;
      throw error;
    });
    if (found === null) return;
    throw homeError(this.#api.name, 'KEY_EXISTS', `it has a key \`${name}\` already`);
  }

  async #fresh({ name, spec }: WantedKey, options: CallOptions): Promise<BackingInfo> {
    const key = await readKey(this.#api, name, options);
    if (specOfKey(key) !== spec || key.latest_version !== 1) {
      throw integrityError(this.#api.name, 'the key that was made is another one than was asked for');
    }
    return describeVersion(this.#api, this.#place, key, { name, version: 1 });
  }

  async #destroyKey(name: string, options: CallOptions): Promise<void> {
    await this.#api.command('POST', `keys/${name}/config`, { deletion_allowed: true }, options);
    await this.#api.command('DELETE', `keys/${name}`, {}, options);
  }

  /** Trimming asks that the versions are out of use before. */
  async #trim(key: TransitKey, oldest: number, options: CallOptions): Promise<void> {
    const config = {
      min_decryption_version: Math.max(key.min_decryption_version, oldest),
      min_encryption_version: Math.max(key.min_encryption_version, oldest),
    };
    await this.#api.command('POST', `keys/${key.name}/config`, config, options);
    await this.#api.command('POST', `keys/${key.name}/trim`, { min_available_version: oldest }, options);
  }

  #wrappingSpki(pem: string): Buffer {
    try {
      const key = createPublicKey({ key: pem, format: 'pem' });
      const { modulusLength } = key.asymmetricKeyDetails ?? {};
      if (key.asymmetricKeyType === 'rsa' && modulusLength === WRAPPING_KEY_BITS) {
        return key.export({ format: 'der', type: 'spki' });
      }
    } catch {
      // Said below.
    }
    throw integrityError(this.#api.name, `a wrapping key that is none of RSA with ${WRAPPING_KEY_BITS} bits`);
  }
}
