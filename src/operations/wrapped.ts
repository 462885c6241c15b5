/**
 * Ciphertext blobs of keys with several homes: a data key that every home wraps, and that any of them unwraps.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { DISAGREEMENT } from '../audit/alerts/index.ts';
import { ownBytes } from '../bytes/own.ts';
import { SecretBytes } from '../crypto/secret-bytes.ts';
import { encodeHeader, encodeWrapped, type WrapEntry, type WrappedBlob } from '../envelope/ciphertext.ts';
import { INCOMPLETE_TTL_MS, type DataKeyCache } from '../envelope/data-key-cache.ts';
import { commitsTo, DATA_KEY_BYTES, openWrapped, sealOfWrap, sealWrapped, wrapsAreOurs } from '../envelope/wrapped.ts';
import { ClavigerError, invalidCiphertext } from '../errors.ts';
import type { EncryptionContext } from '../model/encryption-context.ts';
import { isCurrent, type Key, type KeyVersion, type KeyWithVersions } from '../model/key.ts';
import type { WrapFacet } from '../providers/provider.ts';
import { anyHome, GivenSecrets, wrapEverywhere, type Home } from '../resilience/index.ts';
import { failedHomes, refusedByHome } from './home-refusal.ts';
import type { CachedDataKey, VersionHomes } from './homes.ts';
import { FROM_CACHE, type Scope } from './scope.ts';

/**
 * Encrypts under a data key that is fresh, or that the group's cache has; the items of a batch share one. Each ciphertext
 * has a salt of its own.
 */
export async function sealAtHomes(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  plaintext: Uint8Array,
  context: EncryptionContext,
): Promise<Buffer> {
  const homes = await scope.homes(found, version);
  const seal = ({ dataKey, entries }: CachedDataKey): Buffer =>
    sealWrapped(headerOf(found.key, version), dataKey.reveal(), entries, plaintext, context, scope.services.random);
  if (homes.cache !== null && !scope.call.dryRun) {
    const taken = await cachedWrap(scope, found, version, homes, homes.cache, plaintext.length);
    using _ = taken.dataKey;
    return seal(taken);
  }
  const make = (): Promise<CachedDataKey> => wrapDataKey(scope, found, version, homes);
  const wipe = ({ dataKey }: CachedDataKey): void => dataKey[Symbol.dispose]();
  const shared = await scope.sharedInBatch(`data key ${version.version}`, make, wipe);
  if (shared !== null) return seal(shared);
  const made = await make();
  using _ = made.dataKey;
  return seal(made);
}

/** Opens a blob with the first of its homes that answers, or with what the group's cache has of it. */
export async function openAtHomes(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  blob: WrappedBlob,
  context: EncryptionContext,
): Promise<Buffer> {
  const open = (): Promise<SecretBytes> => unwrapDataKey(scope, found, version, blob);
  const wipe = (dataKey: SecretBytes): void => dataKey[Symbol.dispose]();
  const shared = await scope.sharedInBatch(`unwrapped ${wrapsName(blob)}`, open, wipe);
  // The salt of another item of the batch may still be a forged one: each blob commits by itself.
  if (shared !== null) return openWrapped(blob, shared.reveal(), context);
  using dataKey = await open();
  return openWrapped(blob, dataKey.reveal(), context);
}

/**
 * The blob with a wrap of every home that it lacks. Its text is not touched.
 *
 * @throws INVALID_CIPHERTEXT, ALL_BACKINGS_FAILED and the refusals of homes
 */
