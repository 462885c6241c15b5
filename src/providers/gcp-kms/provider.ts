/**
 * Google Cloud KMS as a home of keys, over gRPC.
 *
 * @module
 * @see https://cloud.google.com/kms/docs/reference/rpc/google.cloud.kms.v1
 */
import { ClavigerError } from '../../errors.ts';
import type { Spec } from '../../model/spec.ts';
import type { BackingInfo, CallOptions, Capability, Health, HomeKey, Provider } from '../provider.ts';
import type { Adapter, ProviderPorts } from '../adapter.ts';
import { requireCount } from '../random-bytes.ts';
import { capabilitiesOf } from './algorithms.ts';
import { type GcpClient, openClient } from './client.ts';
import { type GcpKmsConfig, gcpKmsSchema } from './config.ts';
import type { Connection } from './connection.ts';
import { describeVersion, fetchVersion, unseen } from './describe.ts';
import { Answer } from './integrity.ts';
import { Keys } from './key.ts';
import { GcpKmsLifecycle } from './lifecycle.ts';
import { locationOf, parseReference, parseVersion } from './names.ts';
import { PublicKeys } from './public-key.ts';

/** Of GenerateRandomBytes. */
const RANDOM_BYTES_MIN = 8;
const RANDOM_BYTES_MAX = 1024;
/** Versions on a page, and pages, where the newest version is looked for. */
const PAGE_SIZE = 1000;
const PAGES_MAX = 10;

export const gcpKms: Adapter<GcpKmsConfig> = {
  kind: 'gcp-kms',
  schema: gcpKmsSchema,
  open: async (config, ports) => new GcpKmsProvider(config, await openClient(config), ports),
};

export class GcpKmsProvider implements Provider {
  readonly name: string;
  readonly kind = 'gcp-kms';
  readonly lifecycle: GcpKmsLifecycle;
  readonly #connection: Connection;
  readonly #publicKeys: PublicKeys;
  readonly #keys: Keys;
  readonly #capabilities: readonly Capability[];

  constructor(config: GcpKmsConfig, client: GcpClient, { clock, random }: Pick<ProviderPorts, 'clock' | 'random'>) {
    this.name = config.name;
    this.#connection = { name: config.name, config, client, random, answer: new Answer(config.name) };
    this.#publicKeys = new PublicKeys(this.#connection);
    this.#keys = new Keys(this.#connection, this.#publicKeys);
    this.#capabilities = capabilitiesOf(config);
    this.lifecycle = new GcpKmsLifecycle(this.#connection, this.#publicKeys, clock);
  }

  capabilities(): readonly Capability[] {
    return this.#capabilities;
  }

  /** Of a key without a version: its primary version, or the newest enabled one where keys have none. */
  async resolve(reference: string, options: CallOptions): Promise<string> {
    const { client, config, answer } = this.#connection;
    const { key, ref } = parseReference(reference, config.keyRing);
    if (ref !== null) return (await fetchVersion(this.#connection, ref, options)).name!;
    const found = await client.call('getCryptoKey', { name: key }, options).catch((error: unknown) => {
      throw unseen(this.#connection, key, error);
    });
    answer.named(key, found.name);
    const primary = found.primary?.name;
    if (typeof primary !== 'string' || primary === '') return this.#newest(key, options);
    if (!primary.startsWith(`${key}/`)) throw answer.fault('the primary version is one of another key');
    return parseVersion(primary).ref;
  }

  async describe(ref: string, options: CallOptions): Promise<BackingInfo> {
    return describeVersion(this.#connection, this.#publicKeys, parseVersion(ref).ref, options);
  }

  key(ref: string, spec: Spec): HomeKey {
    return this.#keys.of(ref, spec);
  }

  /** From an HSM of the key ring's location; not every location has one. */
  async random(bytes: number, options: CallOptions): Promise<Buffer> {
    requireCount(this.name, bytes, RANDOM_BYTES_MAX);
    const { client, config, answer } = this.#connection;
    const lengthBytes = Math.max(bytes, RANDOM_BYTES_MIN);
    const request = { location: locationOf(config.keyRing), lengthBytes, protectionLevel: 'HSM' } as const;
    const made = await client.call('generateRandomBytes', request, options);
    const data = answer.bytes('data', made.data, made.dataCrc32c);
    if (data.length !== lengthBytes) throw answer.fault(`it has ${data.length} random bytes, not ${lengthBytes}`);
    return data.subarray(0, bytes);
  }

  /** Asks for the key ring: that it is not there yet is an answer as good as any. */
  async probe(options: CallOptions): Promise<Health> {
    const { client, config } = this.#connection;
    try {
      await client.call('getKeyRing', { name: config.keyRing }, options);
      return { ok: true, detail: `Cloud KMS answers; the key ring is \`${config.keyRing}\`` };
    } catch (error) {
      if (!(error instanceof ClavigerError) || error.code === 'CANCELED') throw error;
      if (error.code === 'KEY_NOT_FOUND') {
        return { ok: true, detail: `Cloud KMS answers; the key ring \`${config.keyRing}\` is made with the first key` };
      }
      return { ok: false, detail: error.message };
    }
  }

  close(): Promise<void> {
    return this.#connection.client.close();
  }

  async #newest(key: string, options: CallOptions): Promise<string> {
    const { client, answer } = this.#connection;
    let newest = 0n;
    let pageToken = '';
    for (let page = 0; page < PAGES_MAX; page++) {
      const request = { parent: key, pageSize: PAGE_SIZE, pageToken };
      const list = await client.call('listCryptoKeyVersions', request, options);
      for (const { name, state } of list.cryptoKeyVersions ?? []) {
        const version = parseVersion(String(name));
        if (version.key !== key) throw answer.fault('it lists versions of another key');
        if (state === 'ENABLED' && BigInt(version.version) > newest) newest = BigInt(version.version);
      }
      pageToken = list.nextPageToken ?? '';
      if (pageToken === '') break;
    }
    if (newest > 0n) return `${key}/cryptoKeyVersions/${newest}`;
    throw new ClavigerError('KEY_STATE', `the key \`${key}\` has no enabled version`);
  }
}
