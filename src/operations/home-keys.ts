/**
 * Making the native keys of a version at its homes, and ending them.
 *
 * Where a key has one home, that home makes the material. A symmetric encryption key has material of its own in each
 * home, for each wraps the same data key. What has to be the same everywhere (one pair that any home signs with, a MAC
 * key) is made here and imported; a key that says so has siblings instead, a pair of its own in each home.
 *
 * @module
 */
import { generateMaterial } from '../crypto/key-material.ts';
import type { SecretBytes } from '../crypto/secret-bytes.ts';
import { ClavigerError, toClavigerError } from '../errors.ts';
import type { MacAlgorithmName } from '../model/algorithm.ts';
import { printable } from '../model/ids.ts';
import { ADOPT_NATIVE_KEY } from '../model/operation.ts';
import { isCurrent, livesIn, type Backing, type HomesRule, type Key, type KeyVersion } from '../model/key.ts';
import { algorithmsOf, isAsymmetric, type Spec, type Usage } from '../model/spec.ts';
import type { BackingInfo, CallOptions, CapabilityOperation, Provider, WantedKey } from '../providers/provider.ts';
import { SOFTWARE_PROVIDER_NAME } from '../providers/software/index.ts';
import type { Guard, Within } from '../resilience/index.ts';
import { HOMES_MAX } from '../envelope/ciphertext.ts';
import type { Change } from '../store/change.ts';
import { isSoftwareOnly } from './homes.ts';
import type { OutsideWork } from './operation.ts';
import type { Scope } from './scope.ts';

/** What `scope.done` gives `MadeHomes` by. */
export const HOMES_MADE = 'homes';
const MAC_PROBE_BYTES = 32;
/** A native key takes a cloud or a device seconds to make, longer than any use of it; and it is never asked for twice. */
const MAKE_DEADLINE_MS = 60_000;

/** A home that a key is to have: a new native key, or one that is there. */
export interface WantedHome {
  readonly provider: string;
  readonly ref?: string | undefined;
}

export interface HomesInput {
  readonly backings?: readonly WantedHome[] | undefined;
  /** Name of a configured group; instead of `backings`. */
  readonly group?: string | undefined;
  readonly onHomeRefusal?: HomesRule['onHomeRefusal'] | undefined;
  /** True to have a key pair of its own in each home. */
  readonly siblings?: boolean | undefined;
}

/** The homes of one version, made. */
export interface MadeHomes {
  readonly backings: readonly Backing[];
  readonly publicKey: Uint8Array | null;
  /** Material for our own store, sealed; null where the built-in keystore is none of the homes. */
  readonly sealed: Uint8Array | null;
}

export interface WantedHomes {
  readonly rule: HomesRule;
  readonly homes: readonly WantedHome[];
}

/**
 * What a caller wants of homes; null where the built-in keystore is all of it.
 *
 * @throws INVALID_ARGUMENT
 */
export async function wantedHomes(scope: Scope, input: HomesInput): Promise<WantedHomes | null> {
  const { backings, group, onHomeRefusal = 'refuse', siblings = false } = input;
  const { name: tenantName } = await scope.tenant();
  const { homes } = scope.services;
  if (group !== undefined && backings !== undefined) {
    throw new ClavigerError('INVALID_ARGUMENT', 'give `backings` or a `group`, not both');
  }
  if (group !== undefined) {
    const { members } = homes.group(group, tenantName);
    const rule = { group, providers: members, onHomeRefusal, siblings };
    return { rule, homes: members.map((provider) => ({ provider })) };
  }
  if (backings === undefined || (isSoftwareOnly(backings.map(({ provider }) => provider)) && backings.length <= 1)) {
    const given = backings?.find(({ ref }) => ref !== undefined);
    if (given !== undefined) throw noneToAdopt();
    if (input.onHomeRefusal !== undefined || input.siblings !== undefined) {
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        '`onHomeRefusal` and `siblings` are for keys with homes outside; name `backings` or a `group` as well',
      );
    }
    return null;
  }
  if (backings.length > HOMES_MAX) throw new ClavigerError('INVALID_ARGUMENT', `a key has at most ${HOMES_MAX} homes`);
  for (const { provider } of backings) homes.guard(provider, tenantName);
  const providers = backings.map(({ provider }) => provider);
  if (new Set(providers).size !== providers.length) {
    throw new ClavigerError('INVALID_ARGUMENT', '`backings` names a provider twice');
  }
  return { rule: { group: null, providers, onHomeRefusal, siblings }, homes: backings };
}

