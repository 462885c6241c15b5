/**
 * Ciphertext blobs of keys with several homes: a data key that every home wraps, and that any of them unwraps.
 *
 * @module
 */
import { DISAGREEMENT } from '../audit/alerts/index.ts';
import { encodeHeader, encodeWrapped, type WrapEntry, type WrappedBlob } from '../envelope/ciphertext.ts';
import { commitsTo, DATA_KEY_BYTES, openWrapped, sealOfWrap, sealWrapped, wrapsAreOurs } from '../envelope/wrapped.ts';
import { ClavigerError, invalidCiphertext } from '../errors.ts';
import type { EncryptionContext } from '../model/encryption-context.ts';
import { isCurrent, type Key, type KeyVersion, type KeyWithVersions } from '../model/key.ts';
import type { WrapFacet } from '../providers/provider.ts';
import { anyHome, wrapEverywhere, type Home } from '../resilience/index.ts';
import { failedHomes, refusedByHome } from './home-refusal.ts';
import type { VersionHomes } from './homes.ts';
import type { Scope } from './scope.ts';

/** Encrypts under a fresh data key; the items of a batch share one, each with a salt of its own. */
export async function sealAtHomes(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  plaintext: Uint8Array,
  context: EncryptionContext,
): Promise<Buffer> {
  const make = (): Promise<WrappedKey> => wrapDataKey(scope, found, version);
  const shared = await scope.sharedInBatch(`data key ${version.version}`, make, ({ dataKey }) => dataKey.fill(0));
  const { dataKey, entries } = shared ?? (await make());
  try {
    return sealWrapped(headerOf(found.key, version), dataKey, entries, plaintext, context, scope.services.random);
  } finally {
    if (shared === null) dataKey.fill(0);
  }
}

/** Opens a blob with the first of its homes that answers. */
export async function openAtHomes(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  blob: WrappedBlob,
  context: EncryptionContext,
): Promise<Buffer> {
  const open = (): Promise<Buffer> => unwrapDataKey(scope, found, version, blob);
  const shared = await scope.sharedInBatch(`unwrapped ${wrapsName(blob)}`, open, (dataKey) => dataKey.fill(0));
  const dataKey = shared ?? (await open());
  try {
    // The salt of another item of the batch may still be a forged one: each blob commits by itself.
    return openWrapped(blob, dataKey, context);
  } finally {
    if (shared === null) dataKey.fill(0);
  }
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
  const dataKey = await unwrapDataKey(scope, found, version, blob);
  // Whatever can be completed is: a home that is still down stays missing.
  const all = { ...settings, wrapQuorum: 1 };
  try {
    const made = await wrapAt(scope, found, version, { homes: lacking, lost, settings: all }, dataKey);
    const wraps = [...kept, ...made].toSorted((a, b) => a.home - b.home);
    return encodeWrapped({ ...blob, wraps });
  } finally {
    dataKey.fill(0);
  }
}

interface WrappedKey {
  readonly dataKey: Buffer;
  readonly entries: readonly WrapEntry[];
}

async function wrapDataKey(scope: Scope, found: KeyWithVersions, version: KeyVersion): Promise<WrappedKey> {
  const dataKey = scope.services.random.bytes(DATA_KEY_BYTES);
  try {
    const homes = await scope.homes(found, version);
    return { dataKey, entries: await wrapAt(scope, found, version, homes, dataKey) };
  } catch (error) {
    dataKey.fill(0);
    throw error;
  }
}

/** Wraps a data key at homes, and notes which of them did and which did not. */
async function wrapAt(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  { homes, lost, settings }: VersionHomes,
  dataKey: Buffer,
): Promise<WrapEntry[]> {
  const { key } = found;
  const context = homeContext(key, version);
  const { signal } = new AbortController();
  const made = await scope.askHomes('wrap', () =>
    wrapEverywhere(homes, dataKey, () => context, settings, signal).catch((error: unknown) => {
      scope.noteServed([], [], failedHomes(error));
      return refusedByHome(scope, found, version, error);
    }),
  );
  const missing = [...made.missing.map(({ home }) => home.guard.name), ...lost.map(({ backing }) => backing.provider)];
  scope.noteServed(
    made.wraps.map(({ home }) => home.guard.name),
    [],
    missing,
  );
  const sealKey = await sealKeyOf(scope, key, version);
  const header = headerOf(key, version);
  const entries = made.wraps.map(({ home, wrapped }): WrapEntry => {
    const { number } = home.backing;
    return { home: number, wrap: wrapped, seal: sealOfWrap(sealKey, header, number, wrapped) };
  });
  return entries.toSorted((a, b) => a.home - b.home);
}

/**
 * The data key of a blob, from the healthiest of the homes that it names. Only those are asked; one that has been removed
 * is not; and what a home gives is believed only where the blob commits to it.
 */
async function unwrapDataKey(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  blob: WrappedBlob,
): Promise<Buffer> {
  const { key } = found;
  await requireSeals(scope, key, version, blob);
  const { homes, lost, settings } = await scope.homes(found, version);
  const pinned = `the wraps ${wrapsName(blob)}`;
  scope.requireUnpinned(pinned);
  const wrapOf = new Map(blob.wraps.map(({ home, wrap }) => [home, wrap]));
  const named = homes.filter(({ backing }) => wrapOf.has(backing.number));
  if (named.length === 0) throw noHomeLeft(key, version, blob, lost);
  const context = homeContext(key, version);
  const { signal } = new AbortController();
  const opened = await scope.askHomes('unwrap', () =>
    anyHome(
      named,
      'unwrap',
      true,
      (home, options) => wrapFacet(home).unwrap(wrapOf.get(home.backing.number)!, context, options),
      settings,
      signal,
    ).catch((error: unknown) => {
      // Its seal is ours, so the home did make this wrap, and does not open it any more.
      if (error instanceof ClavigerError && error.code === 'INVALID_CIPHERTEXT') {
        const provider = error.native?.provider ?? 'unknown';
        scope.pin(error, { provider, resource: `${DISAGREEMENT}${provider}` }, pinned);
      }
      scope.noteServed([], failedHomes(error), []);
      return refusedByHome(scope, found, version, error);
    }),
  );
  const provider = opened.home.guard.name;
  scope.noteServed(
    [provider],
    [
      ...lost.filter(({ backing }) => wrapOf.has(backing.number)).map(({ backing }) => backing.provider),
      ...opened.failovers.map(({ home }) => home.guard.name),
    ],
    [],
  );
  const dataKey = opened.value.value;
  if (dataKey.length === DATA_KEY_BYTES && commitsTo(blob, dataKey)) return dataKey;
  dataKey.fill(0);
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

async function sealKeyOf({ services }: Scope, { tenantId, id }: Key, version: KeyVersion): Promise<Buffer> {
  const known = sealKeys.get(version);
  if (known !== undefined) return known;
  const sealKey = await services.keyring.wrapSealKey(tenantId, id, version.version);
  sealKeys.set(version, sealKey);
  return sealKey;
}

const sealKeys = new WeakMap<KeyVersion, Buffer>();

function nameOf({ guard }: Home): string {
  return guard.name;
}

function wrapsName({ wraps }: WrappedBlob): string {
  return wraps.map(({ seal }) => Buffer.from(seal).toString('base64')).join();
}