export async function completedBlob(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  blob: WrappedBlob,
): Promise<Buffer> {
  const { homes, lost, settings } = await scope.homes(found, version);
  const current = new Set(version.backings.filter(isCurrent).map(({ number }) => number));
  const there = new Set(blob.wraps.map(({ home }) => home));
  const lacking = homes.filter(({ backing }) => !there.has(backing.number));
  const kept = blob.wraps.filter(({ home }) => current.has(home));
  if (lacking.length === 0) {
    await requireSeals(scope, found.key, version, blob);
    scope.noteServed(
      homes.map(nameOf),
      [],
      lost.map(({ backing }) => backing.provider),
    );
    return encodeWrapped({ ...blob, wraps: kept.length > 0 ? kept : blob.wraps });
  }
  using dataKey = await unwrapDataKey(scope, found, version, blob);
  // Whatever can be completed is: a home that is still down stays missing.
  const all = { ...settings, wrapQuorum: 1 };
  const made = await wrapAt(scope, found.key, version, { homes: lacking, lost, settings: all }, dataKey, NEVER).catch(
    (error: unknown) => refusedWrap(scope, found, version, error),
  );
  noteWrapped(scope, made, false);
  const wraps = [...kept, ...made.entries].toSorted((a, b) => a.home - b.home);
  return encodeWrapped({ ...blob, wraps });
}

/** A data key of the cache, as a copy, or a fresh one that it keeps for the next. */
async function cachedWrap(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  homes: VersionHomes,
  cache: DataKeyCache<CachedDataKey>,
  bytes: number,
): Promise<CachedDataKey> {
  const taken = cache.take({
    id: `wrap ${nameOfHomes(found.key, version, homes)}`,
    owner: found.key.id,
    bytes,
    make: async (signal) => {
      const made = await makeDataKey(scope, found, version, homes, signal);
      const value = kept(made);
      return isComplete(value, homes) ? { value } : { value, ttlMs: INCOMPLETE_TTL_MS };
    },
    copy: copyOfKey,
    signal: NEVER,
  });
  const { value, isHit } = await taken.catch((error: unknown) => refusedWrap(scope, found, version, error));
  noteWrapped(scope, value, isHit);
  return value;
}

/** Whoever asks a service waits for it. */
const NEVER = new AbortController().signal;

/** Homes that nobody has configured do not come back. */
function isComplete({ entries }: CachedDataKey, { homes }: VersionHomes): boolean {
  return entries.length === homes.length;
}

/** A data key as a cache keeps it. */
function kept(made: CachedDataKey): CachedDataKey {
  const entries = made.entries.map(({ home, wrap, seal }) => ({ home, wrap: ownBytes(wrap), seal: ownBytes(seal) }));
  return { ...made, dataKey: made.dataKey.kept(), entries };
}

function copyOfKey(cached: CachedDataKey): CachedDataKey {
  return { ...cached, dataKey: cached.dataKey.copy() };
}

async function wrapDataKey(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  homes: VersionHomes,
): Promise<CachedDataKey> {
  const made = await makeDataKey(scope, found, version, homes, NEVER).catch((error: unknown) =>
    refusedWrap(scope, found, version, error),
  );
  noteWrapped(scope, made, false);
  return made;
}

/** A fresh data key with its wraps; nothing is noted of it yet. */
async function makeDataKey(
  scope: Scope,
  { key }: KeyWithVersions,
  version: KeyVersion,
  homes: VersionHomes,
  signal: AbortSignal,
): Promise<CachedDataKey> {
  const dataKey = new SecretBytes(scope.services.random.bytes(DATA_KEY_BYTES));
  try {
    return { dataKey, ...(await wrapAt(scope, key, version, homes, dataKey, signal)) };
  } catch (error) {
    dataKey[Symbol.dispose]();
    throw error;
  }
}

/** Wraps a data key at homes. */
async function wrapAt(
  scope: Scope,
  key: Key,
  version: KeyVersion,
  { homes, lost, settings }: Omit<VersionHomes, 'cache'>,
  dataKey: SecretBytes,
  signal: AbortSignal,
): Promise<Omit<CachedDataKey, 'dataKey'>> {
  const context = homeContext(key, version);
  const made = await scope.askHomes('wrap', () =>
    wrapEverywhere(homes, dataKey.reveal(), () => context, settings, signal),
  );
  const sealKey = await sealKeyOf(scope, key, version);
  const header = headerOf(key, version);
  const entries = made.wraps.map(({ home, wrapped }): WrapEntry => {
    const { number } = home.backing;
    return { home: number, wrap: wrapped, seal: sealOfWrap(sealKey, header, number, wrapped) };
  });
  return {
    entries: entries.toSorted((a, b) => a.home - b.home),
    providers: made.wraps.map(({ home }) => home.guard.name),
    failovers: [],
    missing: [...made.missing.map(({ home }) => home.guard.name), ...lost.map(({ backing }) => backing.provider)],
  };
}

