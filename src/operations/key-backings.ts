/**
 * The homes of a key that is there: one more, one less, or all that its rule names.
 *
 * Callers hold their ciphertexts themselves, so what these change is where keys live; `rewrap` then completes blobs.
 *
 * @module
 */
import { HOMES_MAX } from '../envelope/ciphertext.ts';
import { ClavigerError, toClavigerError } from '../errors.ts';
import {
  isCurrent,
  livesIn,
  type Backing,
  type HomesRule,
  type Key,
  type KeyVersion,
  type KeyWithVersions,
} from '../model/key.ts';
import { isDestroyed } from '../model/state.ts';
import { SOFTWARE_PROVIDER_NAME } from '../providers/software/index.ts';
import type { Change } from '../store/change.ts';
import { addHomes, homeChanges, requireHomesFit, destroyHomes, type MadeHomes, type WantedHome } from './home-keys.ts';
import { keyInfo, type KeyInfo } from './key-info.ts';
import type { Effect, Operation } from './operation.ts';
import type { Scope } from './scope.ts';
import { puts, type KeyInput } from './transition.ts';

export interface AddKeyBackingInput extends KeyInput, WantedHome {}

export interface RemoveKeyBackingInput extends KeyInput {
  readonly provider: string;
}

/** Makes the key's versions live in one more home; with `ref`, the primary version in a native key that is there. */
export const addKeyBacking: Operation<AddKeyBackingInput, KeyInfo> = {
  name: 'AddKeyBacking',
  async run(scope, { key: name, provider, ref }) {
    const found = await scope.manageKey(name);
    requireChangeable(found.key);
    if (livesIn(scope.primary(found), provider)) {
      throw new ClavigerError('KEY_EXISTS', `key ${found.key.id} lives in \`${provider}\` already`);
    }
    const { providers = [SOFTWARE_PROVIDER_NAME] } = found.key.homes ?? {};
    const rule = ruleOf(found.key, [...new Set([...providers, provider])]);
    return withHomes(scope, found, rule, [{ provider, ref }]);
  },
};

/** Takes a home away: it is called no more, and its native keys are destroyed where they were made for us. */
export const removeKeyBacking: Operation<RemoveKeyBackingInput, KeyInfo> = {
  name: 'RemoveKeyBacking',
  async run(scope, { key: name, provider }) {
    const found = await scope.manageKey(name);
    const removed = scope.done<Removed>(HOME_REMOVED);
    if (removed !== undefined) {
      scope.note({ provider, missingHomes: removed.kept });
      return { output: await keyInfo(scope, found) };
    }
    const { key, versions } = found;
    requireChangeable(key);
    const going = versions.flatMap(({ backings }) =>
      backings.filter((backing) => backing.provider === provider && isCurrent(backing)),
    );
    if (going.length === 0) throw new ClavigerError('NOT_FOUND', `key ${key.id} does not live in \`${provider}\``);
    const last = versions.find(({ state, backings }) => !isDestroyed(state) && !backings.some(staysWithout(provider)));
    if (last !== undefined) {
      throw new ClavigerError(
        'CONFLICT',
        `\`${provider}\` is the only home of version ${last.version} of key ${key.id}; add another first`,
      );
    }
    const { providers = [] } = key.homes ?? {};
    const rule = ruleOf(
      key,
      providers.filter((other) => other !== provider),
    );
    const removedAt = scope.services.clock.now();
    const after = versions.map((version) => ({
      ...version,
      backings: version.backings.map((backing) => (going.includes(backing) ? { ...backing, removedAt } : backing)),
      refusal: version.refusal?.provider === provider ? null : version.refusal,
    }));
    scope.note({ provider });
    const gone = { key: { ...key, homes: rule }, versions: after };
    if (provider === SOFTWARE_PROVIDER_NAME) {
      // What an encryption key has encrypted directly, before it had other homes, opens with nothing else: that material
      // goes with the key, after the window of its deletion.
      if (key.spec === 'AES-256-GCM') return changedHomes(scope, gone, []);
      const drops = versions.map(({ version }): Change => ({ drop: 'material', keyId: key.id, version }));
      return changedHomes(scope, gone, drops);
    }
    // First it is a home no more, then its native keys go: a request that met one half destroyed would take it for a refusal.
    return {
      outside: {
        name: HOME_REMOVED,
        first: puts(gone),
        work: async (): Promise<Removed> => ({ kept: await destroyLeft(scope, key, provider, going) }),
      },
    };
  },
};

interface Removed {
  /** The provider, where native keys of it are still there. */
  readonly kept: readonly string[];
}

