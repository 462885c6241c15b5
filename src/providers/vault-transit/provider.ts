/**
 * A Transit engine of HashiCorp Vault or OpenBao.
 *
 * @module
 * @see https://developer.hashicorp.com/vault/api-docs/secret/transit
 */
import { z } from 'zod';
import { ClavigerError } from '../../errors.ts';
import type { Spec } from '../../model/spec.ts';
import type { BackingInfo, CallOptions, Capability, Health, HomeKey, Provider } from '../provider.ts';
import type { Adapter, ProviderPorts } from '../adapter.ts';
import { requireCount } from '../random-bytes.ts';
import { CAPABILITIES } from './algorithms.ts';
import { VaultApi } from './api.ts';
import { openClient, refusalOf, type VaultClient } from './client.ts';
import { vaultTransitSchema, type VaultTransitConfig } from './config.ts';
import { integrityError, refusalError, STATUS_STANDBY, STATUS_UNINITIALIZED } from './errors.ts';
import { homeKey } from './home-key.ts';
import { describeVersion, readKey, requireVersion } from './keys.ts';
import { TransitLifecycle } from './lifecycle.ts';
import { formatRef, parseRef, parseReference } from './names.ts';
import { VaultSession } from './session.ts';

/** What Transit gives in one answer. */
const RANDOM_BYTES_MAX = 128 * 1024;

const healthShape = z.object({ sealed: z.boolean(), standby: z.boolean(), version: z.string().max(64) });
const mountShape = z.object({ type: z.string().max(64) });
const randomShape = z.object({ random_bytes: z.string() });

export const vaultTransit: Adapter<VaultTransitConfig> = {
  kind: 'vault-transit',
  schema: vaultTransitSchema,
  open: async (config, ports) => new VaultTransitProvider(config, await openClient(config), ports),
};

export class VaultTransitProvider implements Provider {
  readonly name: string;
  readonly kind = 'vault-transit';
  readonly lifecycle: TransitLifecycle;
  readonly #api: VaultApi;
  readonly #session: VaultSession;
  /** Names the engine among all in the world; keys stand below it. */
  readonly #place: string;

  constructor(config: VaultTransitConfig, client: VaultClient, ports: ProviderPorts) {
    const { name, address, namespace, mount } = config;
    this.name = name;
    this.#session = new VaultSession(config, client, ports);
    this.#api = new VaultApi(name, mount, client, this.#session);
    const path = namespace === undefined ? mount : `${namespace}/${mount}`;
    this.#place = `${address.replace(/\/+$/, '')}/v1/${path}`;
    this.lifecycle = new TransitLifecycle(this.#api, this.#place, ports.random);
  }

  capabilities(): readonly Capability[] {
    return CAPABILITIES;
  }

  async resolve(reference: string, options: CallOptions): Promise<string> {
    const { name, version } = parseReference(reference);
    const key = await readKey(this.#api, name, options);
    if (version !== null) requireVersion(this.#api, key, version);
    return formatRef({ name, version: version ?? key.latest_version });
  }

  async describe(ref: string, options: CallOptions): Promise<BackingInfo> {
    const wanted = parseRef(ref);
    return describeVersion(this.#api, this.#place, await readKey(this.#api, wanted.name, options), wanted);
  }

  key(ref: string, spec: Spec): HomeKey {
    return homeKey(this.#api, ref, spec);
  }

  async random(bytes: number, options: CallOptions): Promise<Buffer> {
    requireCount(this.name, bytes, RANDOM_BYTES_MAX);
    const body = { bytes, format: 'base64' };
    const { random_bytes: text } = await this.#api.transit('POST', 'random', body, randomShape, options);
    const value = Buffer.from(text, 'base64');
    if (value.length !== bytes) throw integrityError(this.name, 'not as many random bytes as were asked for');
    return value;
  }

  /**
   * First how the server does, which it tells anybody; then whether our token is good for this mount. A standby node is well
   * where it passes on what it is asked.
   */
  async probe(options: CallOptions): Promise<Health> {
    try {
      const server = await this.#serverHealth(options);
      if (!server.ok) return server;
      const path = `sys/internal/ui/mounts/${this.#api.mount}`;
      const { type } = this.#api.data(await this.#api.call({ method: 'GET', path }, options), mountShape);
      if (type === 'transit') return server;
      return {
        ok: false,
        detail: `what is mounted at \`${this.#api.mount}\` is \`${type}\`, not Transit; set \`mount\``,
      };
    } catch (error) {
      if (error instanceof ClavigerError && error.code === 'CANCELED') throw error;
      return { ok: false, detail: (error as Error).message };
    }
  }

  async close(): Promise<void> {
    this.#session.close();
    this.#api.client.close();
  }

  async #serverHealth(options: CallOptions): Promise<Health> {
    const answer = await this.#api.client.exchange({ method: 'GET', path: 'sys/health' }, options);
    if (answer.status === STATUS_UNINITIALIZED)
      return { ok: false, detail: 'it is not initialised; run `vault operator init`' };
    const { data: health } = healthShape.safeParse(answer.json);
    if (health === undefined) throw refusalError(this.name, refusalOf(answer), 'PROVIDER_UNAVAILABLE', NO_VAULT);
    if (health.sealed) return { ok: false, detail: `version ${health.version}, sealed; unseal it` };
    const isStandby = health.standby || answer.status === STATUS_STANDBY;
    return { ok: true, detail: `version ${health.version}, ${isStandby ? 'standby' : 'active'}` };
  }
}

const NO_VAULT = 'what answers there says nothing of its health, so it is no Vault';