/**
 * Checks, before any call, that each home can hold and use such a key.
 *
 * @throws UNSUPPORTED that names the provider and what it lacks; PERMISSION_DENIED where a native key may not be adopted
 */
export async function requireHomesFit(
  scope: Scope,
  key: Pick<Key, 'spec' | 'usage' | 'tenantId'>,
  { rule, homes }: WantedHomes,
  more = false,
): Promise<void> {
  const { name: tenantName } = await scope.tenant(key.tenantId);
  const replicated = isReplicated(key.spec, rule, homes, more);
  // Two pairs give two shared secrets, and a ciphertext opens under one of them; only a verifier can take either.
  if (rule.siblings && key.usage !== 'sign-verify') {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `only keys that sign have siblings, and this one is for \`${key.usage}\``,
    );
  }
  const adopting = homes.some(({ ref }) => ref !== undefined);
  if (key.usage === 'mac' && adopting && homes.some(({ ref }) => ref === undefined)) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      'a native MAC key that is there has no copy in a new home; adopt copies of it, or let every home be new',
    );
  }
  if (adopting) {
    scope.authorize({ kind: 'tenant', tenantId: key.tenantId }, undefined, ADOPT_NATIVE_KEY);
  }
  for (const { provider: name, ref } of homes) {
    if (name === SOFTWARE_PROVIDER_NAME && ref !== undefined) throw noneToAdopt();
    const { provider } = scope.services.homes.guard(name, tenantName);
    requireCan(provider, USE_OF[key.usage](key.spec), key.spec);
    if (ref !== undefined) scope.services.homes.requireAdoption(name);
    if (ref !== undefined || name === SOFTWARE_PROVIDER_NAME) continue;
    requireCan(provider, replicated ? 'import' : 'create', key.spec);
  }
}

/** What is there already of a version that gets homes. */
interface Before {
  /** The version before, whose native keys get a new version where their service has such. */
  readonly previous?: KeyVersion | null;
  /** Homes that the version has, or had: numbers are never used again. */
  readonly backings?: readonly Backing[];
  /** The material that new homes are to have as well, opened from our own store. */
  readonly material?: SecretBytes;
  readonly publicKey?: Uint8Array | null;
}

/**
 * Makes or adopts the native keys of a version. Outside work: nothing of it is in the store yet.
 *
 * @throws the first failure, after what was made has been destroyed again
 */
async function makeHomes(
  scope: Scope,
  key: Key,
  version: number,
  { rule, homes }: WantedHomes,
  { previous = null, backings: there = [], ...had }: Before = {},
): Promise<MadeHomes> {
  const { services } = scope;
  const { name: tenantName } = await scope.tenant(key.tenantId);
  const replicated = isReplicated(key.spec, rule, homes, there.length > 0);
  const own = homes.some(({ provider }) => provider === SOFTWARE_PROVIDER_NAME);
  const fresh = had.material === undefined && (own || replicated);
  const made = fresh ? await generateMaterial(key.spec, services.random) : null;
  using generated = made?.privateMaterial;
  const material = had.material ?? generated;
  const publicKey = had.publicKey ?? made?.publicKey ?? null;
  const place = { purpose: 'key-material', tenantId: key.tenantId, id: key.id, version } as const;
  const sealed = own ? await services.keyring.seal(place, material!.reveal()) : null;
  // The number makes the name unique where a home was taken away and comes again.
  const wanted = (number: number): WantedKey => ({
    spec: key.spec,
    usage: key.usage,
    name: `claviger-${key.id}-v${version}-h${number}`,
    tags: { 'claviger-key': key.id, 'claviger-tenant': key.tenantId, 'claviger-version': String(version) },
  });
  const firstNumber = Math.max(0, ...there.map(({ number }) => number)) + 1;
  const making = homes.map(async ({ provider: name, ref }, at): Promise<Backing> => {
    const number = firstNumber + at;
    if (name === SOFTWARE_PROVIDER_NAME) {
      const pair = publicKey === null || replicated || homes.length === 1 ? {} : { publicKey: base64(publicKey) };
      return { number, provider: name, ref: `${key.id}/${version}`, ...pair };
    }
    const guard = services.homes.guard(name, tenantName);
    if (ref !== undefined) return adopted(scope, guard, key, number, ref);
    const before = previous?.backings.find((backing) => backing.provider === name && backing.adopted !== true);
    const want = wanted(number);
    const info = await madeAt(guard, want, replicated ? material!.reveal() : null, before?.ref ?? null).catch(
      (error: unknown) => mayBeLeft(scope, key, name, want, error),
    );
    return backingOf(number, name, key.spec, info);
  });
  const settled = await Promise.allSettled(making);
  const failed = settled.find((result) => result.status === 'rejected');
  const backings = settled.filter((result) => result.status === 'fulfilled').map(({ value }) => value);
  try {
    if (failed !== undefined) throw failed.reason;
    if (key.usage === 'mac' && homes.some(({ ref }) => ref !== undefined)) {
      await requireOneMac(scope, key, [...there.filter(isCurrent), ...backings]);
    }
    if (!isAsymmetric(key.spec)) return { backings, publicKey: null, sealed };
    return { backings: pairsOf(backings, rule, had.publicKey), publicKey: firstPublicKey(backings, publicKey), sealed };
  } catch (error) {
    await takeBack(scope, key, backings);
    throw error;
  }
}

