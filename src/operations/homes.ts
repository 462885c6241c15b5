/**
 * The homes of keys: every configured provider behind its guard, the groups of them, and which of both a tenant may use.
 *
 * A key whose only home is the built-in keystore does not come here; its way is `Scope.handle`.
 *
 * @module
 */
import type { SecretBytes } from '../crypto/secret-bytes.ts';
import type { WrapEntry } from '../envelope/ciphertext.ts';
import { DataKeyCache, type DataKeyCacheLimits } from '../envelope/data-key-cache.ts';
import { ClavigerError } from '../errors.ts';
import { printable } from '../model/ids.ts';
import { isCurrent, type Backing, type HomesRule, type Key, type KeyVersion } from '../model/key.ts';
import type { CommonConfig } from '../providers/config.ts';
import type { Provider } from '../providers/provider.ts';
import { SOFTWARE_PROVIDER_NAME } from '../providers/software/index.ts';
import { DEFAULT_GROUP, Guard, type GroupSettings, type GuardEvents, type Home } from '../resilience/index.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

/** A configured provider, opened. */
export interface ProviderSetup {
  readonly provider: Provider;
  readonly config: Omit<CommonConfig, 'name'>;
}

/** A configured group. */
export interface GroupSetup {
  readonly name: string;
  readonly members: readonly string[];
  /** Provider → share of the load, for `weighted`. */
  readonly weights: Readonly<Record<string, number>>;
  readonly settings: GroupSettings;
  /** Names of the tenants that may use it; null for all. */
  readonly tenants: readonly string[] | null;
  /** Of its data keys; none are remembered where it is not given. */
  readonly dataKeyCache?: DataKeyCacheLimits;
}

/** A data key as a cache has it. */
export interface CachedDataKey {
  readonly dataKey: SecretBytes;
  /** Its wraps; none of one that was unwrapped. */
  readonly entries: readonly WrapEntry[];
  /** Those that wrapped it, or the one that unwrapped it. */
  readonly providers: readonly string[];
  /** Homes that were to unwrap it before. */
  readonly failovers: readonly string[];
  /** Those that hold no wrap of it though they were to. */
  readonly missing: readonly string[];
}

/** A backing whose provider is not configured any more, or not for this tenant. */
export interface LostHome {
  readonly backing: Backing;
  readonly reason: string;
}

/** A home with the backing that names it. */
export interface BackedHome extends Home {
  readonly guard: Guard;
  readonly backing: Backing;
}

/** The homes of one version, in the order of its backings. */
export interface VersionHomes {
  readonly homes: readonly BackedHome[];
  readonly lost: readonly LostHome[];
  readonly settings: GroupSettings;
  /** Null where data keys are not remembered. */
  readonly cache: DataKeyCache<CachedDataKey> | null;
}

interface Configured {
  readonly guard: Guard;
  readonly tenants: readonly string[] | null;
  readonly adopt: readonly RegExp[];
}

export class Homes {
  readonly #providers = new Map<string, Configured>();
  readonly #groups = new Map<string, GroupSetup>();
  /** By the name of the group. */
  readonly #caches = new Map<string, DataKeyCache<CachedDataKey>>();
  /** A version is another object after each change, and the configuration stands still. */
  readonly #ofVersion = new WeakMap<KeyVersion, VersionHomes>();
  /** Versions that were used since the last round of describing. */
  #used = new Set<string>();
  readonly #noting = new Map<string, Promise<void>>();

