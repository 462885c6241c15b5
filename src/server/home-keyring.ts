/**
 * A keyring for messages whose homes the library's user lists: keys of providers, of Claviger servers, and keys of one's own.
 *
 * @module
 */
import { systemRandom } from '../crypto/random.ts';
import {
  HomesKeyring,
  NativeKey,
  rawAesKey,
  rawRsaKey,
  serviceGuard,
  serviceHome,
  type KeyHome,
  type RawAesOptions,
  type RawRsaOptions,
} from '../envelope/keyrings/index.ts';
import type { KeyService } from '../envelope/key-service.ts';
import type { Keyring } from '../envelope/keyring.ts';
import type { WrappingKey } from '../envelope/keyrings/wrapping-key.ts';
import { ClavigerError } from '../errors.ts';
import { printable } from '../model/ids.ts';
import type { Spec } from '../model/spec.ts';
import { systemClock } from '../ports/clock.ts';
import { silentLog, type Log } from '../ports/log.ts';
import {
  Guard,
  type CircuitState,
  type GroupSettings,
  type Guarded,
  type GuardEvents,
  type GuardSettings,
} from '../resilience/index.ts';
import { keyringSettings, openHomes, type ProviderInput } from './providers-config.ts';

/** A native key of one of the providers. */
export interface ProviderKeyInput {
  /** Name of the provider. */
  readonly provider: string;
  /** As its guide has it: an ARN, an alias, a name. What it stands for is asked for at the first use. */
  readonly ref: string;
  /** With it `ref` is the immutable reference, and nothing is asked for. */
  readonly spec?: Spec;
}

/** A key of a Claviger server, or of a service in this process. */
export interface ServiceKeyInput {
  readonly service: KeyService;
  /** ARN, id or alias. */
  readonly key: string;
  /** Stands in errors and in `missing`; `claviger` where it is not given. Servers that differ have names that do. */
  readonly name?: string;
}

export type KeyringKeyInput = (
  | ProviderKeyInput
  | ServiceKeyInput
  | { readonly rsa: Omit<RawRsaOptions, 'random'> }
  | { readonly aes: Omit<RawAesOptions, 'random'> }
) & {
  /** Share of the unwraps, for `balance: 'weighted'`; 1 where it is not given. */
  readonly weight?: number;
};

export interface HomesKeyringOptions extends Partial<GroupSettings> {
  /** The fields of `providers` in the configuration of a server; secrets as they are, files relative to the current folder. */
  readonly providers?: readonly ProviderInput[];
  /** The homes of messages, 1 to 16. Each wraps every data key, and any of them opens it. */
  readonly keys: readonly KeyringKeyInput[];
  readonly events?: GuardEvents;
  readonly log?: Log;
}

/** How a home is, as far as calls to it have shown. */
export interface HomeStatus {
  readonly name: string;
  readonly state: CircuitState;
  readonly since: string;
  readonly lastError: string | null;
}

/** A keyring that holds connections, until it is disposed of. */
export interface OpenedKeyring extends Keyring, AsyncDisposable {
  /** Every provider, server and key of one's own. */
  status(): readonly HomeStatus[];
  /**
   * Asks a home again that is left alone, such as one that has refused our credentials.
   *
   * @throws NOT_FOUND
   */
  clear(name: string): void;
}

/** What happens in this process takes no longer, and is not tried twice. */
const LOCAL: GuardSettings = {
  timeoutMs: 10_000,
  attempts: 1,
  maxConcurrent: 10_000,
  breaker: { failures: 1000, openMs: 10 },
};

/**
 * Opens a keyring over homes. No home is called before the first message, so one that is down is no reason not to start.
 *
 * @example
 * await using keyring = await openHomesKeyring({
 *   providers: [{ name: 'aws', kind: 'aws-kms', region: 'eu-west-1' }],
 *   keys: [
 *     { provider: 'aws', ref: 'alias/orders' },
 *     { service: client, key: 'alias:orders' },
 *     { rsa: { namespace: 'example.org', name: 'recovery', publicKey: readFileSync('recovery.pub.pem', 'utf8') } },
 *   ],
 *   wrapQuorum: 2,
 * });
 * @throws INVALID_ARGUMENT that names each mistake; PROVIDER_MISCONFIGURED where a package or a file is missing
 */
