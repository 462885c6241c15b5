/**
 * Azure Key Vault and Managed HSM as a provider.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { Spec } from '../../model/spec.ts';
import type { BackingInfo, CallOptions, Capability, Health, HomeKey, Provider } from '../provider.ts';
import type { Adapter } from '../adapter.ts';
import { inParts } from '../random-bytes.ts';
import { capabilitiesOf } from './algorithms.ts';
import { VaultConnection, type Transport } from './client.ts';
import { azureKeyVaultSchema, type AzureKeyVaultConfig } from './config.ts';
import { integrityError, unreadableError } from './errors.ts';
import { deletedInfoOf, infoOf, unseenInfoOf } from './description.ts';
import { homeKey } from './home-key.ts';
import { VaultLifecycle, deletedKey } from './lifecycle.ts';
import { parseLoose, parseReference, type KeyReference } from './reference.ts';

/** Bytes that one call to the random source of a Managed HSM gives. */
const RANDOM_BYTES_MAX = 128;

export const azureKeyVault: Adapter<AzureKeyVaultConfig> = {
  kind: 'azure-key-vault',
  schema: azureKeyVaultSchema,
  open: (config) => AzureKeyVaultProvider.open(config),
};

export class AzureKeyVaultProvider implements Provider {
  readonly kind = 'azure-key-vault';
  readonly name: string;
  readonly lifecycle: VaultLifecycle;
  /** Of a Managed HSM; a vault has none. */
  readonly random?: (bytes: number, options: CallOptions) => Promise<Buffer>;
  readonly #config: AzureKeyVaultConfig;
  readonly #connection: VaultConnection;
  readonly #capabilities: readonly Capability[];

  private constructor(config: AzureKeyVaultConfig, connection: VaultConnection) {
    this.name = config.name;
    this.lifecycle = new VaultLifecycle(connection, config);
    this.#config = config;
    this.#connection = connection;
    this.#capabilities = capabilitiesOf(config.managedHsm);
    if (config.managedHsm) this.random = (bytes, options) => this.#random(bytes, options);
  }

  /** @throws PROVIDER_MISCONFIGURED where a package or `caFile` is missing */
  static async open(config: AzureKeyVaultConfig, transport?: Transport): Promise<AzureKeyVaultProvider> {
    return new AzureKeyVaultProvider(config, await VaultConnection.open(config, transport));
  }

  capabilities(): readonly Capability[] {
    return this.#capabilities;
  }

  async resolve(reference: string, options: CallOptions): Promise<string> {
    const { name, version, host } = parseLoose(reference);
    const { ref, nativeId } = await this.#get(name, version, options);
    const known = [new URL(nativeId).host, new URL(this.#config.vaultUrl).host];
    if (host !== null && !known.includes(host.toLowerCase()))
      throw new ClavigerError('INVALID_ARGUMENT', `the key's URL is of another vault than \`${this.name}\``);
    return ref;
  }

  async describe(ref: string, options: CallOptions): Promise<BackingInfo> {
    const asked = parseReference(ref);
    try {
      return await this.#get(asked.name, asked.version, options);
    } catch (error) {
      if (!(error instanceof ClavigerError)) throw error;
      if (error.code === 'KEY_STATE')
        return deletedInfoOf(this.#config, await deletedKey(this.#connection, asked.name, options), asked);
      // Azure shows disabled keys. Some that are like it do not, and still list them.
      if (error.code === 'KEY_DISABLED') return this.#listed(asked, error, options);
      throw error;
    }
  }

  key(ref: string, spec: Spec): HomeKey {
    return homeKey(this.#connection, this.#config, parseReference(ref), spec);
  }

  async probe(options: CallOptions): Promise<Health> {
    const what = `${this.#config.managedHsm ? 'Managed HSM' : 'vault'} ${this.#config.vaultUrl}`;
    try {
      const lists = await this.#connection.probe(options);
      return { ok: true, detail: lists ? `${what} answers` : `${what} answers; our credentials may not list keys` };
    } catch (error) {
      if (!(error instanceof ClavigerError) || error.code === 'CANCELED') throw error;
      const code = error.native?.code;
      return { ok: false, detail: typeof code === 'string' ? `${error.message} (${code})` : error.message };
    }
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  /** @throws KEY_STATE where the key is deleted and can be recovered */
  async #get(name: string, version: string | null, options: CallOptions): Promise<BackingInfo> {
    try {
      const native = await this.#connection.call(options, (client, call) =>
        client.getKey(name, { ...call, ...(version === null ? {} : { version }) }),
      );
      return infoOf(this.#config, native, {
        origin: 'unknown',
        ...(version === null ? {} : { asked: { name, version } }),
      });
    } catch (error) {
      throw await this.#connection.explained(error, name, options.signal);
    }
  }

  async #listed({ name, version }: KeyReference, error: ClavigerError, options: CallOptions): Promise<BackingInfo> {
    return this.#connection.call(options, async (client, call) => {
      for await (const properties of client.listPropertiesOfKeyVersions(name, call)) {
        if (properties.version === version) return unseenInfoOf(this.name, properties);
      }
      throw error;
    });
  }

  async #random(bytes: number, options: CallOptions): Promise<Buffer> {
    return inParts(bytes, RANDOM_BYTES_MAX, async (count) => {
      const part = await this.#connection.call(options, (client, call) => client.getRandomBytes(count, call));
      if (!(part instanceof Uint8Array)) throw unreadableError(this.name, 'it has no random bytes');
      if (part.length !== count) throw integrityError(this.name, 'random bytes of another length');
      return part;
    });
  }
}