/** A home that is down can be taken away too; its native keys stay then, which the record says, and the operator is told. */
async function destroyLeft(
  scope: Scope,
  { id }: Key,
  provider: string,
  going: readonly Backing[],
): Promise<readonly string[]> {
  try {
    return await destroyHomes(scope, going);
  } catch (thrown) {
    const { code } = toClavigerError(thrown);
    const refs = going.filter(({ adopted }) => adopted !== true).map(({ ref }) => ref);
    scope.services.log.write('error', 'native keys of a removed home are left behind; destroy them there', {
      keyId: id,
      provider,
      code,
      refs,
    });
    return [provider];
  }
}

/** Makes the key live wherever its rule says: in members that its group has got since, and where a home was lost. */
export const repairKeyBackings: Operation<KeyInput, KeyInfo> = {
  name: 'RepairKeyBackings',
  async run(scope, { key: name }) {
    const found = await scope.manageKey(name);
    requireChangeable(found.key);
    if (found.key.homes === null) {
      throw new ClavigerError(
        'UNSUPPORTED',
        `key ${found.key.id} has one home, the built-in keystore; add a home first`,
      );
    }
    const members = scope.services.homes.membersOf(found.key.homes);
    const wanted = members.filter((provider) => usable(found).some((version) => !livesIn(version, provider)));
    const rule = { ...found.key.homes, providers: members };
    if (wanted.length === 0) return { output: await keyInfo(scope, found) };
    return withHomes(
      scope,
      found,
      rule,
      wanted.map((provider) => ({ provider })),
    );
  },
};

const HOME_REMOVED = 'home removed';
const HOMES_ADDED = 'homes added';

async function withHomes(
  scope: Scope,
  found: KeyWithVersions,
  rule: HomesRule,
  homes: readonly WantedHome[],
): Promise<Effect<KeyInfo>> {
  const { key } = found;
  await requireHomesFit(scope, key, { rule, homes }, true);
  const made = scope.done<ReadonlyMap<number, MadeHomes>>(HOMES_ADDED);
  if (made === undefined) {
    requireRoom(usable(found), homes);
    scope.note({ provider: homes.map(({ provider }) => provider).join(',') });
    // A native key that is adopted is one version's; the others are made where they can be.
    const adopting = homes.some(({ ref }) => ref !== undefined);
    const versions = adopting ? [scope.primary(found)] : usable(found);
    return {
      outside: {
        name: HOMES_ADDED,
        work: () => addHomes(scope, key, rule, versions, homes),
        undo: async (done) => {
          const all = [...(done as ReadonlyMap<number, MadeHomes>).values()].flatMap(({ backings }) => backings);
          await destroyHomes(scope, all);
        },
      },
    };
  }
  const changes: Change[] = [];
  const versions = found.versions.map((version) => {
    const added = made.get(version.version);
    if (added === undefined) return version;
    changes.push(...homeChanges(key, version.version, added));
    return { ...version, backings: [...version.backings, ...added.backings] };
  });
  requireRoom(versions, []);
  scope.note({ provider: homes.map(({ provider }) => provider).join(',') });
  return changedHomes(scope, { key: { ...key, homes: rule }, versions }, changes);
}

async function changedHomes(
  scope: Scope,
  after: KeyWithVersions,
  changes: readonly Change[],
): Promise<Effect<KeyInfo>> {
  return { output: await keyInfo(scope, after), changes: [...puts(after), ...changes] };
}

function ruleOf({ homes }: Key, providers: readonly string[]): HomesRule {
  const rule = homes ?? { group: null, onHomeRefusal: 'refuse', siblings: false };
  return { ...rule, providers };
}

/** @throws LIMIT_EXCEEDED, before anything is made, and again once it is */
function requireRoom(versions: readonly KeyVersion[], homes: readonly WantedHome[]): void {
  for (const version of versions) {
    const lacking = homes.filter(({ provider }) => !livesIn(version, provider));
    if (version.backings.length + lacking.length <= HOMES_MAX) continue;
    throw new ClavigerError('LIMIT_EXCEEDED', `a version has at most ${HOMES_MAX} homes, those it once had included`);
  }
}

/** Versions whose homes count: those that are not destroyed. */
function usable({ versions }: KeyWithVersions): readonly KeyVersion[] {
  return versions.filter(({ state }) => !isDestroyed(state));
}

function staysWithout(provider: string): (backing: Backing) => boolean {
  return (backing) => backing.provider !== provider && isCurrent(backing);
}

/** @throws KEY_STATE, UNSUPPORTED */
function requireChangeable({ id, state, deletionAt, origin }: Key): void {
  if (isDestroyed(state) || deletionAt !== null) {
    throw new ClavigerError('KEY_STATE', `cannot change the homes of key ${id}: it is destroyed or pending deletion`);
  }
  if (origin === 'external') {
    throw new ClavigerError('UNSUPPORTED', `key ${id} has imported material, which stays in the built-in keystore`);
  }
}
