/**
 * Making and ending keys in a vault.
 *
 * Two things differ from what one expects. To create a key under a name that is taken makes a new version of it, so the
 * name is looked up before. And only a whole key can be deleted, never one of its versions: as long as others are in use,
 * a destroyed version is disabled and marked by a tag, and the key is deleted with its last one.
 *
 * @module
 */
import type { DeletedKey, KeyProperties } from '@azure/keyvault-keys';
import { ClavigerError } from '../../errors.ts';
import type { BackingInfo, CallOptions, KeyLifecycle, WantedKey } from '../provider.ts';
import { nativeSpecOf } from './algorithms.ts';
import type { Send, VaultConnection } from './client.ts';
import type { AzureKeyVaultConfig } from './config.ts';
import { ENDED_TAG, infoOf, isEnded } from './description.ts';
import { importedJwk } from './jwk.ts';
import { parseReference } from './reference.ts';

/** Limits of Azure for tags. */
const TAGS_MAX = 15;
const TAG_CHARS_MAX = 256;
/** Versions that are looked at; each is an entry of a page of 25. */
const VERSIONS_MAX = 1000;
/** How often we look whether a deletion or recovery is through. */
const POLL_MS = 250;

export class VaultLifecycle implements KeyLifecycle {
  readonly #connection: VaultConnection;
  readonly #config: AzureKeyVaultConfig;

  constructor(connection: VaultConnection, config: AzureKeyVaultConfig) {
    this.#connection = connection;
    this.#config = config;
  }

