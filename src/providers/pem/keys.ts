/**
 * The configured keys, read at the start and again when a file has changed.
 *
 * @module
 */
import { SecretBytes } from '../../crypto/secret-bytes.ts';
import { sourceOf, type PemSource } from './client.ts';
import type { PemConfig, PemKeyConfig } from './config.ts';
import { fileFailure, pemError, UnfitPem } from './errors.ts';
import { readKey, type PemKey } from './material.ts';

interface Entry {
  readonly config: PemKeyConfig;
  readonly source: PemSource;
  stamp: string;
  key: PemKey;
}

export class PemKeys {
  readonly #provider: string;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(provider: string, entries: ReadonlyMap<string, Entry>) {
    this.#provider = provider;
    this.#entries = entries;
  }

  /** @throws PROVIDER_MISCONFIGURED for the first key that cannot be used, with what to do */
  static async open({ name: provider, keys }: PemConfig): Promise<PemKeys> {
    const entries = new Map<string, Entry>();
    for (const config of keys) {
      const source = sourceOf(config);
      try {
        const stamp = await source.stamp();
        entries.set(config.name, { config, source, stamp, key: await read(source, config) });
      } catch (cause) {
        const says = cause instanceof UnfitPem ? cause.message : fileFailure(cause).says;
        throw pemError('PROVIDER_MISCONFIGURED', provider, config.name, says, { cause });
      }
    }
    return new PemKeys(provider, entries);
  }

  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** The key as it was read last; undefined where there is none of this name. */
  peek(name: string): PemKey | undefined {
    return this.#entries.get(name)?.key;
  }

  /** Whether others than the owner may read the key's file. */
  async isOpenToOthers(name: string): Promise<boolean> {
    return (await this.#entries.get(name)?.source.isOpenToOthers()) ?? false;
  }

  /**
   * The key as it is now.
   *
   * @throws KEY_NOT_FOUND; PROVIDER_UNAVAILABLE where a file cannot be read, or holds no key, for now
   */
  async now(name: string): Promise<PemKey> {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw pemError('KEY_NOT_FOUND', this.#provider, name, 'no such key is configured');
    try {
      const stamp = await entry.source.stamp();
      if (stamp !== entry.stamp) {
        // The stamp goes first: a change while we read shows at the next call.
        entry.key = await read(entry.source, entry.config);
        entry.stamp = stamp;
      }
      return entry.key;
    } catch (cause) {
      if (cause instanceof UnfitPem) {
        // It may be half written: there is nothing yet that could be wrong. Another key would be a matter of state.
        const says = `its file has changed, and cannot be used: ${cause.message}`;
        throw pemError('PROVIDER_UNAVAILABLE', this.#provider, name, says, { native: 'unreadable', cause });
      }
      const { code, says, native } = fileFailure(cause);
      throw pemError(code, this.#provider, name, says, { native, cause });
    }
  }
}

async function read(source: PemSource, { passphrase, publicKeyOnly, allowWeak }: PemKeyConfig): Promise<PemKey> {
  using file = new SecretBytes(await source.read());
  return readKey(file.reveal(), { passphrase, publicKeyOnly, allowWeak });
}