/**
 * Makes more homes for versions that have some: a symmetric encryption key gets a native key of its own, a sibling a pair
 * of its own; all else the material of the built-in keystore, if that is one of the homes.
 *
 * @returns what was made, by version
 * @throws UNSUPPORTED where the material is in homes that do not give it away
 */
export async function addHomes(
  scope: Scope,
  key: Key,
  rule: HomesRule,
  versions: readonly KeyVersion[],
  homes: readonly WantedHome[],
): Promise<ReadonlyMap<number, MadeHomes>> {
  const done = new Map<number, MadeHomes>();
  try {
    for (const version of versions) {
      const { backings, publicKey } = version;
      const lacking = homes.filter(({ provider }) => !livesIn(version, provider));
      if (lacking.length === 0) continue;
      const copied = isReplicated(key.spec, rule, lacking, true);
      const again = lacking.some(({ provider }) => provider === SOFTWARE_PROVIDER_NAME);
      using material = copied
        ? await ownMaterial(scope, key, version)
        : again
          ? await keptMaterial(scope, key, version)
          : undefined;
      const had = { backings, publicKey, ...(material === undefined ? {} : { material }) };
      done.set(version.version, await makeHomes(scope, key, version.version, { rule, homes: lacking }, had));
    }
    return done;
  } catch (error) {
    await takeBack(
      scope,
      key,
      [...done.values()].flatMap(({ backings }) => backings),
    );
    throw error;
  }
}

/** @throws UNSUPPORTED where the built-in keystore does not have it */
async function ownMaterial(scope: Scope, key: Key, version: KeyVersion): Promise<SecretBytes> {
  const material = await keptMaterial(scope, key, version);
  if (material !== undefined) return material;
  throw new ClavigerError(
    'UNSUPPORTED',
    `the material of key ${key.id} version ${version.version} is in homes that do not give it away; adopt a native key that has the same`,
  );
}

/** The material that our own store has of a version, as it keeps that of an encryption key which lives elsewhere now. */
async function keptMaterial({ services }: Scope, key: Key, { version }: KeyVersion): Promise<SecretBytes | undefined> {
  const sealed = await services.cache.store.sealedMaterial(key.id, version);
  if (sealed === null) return undefined;
  return services.keyring.open({ purpose: 'key-material', tenantId: key.tenantId, id: key.id, version }, sealed);
}

/** The work of making homes, for an operation to ask for; `scope.done` gives what was made by the same name. */
export function outsideHomes(
  scope: Scope,
  key: Key,
  version: number,
  wanted: WantedHomes,
  previous: KeyVersion | null = null,
): { readonly outside: OutsideWork } {
  noteHomes(scope, version, wanted.homes);
  return {
    outside: {
      name: HOMES_MADE,
      work: () => makeHomes(scope, key, version, wanted, { previous }),
      undo: async (made) => void (await destroyHomes(scope, (made as MadeHomes).backings)),
    },
  };
}