  async create(wanted: WantedKey, options: CallOptions): Promise<BackingInfo> {
    const { kty, keyOps, keySize, curve } = nativeSpecOf(wanted.spec, wanted.usage, this.#config);
    const tags = takenTags(wanted.tags);
    await this.#requireFree(wanted.name, options);
    const made = await this.#connection.call(options, (client, call) =>
      client.createKey(wanted.name, kty, {
        ...call,
        keyOps: [...keyOps],
        tags,
        ...(keySize === undefined ? {} : { keySize }),
        ...(curve === undefined ? {} : { curve }),
      }),
    );
    await this.#setRotationPolicy(wanted.name, options);
    return infoOf(this.#config, made, { origin: 'provider' });
  }

  async importMaterial(wanted: WantedKey, material: Uint8Array, options: CallOptions): Promise<BackingInfo> {
    const native = nativeSpecOf(wanted.spec, wanted.usage, this.#config);
    if (wanted.spec === 'AES-256-GCM' && native.kty !== 'oct-HSM')
      throw new ClavigerError('UNSUPPORTED', 'a vault takes no AES keys; only a Managed HSM does');
    const tags = takenTags(wanted.tags);
    const jwk = importedJwk(material, native);
    await this.#requireFree(wanted.name, options);
    const hardwareProtected = native.kty.endsWith('-HSM');
    const made = await this.#connection.call(options, (client, call) =>
      client.importKey(wanted.name, jwk, { ...call, tags, hardwareProtected }),
    );
    return infoOf(this.#config, made, { origin: 'external' });
  }

  async rotate(ref: string, options: CallOptions): Promise<BackingInfo> {
    const { name } = parseReference(ref);
    const made = await this.#call(name, options, (client, call) => client.rotateKey(name, call));
    return infoOf(this.#config, made, { origin: 'provider' });
  }

  async setEnabled(ref: string, enabled: boolean, options: CallOptions): Promise<void> {
    await this.#update(ref, { enabled }, options);
  }

  async setTags(ref: string, tags: Readonly<Record<string, string>>, options: CallOptions): Promise<void> {
    await this.#update(ref, { tags: takenTags(tags) }, options);
  }

  async destroy(ref: string, options: CallOptions): Promise<void> {
    const { name, version } = parseReference(ref);
    const versions = await this.#versions(name, options);
    const own = versions.find((other) => other.version === version);
    if (own === undefined) return this.#destroyDeleted(name, options);
    if (versions.some((other) => other !== own && !isEnded(other))) {
      const tags = { ...own.tags, [ENDED_TAG]: own.enabled === false ? 'disabled' : 'enabled' };
      if (!isEnded(own)) await this.#update(ref, { enabled: false, tags }, options);
      return;
    }
    const poller = await this.#call(name, options, (client, call) =>
      client.beginDeleteKey(name, { ...call, intervalInMs: POLL_MS }),
    );
    const through = (signal: AbortSignal): Promise<unknown> =>
      this.#connection.call({ signal }, () => poller.pollUntilDone({ abortSignal: signal }));
    if (this.#config.purge) {
      await through(options.signal);
      return this.#purge(name, options);
    }
    // The deletion is accepted and will happen. Until it has, the key would be said not to be there.
    const enough = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs / 2)]);
    await through(enough).catch((error: unknown) => {
      if (!enough.aborted || options.signal.aborted) throw error;
    });
  }

  async restore(ref: string, options: CallOptions): Promise<void> {
    const { name, version } = parseReference(ref);
    const recovered = await this.#recover(name, options);
    const { properties } = await this.#call(name, options, (client, call) => client.getKey(name, { ...call, version }));
    if (isEnded(properties)) {
      const { [ENDED_TAG]: before, ...tags } = properties.tags ?? {};
      await this.#update(ref, { enabled: before === 'enabled', tags }, options);
    } else if (!recovered) {
      throw new ClavigerError('KEY_STATE', `the key \`${ref}\` is not destroyed, so there is nothing to restore`);
    }
  }

  /** All versions of a key, sealed by Azure for vaults of the same geography; only Azure opens it again. */
  async backup(ref: string, options: CallOptions): Promise<Buffer> {
    const { name } = parseReference(ref);
    const backup = await this.#call(name, options, (client, call) => client.backupKey(name, call));
    if (!(backup instanceof Uint8Array))
      throw new ClavigerError('PROVIDER_UNAVAILABLE', `\`${this.#config.name}\` gave no backup`);
    return Buffer.from(backup);
  }

  /** Brings back what `backup` gave, all versions under their old names; gives the newest. */
  async restoreBackup(backup: Uint8Array, options: CallOptions): Promise<BackingInfo> {
    const made = await this.#connection.call(options, (client, call) => client.restoreKeyBackup(backup, call));
    return infoOf(this.#config, made, { origin: 'unknown' });
  }

  /** The name is free. A deleted key that can be recovered holds it too: then creating refuses with KEY_STATE. */
  async #requireFree(name: string, options: CallOptions): Promise<void> {
    try {
      await this.#connection.call(options, (client, call) => client.getKey(name, call));
    } catch (error) {
      if (error instanceof ClavigerError && error.code === 'KEY_NOT_FOUND') return;
      throw error;
    }
    throw new ClavigerError('KEY_EXISTS', `\`${this.#config.name}\` has a key \`${name}\` already`);
  }

  async #setRotationPolicy(name: string, options: CallOptions): Promise<void> {
    const { rotateEveryDays } = this.#config;
    if (rotateEveryDays === undefined) return;
    const policy = { lifetimeActions: [{ action: 'Rotate' as const, timeAfterCreate: `P${rotateEveryDays}D` }] };
    await this.#connection.call(options, (client, call) => client.updateKeyRotationPolicy(name, policy, call));
  }

  async #versions(name: string, options: CallOptions): Promise<KeyProperties[]> {
    return this.#connection
      .call(options, async (client, call) => {
        const versions: KeyProperties[] = [];
        for await (const version of client.listPropertiesOfKeyVersions(name, call)) {
          if (versions.push(version) >= VERSIONS_MAX) break;
        }
        return versions;
      })
      .catch((error: unknown) => {
        if (error instanceof ClavigerError && error.code === 'KEY_NOT_FOUND') return [];
        throw error;
      });
  }

  /** The key is deleted already: with `purge` there is one thing left to do. */
  async #destroyDeleted(name: string, options: CallOptions): Promise<void> {
    await deletedKey(this.#connection, name, options);
    if (this.#config.purge) await this.#purge(name, options);
  }

  async #purge(name: string, options: CallOptions): Promise<void> {
    await this.#connection.call(options, (client, call) => client.purgeDeletedKey(name, call));
  }

  /** True where the whole key was deleted, and is there again. */
  async #recover(name: string, options: CallOptions): Promise<boolean> {
    try {
      await deletedKey(this.#connection, name, options);
    } catch (error) {
      if (error instanceof ClavigerError && error.code === 'KEY_NOT_FOUND') return false;
      throw error;
    }
    await this.#connection.call(options, async (client, call) => {
      const poller = await client.beginRecoverDeletedKey(name, { ...call, intervalInMs: POLL_MS });
      await poller.pollUntilDone({ abortSignal: options.signal });
    });
    return true;
  }

  async #update(
    ref: string,
    changes: { readonly enabled?: boolean; readonly tags?: Record<string, string> },
    options: CallOptions,
  ): Promise<void> {
    const { name, version } = parseReference(ref);
    await this.#call(name, options, (client, call) =>
      client.updateKeyProperties(name, version, { ...call, ...changes }),
    );
  }

  /** A call for a key that should be there. */
  async #call<T>(name: string, options: CallOptions, send: Send<T>): Promise<T> {
    try {
      return await this.#connection.call(options, send);
    } catch (error) {
      throw await this.#connection.explained(error, name, options.signal);
    }
  }
}

/** @throws KEY_NOT_FOUND where the key is not among the deleted ones */
export async function deletedKey(connection: VaultConnection, name: string, options: CallOptions): Promise<DeletedKey> {
  return connection.call(options, (client, call) => client.getDeletedKey(name, call));
}

function takenTags(tags: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(tags);
  if (entries.length > TAGS_MAX || entries.flat().some((text) => text.length > TAG_CHARS_MAX))
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `a key takes ${TAGS_MAX} tags of ${TAG_CHARS_MAX} characters each in Azure`,
    );
  return Object.fromEntries(entries);
}