export async function openHomesKeyring(options: HomesKeyringOptions): Promise<OpenedKeyring> {
  const { providers: inputs = [], keys, events, log = silentLog, ...rest } = options;
  const settings = settingsOf(rest);
  const ports = { clock: systemClock, random: systemRandom, log };
  const guardPorts = { ...ports, ...(events === undefined ? {} : { events }) };
  const { providers } = await openHomes({ providers: [...inputs], groups: [] }, ports);
  const guards = new Map<string, Guard<Guarded>>();
  try {
    const natives = new Map(providers.map(({ provider }) => [provider.name, provider]));
    for (const { provider, config } of providers) guards.set(provider.name, new Guard(provider, config, guardPorts));
    const services = new Map<string, KeyService>();

    const homeOf = (input: KeyringKeyInput): KeyHome => {
      if ('provider' in input) {
        const provider = natives.get(input.provider);
        if (provider === undefined) throw noProvider(input.provider, [...natives.keys()]);
        if (provider.kind === 'pem') throw noPem(provider.name);
        return { name: provider.name, guard: guards.get(provider.name)!, key: new NativeKey(provider, input) };
      }
      if ('service' in input) {
        const { service, name = 'claviger' } = input;
        if ((services.get(name) ?? service) !== service || natives.has(name)) throw taken(name);
        services.set(name, service);
        const guard = guards.get(name) ?? serviceGuard(service, { name, ...(events === undefined ? {} : { events }) });
        guards.set(name, guard);
        return serviceHome(guard, input);
      }
      if ('rsa' in input) return local(input.rsa.name, rawRsaKey(input.rsa));
      return local(input.aes.name, rawAesKey(input.aes, systemRandom));
    };
    const local = (name: string, key: WrappingKey): KeyHome => {
      if (guards.has(name)) throw taken(name);
      const guarded: Guarded = {
        name,
        probe: async () => ({ ok: true, detail: 'it is in this process' }),
        close: async () => undefined,
      };
      const guard = new Guard(guarded, LOCAL, guardPorts);
      guards.set(name, guard);
      return { name, guard, key };
    };

    const homes = keys.map((input) => {
      const { weight } = input;
      return { ...homeOf(input), ...(weight === undefined ? {} : { weight }) };
    });
    return new ListedKeyring(new HomesKeyring(homes, settings), guards);
  } catch (error) {
    await Promise.allSettled(providers.map(({ provider }) => provider.close()));
    throw error;
  }
}

class ListedKeyring implements OpenedKeyring {
  readonly #keyring: HomesKeyring;
  readonly #guards: ReadonlyMap<string, Guard<Guarded>>;

  constructor(keyring: HomesKeyring, guards: ReadonlyMap<string, Guard<Guarded>>) {
    this.#keyring = keyring;
    this.#guards = guards;
  }

  wrap: Keyring['wrap'] = (request) => this.#keyring.wrap(request);
  unwrap: Keyring['unwrap'] = (request) => this.#keyring.unwrap(request);

  status(): readonly HomeStatus[] {
    return [...this.#guards].map(([name, guard]) => {
      const { state, sinceMs, lastError } = guard.status();
      return { name, state, since: new Date(sinceMs).toISOString(), lastError: lastError?.message ?? null };
    });
  }

  clear(name: string): void {
    const guard = this.#guards.get(name);
    if (guard === undefined) throw new ClavigerError('NOT_FOUND', `the keyring has no home \`${printable(name)}\``);
    guard.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#guards.values()].map((guard) => guard.close()));
  }
}

/** @throws INVALID_ARGUMENT that names each mistake */
function settingsOf(given: Partial<GroupSettings>): GroupSettings {
  const { hedgeMs, ...rest } = given;
  const wanted = { ...rest, ...(hedgeMs === null || hedgeMs === undefined ? {} : { hedgeMs }) };
  const { success, data, error } = keyringSettings.safeParse(wanted);
  if (success) return { ...data, hedgeMs: data.hedgeMs ?? null };
  const mistakes = error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `\`${path.join('.')}\`: ${message}`,
  );
  throw new ClavigerError('INVALID_ARGUMENT', mistakes.join('; '));
}

function noProvider(name: string, names: readonly string[]): ClavigerError {
  const there = names.length === 0 ? 'there is none' : `there are ${names.join(', ')}`;
  return new ClavigerError('INVALID_ARGUMENT', `no provider \`${printable(name)}\` is listed; ${there}`);
}

function noPem(name: string): ClavigerError {
  const advice = 'give the key as `rsa`, whose public half is enough to encrypt';
  return new ClavigerError(
    'INVALID_ARGUMENT',
    `nothing is encrypted under keys of \`${name}\`, a provider of PEM; ${advice}`,
  );
}

function taken(name: string): ClavigerError {
  return new ClavigerError(
    'INVALID_ARGUMENT',
    `\`${printable(name)}\` is the name of another home already; give each its own`,
  );
}
