/**
 * The handle of a version, whatever its home: the built-in keystore, or a group of homes of which one that answers does
 * the work.
 *
 * @module
 */
import { publicKeyJwk, thumbprint } from '../crypto/key-material.ts';
import { verify as verifySignature } from '../crypto/verify.ts';
import { ClavigerError } from '../errors.ts';
import type { SigningAlgorithmName } from '../model/algorithm.ts';
import type { Backing, KeyVersion, KeyWithVersions } from '../model/key.ts';
import type { KeyHandle, SignInput } from '../providers/key-handle.ts';
import type { CallOptions, HomeKey, Made } from '../providers/provider.ts';
import { anyHome, type Home } from '../resilience/index.ts';
import { failedHomes, refusedByHome } from './home-refusal.ts';
import type { BackedHome, VersionHomes } from './homes.ts';
import type { Scope } from './scope.ts';

/** The handle of a version's material, at the home that serves it. */
export function handleOf(scope: Scope, found: KeyWithVersions, version: KeyVersion): KeyHandle | Promise<KeyHandle> {
  return found.key.homes === null ? scope.handle(found, version) : atHomes(scope, found, version);
}

/**
 * Every public key that signatures of a version may verify under: one, or that of each sibling. SPKI DER; the same
 * objects each time, for their parsed form hangs on them.
 */
export function publicKeysOf(version: KeyVersion): readonly Uint8Array[] {
  const known = publicKeys.get(version);
  if (known !== undefined) return known;
  const { publicKey, backings } = version;
  if (publicKey === null) throw new ClavigerError('INTERNAL', 'an asymmetric key version has no public key');
  const first = Buffer.from(publicKey).toString('base64');
  const siblings = new Set(backings.map((backing) => backing.publicKey ?? first));
  siblings.delete(first);
  const all = [publicKey, ...[...siblings].map((own) => Buffer.from(own, 'base64'))];
  publicKeys.set(version, all);
  return all;
}

const publicKeys = new WeakMap<KeyVersion, readonly Uint8Array[]>();

async function atHomes(scope: Scope, found: KeyWithVersions, version: KeyVersion): Promise<KeyHandle> {
  const where = await scope.homes(found, version);
  const ask = <T extends Buffer>(
    facet: string,
    work: (key: HomeKey, options: CallOptions, home: BackedHome) => Promise<Made<T>> | undefined,
  ): Promise<T> => asked(scope, found, version, where, facet, work);
  return {
    sign: (algorithm, input) =>
      ask('sign', (key, options, home) =>
        key.sign?.(algorithm, input, options).then(async (made) => {
          const { backing } = home;
          const spki = publicKeyAt(version, backing);
          await requireSignature(found, backing, spki, algorithm, input, made.value);
          if (backing.publicKey !== undefined) scope.thumbprint = thumbprint(publicKeyJwk(spki));
          return made;
        }),
      ),
    mac: (algorithm, message) => ask('mac', (key, options) => key.mac?.(algorithm, message, options)),
    agree: (peer) => ask('agree', (key, options) => key.agree?.(peer, options)),
    decapsulate: (ciphertext) => ask('decapsulate', (key, options) => key.decapsulate?.(ciphertext, options)),
    decrypt: (algorithm, ciphertext) =>
      ask('decrypt', (key, options) => key.cipher?.decrypt(algorithm, ciphertext, {}, options)),
  };
}

async function asked<T extends Buffer>(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  { homes, lost, settings }: VersionHomes,
  facet: string,
  work: (key: HomeKey, options: CallOptions, home: BackedHome) => Promise<Made<T>> | undefined,
): Promise<T> {
  const { signal } = new AbortController();
  const answered = await scope.askHomes(facet, () =>
    anyHome(
      homes,
      facet,
      true,
      (home, options) => work(home.key, options, home) ?? Promise.reject(unsupported(home, facet)),
      settings,
      signal,
    ).catch((error: unknown) => {
      scope.noteServed([], failedHomes(error), []);
      return refusedByHome(scope, found, version, error);
    }),
  );
  const failovers = [
    ...lost.map((one) => one.backing.provider),
    ...answered.failovers.map(({ home }) => home.guard.name),
  ];
  scope.noteServed([answered.home.guard.name], failovers, []);
  scope.note({ backing: answered.home.backing.ref });
  return answered.value.value;
}

/**
 * Holds a home's signature against the public key of the version: a home that has another key, or signs in another way
 * than was asked, is found out before anybody relies on it.
 *
 * @throws PROVIDER_INTEGRITY
 */
async function requireSignature(
  { key }: KeyWithVersions,
  { provider }: Backing,
  spki: Uint8Array,
  algorithm: SigningAlgorithmName,
  input: SignInput,
  signature: Uint8Array,
): Promise<void> {
  if (await verifySignature(key.spec, spki, algorithm, input, signature)) return;
  throw new ClavigerError(
    'PROVIDER_INTEGRITY',
    `provider \`${provider}\` gave a signature that does not verify under the public key of key ${key.id}`,
    { resource: key.id, native: { provider, code: 'signature', requestId: null } },
  );
}

/** The public key of a home: that of the version, or its own where homes are siblings. */
function publicKeyAt(version: KeyVersion, { publicKey }: Backing): Uint8Array {
  const own = publicKey === undefined ? null : Buffer.from(publicKey, 'base64');
  return publicKeysOf(version).find((known) => own === null || own.equals(known)) ?? version.publicKey!;
}

function unsupported({ guard }: Home, facet: string): ClavigerError {
  return new ClavigerError('UNSUPPORTED', `provider \`${guard.name}\` cannot ${facet} with this key`);
}