/** What the records of intent and outcome say of the homes of a version. */
export function noteHomes(scope: Scope, keyVersion: number, homes: readonly { readonly provider: string }[]): void {
  scope.note({ provider: homes.map(({ provider }) => provider).join(','), keyVersion });
}

/** What puts a version's homes into the store. */
export function homeChanges(key: Key, version: number, { backings, sealed }: MadeHomes): readonly Change[] {
  const material: Change[] = sealed === null ? [] : [{ put: 'material', keyId: key.id, version, sealed }];
  const natives = backings
    .flatMap(({ nativeId = [], copyOf = [] }) => [nativeId, copyOf].flat())
    .map((nativeId): Change => ({ put: 'nativeKey', nativeId, tenantId: key.tenantId }));
  return [...material, ...natives];
}

/**
 * Destroys the native keys that were made for us; those that were adopted stay, and so do those of a provider that is not
 * configured any more.
 *
 * @returns names of the providers whose keys stay
 * @throws the first failure, after all were tried
 */
export async function destroyHomes(scope: Scope, backings: readonly Backing[]): Promise<readonly string[]> {
  const { guards } = scope.services.homes;
  const kept: string[] = [];
  const byProvider = Map.groupBy(backings, ({ provider }) => provider);
  const going = [...byProvider].map(async ([provider, theirs]) => {
    if (provider === SOFTWARE_PROVIDER_NAME) return;
    const guard = guards.find(({ name }) => name === provider);
    const lifecycle = guard?.provider.lifecycle;
    if (guard === undefined || lifecycle === undefined || theirs.some(({ adopted: foreign }) => foreign === true)) {
      kept.push(provider);
    }
    if (guard === undefined || lifecycle === undefined) return;
    // One after the other, the oldest first: some services end the versions of a key in no other order.
    for (const { ref, adopted: foreign } of theirs) {
      if (foreign === true) continue;
      await managed(guard, 'destroy', true, (options) => lifecycle.destroy(ref, options), within()).catch(unlessGone);
    }
  });
  const failed = (await Promise.allSettled(going)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return kept;
}

/**
 * Checks that homes of a MAC key have the same one: there is no public key to tell it by.
 *
 * @throws INVALID_ARGUMENT
 */
async function requireOneMac({ services }: Scope, { spec, usage }: Key, backings: readonly Backing[]): Promise<void> {
  const [algorithm] = algorithmsOf(spec, usage) as readonly MacAlgorithmName[];
  const message = services.random.bytes(MAC_PROBE_BYTES);
  const macs = await Promise.all(
    backings.map(async ({ provider: name, ref }) => {
      const guard = services.homes.guards.find((candidate) => candidate.name === name);
      const mac = guard?.provider.key(ref, spec).mac;
      if (guard === undefined || mac === undefined) return null;
      const made = await guard.call('mac', true, (options) => mac(algorithm!, message, options), within());
      return base64(made.value);
    }),
  );
  if (new Set(macs.filter((mac) => mac !== null)).size <= 1) return;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    'the homes have different MAC keys: what one makes, another would not verify',
  );
}

/** Destroys what was made for a change that has failed; what cannot be destroyed is told to the operator. */
async function takeBack(scope: Scope, key: Pick<Key, 'id'>, backings: readonly Backing[]): Promise<void> {
  await destroyHomes(scope, backings).catch((cause: unknown) =>
    scope.services.log.write('error', 'a native key is left behind', { keyId: key.id, cause: String(cause) }),
  );
}

/**
 * A call that was not answered may have made its key all the same, and nobody here knows of it.
 *
 * @throws always
 */
function mayBeLeft(
  { services }: Scope,
  key: Pick<Key, 'id'>,
  provider: string,
  want: WantedKey,
  error: unknown,
): never {
  const { code } = toClavigerError(error);
  if (code === 'PROVIDER_TIMEOUT' || code === 'PROVIDER_UNAVAILABLE') {
    const fields = { keyId: key.id, provider, nativeName: want.name, code };
    services.log.write('warn', 'a native key may have been made all the same; look for its name', fields);
  }
  throw error;
}