/** Notes which homes hold wraps of a data key, and which do not. */
function noteWrapped(scope: Scope, { providers, missing }: Omit<CachedDataKey, 'dataKey'>, isHit: boolean): void {
  scope.noteServed(isHit ? providers.map(fromCache) : providers, [], missing);
}

/** @throws always */
function refusedWrap(scope: Scope, found: KeyWithVersions, version: KeyVersion, error: unknown): Promise<never> {
  scope.noteServed([], [], failedHomes(error));
  return refusedByHome(scope, found, version, error);
}

function fromCache(provider: string): string {
  return `${FROM_CACHE}${provider}`;
}

/**
 * The data key of a blob, from the healthiest of the homes that it names. Only those are asked; one that has been removed
 * is not; and what a home gives, or has given before, is believed only where the blob commits to it.
 */
async function unwrapDataKey(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  blob: WrappedBlob,
): Promise<SecretBytes> {
  const { key } = found;
  await requireSeals(scope, key, version, blob);
  const homes = await scope.homes(found, version);
  const pinned = `the wraps ${wrapsName(blob)}`;
  scope.requireUnpinned(pinned);
  const wrapOf = new Map(blob.wraps.map(({ home, wrap }) => [home, wrap]));
  const named = homes.homes.filter(({ backing }) => wrapOf.has(backing.number));
  if (named.length === 0) throw noHomeLeft(key, version, blob, homes.lost);

  const ask = (signal: AbortSignal): Promise<CachedDataKey> =>
    unwrapAt(scope, key, version, { ...homes, homes: named }, wrapOf, signal);
  const cache = scope.call.dryRun ? null : homes.cache;
  const id = `unwrap ${nameOfHomes(key, version, homes)} ${wrapsName(blob)}`;
  const opening =
    cache === null
      ? ask(NEVER).then((value) => ({ value, isHit: false }))
      : cache.take({
          id,
          owner: key.id,
          bytes: null,
          make: async (signal) => ({ value: kept(await ask(signal)) }),
          copy: copyOfKey,
          signal: NEVER,
        });
  const { value: opened, isHit } = await opening.catch((error: unknown) => {
    // Its seal is ours, so the home did make this wrap, and does not open it any more.
    if (error instanceof ClavigerError && error.code === 'INVALID_CIPHERTEXT') {
      const provider = error.native?.provider ?? 'unknown';
      scope.pin(error, { provider, resource: `${DISAGREEMENT}${provider}` }, pinned);
    }
    scope.noteServed([], failedHomes(error), []);
    return refusedByHome(scope, found, version, error);
  });
  const [provider] = opened.providers as [string];
  const lost = homes.lost.filter(({ backing }) => wrapOf.has(backing.number)).map(({ backing }) => backing.provider);
  if (isHit) scope.noteServed([fromCache(provider)], [], []);
  else scope.noteServed([provider], [...lost, ...opened.failovers], []);

  const { dataKey } = opened;
  if (dataKey.length === DATA_KEY_BYTES && commitsTo(blob, dataKey.reveal())) return dataKey;
  dataKey[Symbol.dispose]();
  cache?.drop(id);
  const refusal = invalidCiphertext();
  scope.pin(refusal, { provider, resource: `${DISAGREEMENT}${provider}` }, pinned);
  // No second try: which of two homes is right cannot be told, and one that lies must be looked at.
  scope.services.log.write('error', 'a home gave another data key than the ciphertext commits to', {
    keyId: key.id,
    keyVersion: version.version,
    provider,
    requestId: scope.call.requestId,
  });
  scope.services.observer.metrics.disagreed(provider);
  throw refusal;
}