  constructor(
    providers: readonly ProviderSetup[],
    groups: readonly GroupSetup[],
    ports: {
      readonly clock: Clock;
      readonly random: Random;
      readonly events?: GuardEvents;
      /** Of the life of data keys; monotonic where it is not given. */
      readonly cacheClock?: Clock;
    },
  ) {
    for (const { provider, config } of providers) {
      this.#providers.set(provider.name, {
        guard: new Guard(provider, config, ports),
        tenants: config.tenants ?? null,
        adopt: config.adopt.map(patternOf),
      });
    }
    const { cacheClock: clock } = ports;
    for (const group of groups) {
      this.#groups.set(group.name, group);
      if (group.dataKeyCache === undefined) continue;
      const wipe = ({ dataKey }: CachedDataKey): void => dataKey[Symbol.dispose]();
      const cache = new DataKeyCache(group.dataKeyCache, wipe, clock === undefined ? {} : { clock });
      this.#caches.set(group.name, cache);
    }
  }

  /** Every provider, in the order of the configuration. */
  get guards(): readonly Guard[] {
    return [...this.#providers.values()].map(({ guard }) => guard);
  }

  /** Those that a tenant may use. */
  guardsOf(tenantName: string): readonly Guard[] {
    return this.#namesFor(tenantName).map((name) => this.#providers.get(name)!.guard);
  }

  /** Tells which versions were used since this was asked last. */
  takeUsed(): (version: KeyVersion) => boolean {
    const used = this.#used;
    this.#used = new Set();
    return (version) => used.has(usedName(version));
  }

  /** Does a work of this name, or waits for the one that is under way. */
  noteOnce(name: string, work: () => Promise<void>): Promise<void> {
    const known = this.#noting.get(name);
    if (known !== undefined) return known;
    const noting = work().finally(() => this.#noting.delete(name));
    this.#noting.set(name, noting);
    return noting;
  }

  /**
   * A provider that a tenant may use.
   *
   * @throws INVALID_ARGUMENT where there is none of this name, for this tenant: one answer for both
   */
  guard(name: string, tenantName: string): Guard {
    const found = this.#providers.get(name);
    if (found !== undefined && mayUse(found.tenants, tenantName)) return found.guard;
    const names = this.#namesFor(tenantName);
    throw new ClavigerError('INVALID_ARGUMENT', `no provider \`${printable(name)}\` is configured; ${thereAre(names)}`);
  }

  /** @throws INVALID_ARGUMENT where there is none of this name, for this tenant */
  group(name: string, tenantName: string): GroupSetup {
    const found = this.#groups.get(name);
    if (found !== undefined && mayUse(found.tenants, tenantName)) return found;
    const names = [...this.#groups.values()].filter(({ tenants }) => mayUse(tenants, tenantName));
    const there = names.length === 0 ? '' : `; ${thereAre(names.map((group) => group.name))}`;
    throw new ClavigerError('INVALID_ARGUMENT', `no provider group \`${printable(name)}\` is configured${there}`);
  }

  /** @throws PERMISSION_DENIED where the provider's configuration lets nobody adopt anything */
  requireAdoption(provider: string): void {
    if ((this.#providers.get(provider)?.adopt ?? []).length > 0) return;
    throw new ClavigerError(
      'PERMISSION_DENIED',
      `provider \`${provider}\` lets nobody adopt native keys: it has no \`adopt\` patterns`,
    );
  }

  /**
   * @param asked what the caller named it: what it stands for is not told of a key that is not the caller's
   * @throws PERMISSION_DENIED where the provider's configuration lets nobody adopt this native key
   */
  requireAdoptable(provider: string, nativeId: string, asked: string): void {
    const { adopt = [] } = this.#providers.get(provider) ?? {};
    if (adopt.some((pattern) => pattern.test(nativeId))) return;
    throw new ClavigerError(
      'PERMISSION_DENIED',
      `provider \`${provider}\` lets nobody adopt \`${printable(asked)}\`: its \`adopt\` patterns do not name it`,
    );
  }

  /** The providers that a key lives in, and those that its group has got since. */
  membersOf({ group, providers }: HomesRule): readonly string[] {
    const { members = [] } = group === null ? {} : (this.#groups.get(group) ?? {});
    return [...new Set([...providers, ...members])];
  }

  /** Where a version lives now. */
  ofVersion(key: Key, version: KeyVersion, tenantName: string): VersionHomes {
    this.#used.add(usedName(version));
    const known = this.#ofVersion.get(version);
    if (known !== undefined) return known;
    const made = this.#findHomes(key, version, tenantName);
    this.#ofVersion.set(version, made);
    return made;
  }

  /** The caches of data keys, by the name of their group. */
  get dataKeyCaches(): ReadonlyMap<string, Pick<DataKeyCache<CachedDataKey>, 'counts'>> {
    return this.#caches;
  }

  /** A key has changed, whatever in it: its data keys are wiped, and the next request asks its homes. */
  forgetDataKeys(keyId: string): void {
    for (const cache of this.#caches.values()) cache.forget(keyId);
  }

  async close(): Promise<void> {
    for (const cache of this.#caches.values()) cache[Symbol.dispose]();
    await Promise.all(this.guards.map((guard) => guard.close()));
  }

  #findHomes(key: Key, version: KeyVersion, tenantName: string): VersionHomes {
    const group = this.#groups.get(key.homes?.group ?? '');
    const homes: BackedHome[] = [];
    const lost: LostHome[] = [];
    for (const backing of version.backings) {
      if (!isCurrent(backing)) continue;
      const found = this.#providers.get(backing.provider);
      if (backing.quarantined !== undefined) {
        lost.push({ backing, reason: `its key was taken out: ${backing.quarantined.code}` });
      } else if (found === undefined) {
        lost.push({ backing, reason: 'it is not configured any more' });
      } else if (!mayUse(found.tenants, tenantName)) {
        lost.push({ backing, reason: 'its configuration names other tenants' });
      } else {
        const weight = group?.weights[backing.provider];
        const native = found.guard.provider.key(backing.ref, key.spec);
        homes.push({ guard: found.guard, key: native, backing, ...(weight === undefined ? {} : { weight }) });
      }
    }
    const cache = this.#caches.get(group?.name ?? '') ?? null;
    return { homes, lost, settings: group?.settings ?? DEFAULT_GROUP, cache };
  }

  #namesFor(tenantName: string): readonly string[] {
    return [...this.#providers].filter(([, { tenants }]) => mayUse(tenants, tenantName)).map(([name]) => name);
  }
}

/** True where a key's homes are the built-in keystore alone. */
export function isSoftwareOnly(providers: readonly string[]): boolean {
  return providers.every((name) => name === SOFTWARE_PROVIDER_NAME);
}

function mayUse(tenants: readonly string[] | null, tenantName: string): boolean {
  return tenants === null || tenants.includes(tenantName);
}

function usedName({ keyId, version }: KeyVersion): string {
  return `${keyId}/${version}`;
}

/** A pattern of the configuration: `*` stands for any characters, all else for itself. */
function patternOf(text: string): RegExp {
  return new RegExp(
    `^${text
      .split('*')
      .map((part) => RegExp.escape(part))
      .join('.*')}$`,
    's',
  );
}

/** ``there is `a` ``, ``there are `a`, `b` ``. */
function thereAre(names: readonly string[]): string {
  return `there ${names.length === 1 ? 'is' : 'are'} ${names.map((name) => `\`${name}\``).join(', ')}`;
}