/** Where each home must have the same material, so that it is made here and imported. */
function isReplicated(spec: Spec, rule: HomesRule, homes: readonly WantedHome[], more = false): boolean {
  if (spec === 'AES-256-GCM' || rule.siblings || (homes.length < 2 && !more)) return false;
  return homes.some(({ ref }) => ref === undefined);
}

function madeAt(
  guard: Guard,
  wanted: WantedKey,
  material: Uint8Array | null,
  before: string | null,
): Promise<BackingInfo> {
  const { lifecycle } = guard.provider;
  if (lifecycle === undefined) throw cannot(guard.provider, 'create', wanted.spec);
  if (material !== null) {
    if (lifecycle.importMaterial === undefined) throw cannot(guard.provider, 'import', wanted.spec);
    return managed(guard, 'import', false, (options) => lifecycle.importMaterial!(wanted, material, options), once());
  }
  if (before !== null && lifecycle.rotate !== undefined) {
    return managed(guard, 'rotate', false, (options) => lifecycle.rotate!(before, options), once());
  }
  return managed(guard, 'create', false, (options) => lifecycle.create(wanted, options), once());
}

/**
 * Makes or ends a native key. Credentials that only use keys are as they should be, and are refused here: that must not have
 * the provider quarantined for whoever uses it. Bad credentials are found by the next call that does.
 */
async function managed<T>(
  guard: Guard,
  operation: string,
  idempotent: boolean,
  work: (options: CallOptions) => Promise<T>,
  within: Within,
): Promise<T> {
  const denied: ClavigerError[] = [];
  const quiet = (error: unknown): never => {
    if (!(error instanceof ClavigerError) || error.code !== 'PROVIDER_DENIED') throw error;
    denied.push(error);
    throw new ClavigerError('PERMISSION_DENIED', error.message, { cause: error });
  };
  return guard
    .call(operation, idempotent, (options) => work(options).catch(quiet), within)
    .catch((error: unknown) => Promise.reject(denied[0] ?? error));
}

/** Takes a native key that is there, if it is what the key is to be, and if it is nobody else's. */
async function adopted(
  scope: Scope,
  guard: Guard,
  key: Pick<Key, 'spec' | 'usage' | 'tenantId'>,
  number: number,
  reference: string,
): Promise<Backing> {
  const { homes, cache } = scope.services;
  const ask = <T>(name: string, work: (options: CallOptions) => Promise<T>): Promise<T> =>
    guard.call(name, true, (options) => work(options).catch((error: unknown) => unseen(guard.name, error)), within());
  let info: BackingInfo;
  try {
    const ref = await ask('resolve', (options) => guard.provider.resolve(reference, options));
    info = await ask('describe', (options) => guard.provider.describe(ref, options));
  } catch (error) {
    if (!isNotThere(error)) throw error;
    // What no pattern names is not looked for on anybody's behalf: whether it is there is not told either.
    homes.requireAdoptable(guard.name, reference, reference);
    throw noNativeKey(guard.name, reference, error);
  }
  homes.requireAdoptable(guard.name, info.nativeId, reference);
  const { nativeId, copyOf = nativeId } = info;
  const owners = await Promise.all([nativeId, copyOf].map((id) => cache.store.nativeKeyTenant(id)));
  if (owners.some((owner) => owner !== null && owner !== key.tenantId)) {
    throw new ClavigerError(
      'PERMISSION_DENIED',
      `the native key of provider \`${guard.name}\` belongs to another tenant`,
    );
  }
  const wrong =
    info.spec !== key.spec
      ? `its spec is \`${info.spec ?? 'unknown'}\`, not \`${key.spec}\``
      : info.usage !== null && info.usage !== key.usage
        ? `it is for \`${info.usage}\`, not for \`${key.usage}\``
        : info.state !== 'enabled'
          ? `its state is \`${info.state}\``
          : null;
  if (wrong !== null) {
    throw new ClavigerError('INVALID_ARGUMENT', `cannot adopt the native key of provider \`${guard.name}\`: ${wrong}`);
  }
  return { ...backingOf(number, guard.name, key.spec, info), adopted: true };
}