/** Has the wraps of a blob opened by one of its homes; nothing is noted of it yet. */
async function unwrapAt(
  scope: Scope,
  key: Key,
  version: KeyVersion,
  { homes, settings }: VersionHomes,
  wrapOf: ReadonlyMap<number, Uint8Array>,
  signal: AbortSignal,
): Promise<CachedDataKey> {
  const context = homeContext(key, version);
  using given = new GivenSecrets();
  const { home, value, failovers } = await scope.askHomes('unwrap', () =>
    anyHome(
      homes,
      'unwrap',
      true,
      async (home, options) => {
        const { value } = await wrapFacet(home).unwrap(wrapOf.get(home.backing.number)!, context, options);
        return given.add(value);
      },
      settings,
      signal,
    ),
  );
  return {
    dataKey: new SecretBytes(given.take(value)),
    entries: [],
    providers: [home.guard.name],
    missing: [],
    failovers: failovers.map((failed) => failed.home.guard.name),
  };
}

/** What an entry of the cache is of: no two sets of homes of versions of keys have one name. */
function nameOfHomes({ tenantId, id }: Key, { version }: KeyVersion, homes: VersionHomes): string {
  const known = homesNames.get(homes);
  if (known !== undefined) return known;
  const places = homes.homes.map(({ backing }) => [backing.number, backing.provider, backing.ref]);
  const name = JSON.stringify([tenantId, id, version, places]);
  homesNames.set(homes, name);
  return name;
}

const homesNames = new WeakMap<VersionHomes, string>();

/** Before any home is called: every wrap was put there by us, for a home that this version has or had. */
async function requireSeals(scope: Scope, key: Key, version: KeyVersion, blob: WrappedBlob): Promise<void> {
  const known = blob.wraps.every(({ home }) => version.backings.some(({ number }) => number === home));
  if (!known || !wrapsAreOurs(await sealKeyOf(scope, key, version), blob)) throw invalidCiphertext();
}

function noHomeLeft(key: Key, version: KeyVersion, blob: WrappedBlob, lost: VersionHomes['lost']): ClavigerError {
  const named = new Set(blob.wraps.map(({ home }) => home));
  const reasons = lost
    .filter(({ backing }) => named.has(backing.number))
    .map(({ backing, reason }) => `\`${backing.provider}\`: ${reason}`);
  const why = reasons.length === 0 ? 'they were all removed from the key' : reasons.join('; ');
  return new ClavigerError(
    'ALL_BACKINGS_FAILED',
    `no home of key ${key.id} version ${version.version} that the ciphertext names can be asked: ${why}`,
    { resource: key.id },
  );
}

function wrapFacet({ key, guard }: Home): WrapFacet {
  if (key.wrap !== undefined) return key.wrap;
  throw new ClavigerError('UNSUPPORTED', `provider \`${guard.name}\` wraps no data keys`);
}

/** What every home is given to authenticate with the wrap. */
function homeContext({ tenantId, id }: Key, { version }: KeyVersion): EncryptionContext {
  return { 'claviger-tenant': tenantId, 'claviger-key': id, 'claviger-version': String(version) };
}

function headerOf({ tenantId, id: keyId }: Key, version: KeyVersion): Buffer {
  const known = headers.get(version);
  if (known !== undefined) return known;
  const header = encodeHeader({ kind: 'wrapped', tenantId, keyId, keyVersion: version.version });
  headers.set(version, header);
  return header;
}

const headers = new WeakMap<KeyVersion, Buffer>();

async function sealKeyOf({ services }: Scope, { tenantId, id }: Key, version: KeyVersion): Promise<KeyObject> {
  const known = sealKeys.get(version);
  if (known !== undefined) return known;
  const sealKey = await services.keyring.wrapSealKey(tenantId, id, version.version);
  sealKeys.set(version, sealKey);
  return sealKey;
}

const sealKeys = new WeakMap<KeyVersion, KeyObject>();

function nameOf({ guard }: Home): string {
  return guard.name;
}

function wrapsName({ wraps }: WrappedBlob): string {
  return wraps.map(({ seal }) => Buffer.from(seal).toString('base64')).join();
}