function backingOf(number: number, provider: string, spec: Spec, info: BackingInfo): Backing {
  const { ref, nativeId, copyOf, publicKey } = info;
  if (isAsymmetric(spec) && publicKey === null) {
    throw new ClavigerError('PROVIDER_INTEGRITY', `provider \`${provider}\` gave no public key with its key`);
  }
  return {
    number,
    provider,
    ref,
    nativeId,
    ...(copyOf === undefined ? {} : { copyOf }),
    ...(publicKey === null ? {} : { publicKey: base64(publicKey) }),
  };
}

/**
 * Backings of a key pair. One pair needs no public key beside the version's; several are kept where the key says so.
 *
 * @throws INVALID_ARGUMENT where the homes have different pairs and the key does not say so
 */
function pairsOf(
  backings: readonly Backing[],
  { siblings }: HomesRule,
  had: Uint8Array | null = null,
): readonly Backing[] {
  const pairs = new Set(backings.flatMap(({ publicKey }) => publicKey ?? []));
  if (had !== null) pairs.add(base64(had));
  if (siblings && pairs.size > 1) return backings;
  if (pairs.size > 1) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      'the homes have different key pairs; say `siblings: true` if any of them may sign for the key',
    );
  }
  return backings.map(({ publicKey: _, ...backing }) => backing);
}

function firstPublicKey([first]: readonly Backing[], ours: Uint8Array | null): Uint8Array | null {
  return first?.publicKey === undefined ? ours : Buffer.from(first.publicKey, 'base64');
}

/** Usage → what a home must be able to do. */
const USE_OF: Readonly<Record<Usage, (spec: Spec) => CapabilityOperation>> = {
  'encrypt-decrypt': (spec) => (spec === 'AES-256-GCM' ? 'wrap' : 'decrypt'),
  'sign-verify': () => 'sign',
  mac: () => 'mac',
  'key-agreement': () => 'agree',
  kem: () => 'decapsulate',
};

function requireCan(provider: Provider, operation: CapabilityOperation, spec: Spec): void {
  if (provider.capabilities().some((row) => row.operation === operation && row.spec === spec)) return;
  throw cannot(provider, operation, spec);
}

function cannot({ name, kind }: Provider, operation: CapabilityOperation, spec: Spec): ClavigerError {
  return new ClavigerError(
    'UNSUPPORTED',
    `provider \`${name}\` (${kind}) cannot ${operation} keys of spec \`${spec}\``,
  );
}

function noneToAdopt(): ClavigerError {
  return new ClavigerError('INVALID_ARGUMENT', 'the built-in keystore has no native keys to adopt; leave `ref` out');
}

function isNotThere(error: unknown): error is ClavigerError {
  return error instanceof ClavigerError && error.code === 'KEY_NOT_FOUND';
}

/**
 * What our credentials may not see is not there for whoever named it. It says nothing of the credentials: a caller could
 * have the provider quarantined by asking for a key of strangers.
 *
 * @throws always
 */
function unseen(provider: string, error: unknown): never {
  if (!(error instanceof ClavigerError) || error.code !== 'PROVIDER_DENIED') throw error;
  const native = error.native ?? { provider, code: null, requestId: null };
  throw new ClavigerError('KEY_NOT_FOUND', `provider \`${provider}\` has no such key`, { cause: error, native });
}

function noNativeKey(provider: string, reference: string, cause: ClavigerError): ClavigerError {
  return new ClavigerError('KEY_NOT_FOUND', `provider \`${provider}\` has no key \`${printable(reference)}\``, {
    cause,
    ...(cause.native === undefined ? {} : { native: cause.native }),
  });
}

function within(): Within {
  const { signal } = new AbortController();
  return { signal, deadlineMs: performance.now() + MAKE_DEADLINE_MS, timeoutMs: MAKE_DEADLINE_MS / 2 };
}

/** A key may have been made although the call that was to make it failed: a second call would leave one behind. */
function once(): Within {
  return { ...within(), attempts: 1 };
}

/** What is gone needs no destruction. @throws every other error */
function unlessGone(reason: unknown): void {
  const { code } = toClavigerError(reason);
  if (code !== 'KEY_NOT_FOUND' && code !== 'KEY_STATE') throw reason;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
