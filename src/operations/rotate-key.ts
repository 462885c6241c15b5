/**
 * rotateKey: a new version that protects from now on. Old versions still open and verify.
 *
 * For an asymmetric or MAC key this changes the public key, or the key that MACs are checked with: who verifies outside
 * has to be given the new one.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import type { KeyVersion, KeyWithVersions } from '../model/key.ts';
import { requireUsable, TRANSITIONS } from '../model/state.ts';
import { newVersion, versionAtHomes } from './create-key.ts';
import { HOMES_MADE, noteHomes, outsideHomes, requireHomesFit, type MadeHomes } from './home-keys.ts';
import { keyInfo, type KeyInfo } from './key-info.ts';
import type { Effect, Operation } from './operation.ts';
import { DAY_MS } from './schedule-key-deletion.ts';
import type { Scope } from './scope.ts';
import { puts, type KeyInput } from './transition.ts';

/** Versions of one key; each is looked at when a raw ciphertext or signature names none. */
export const VERSIONS_MAX = 1000;

export const rotateKey: Operation<KeyInput, KeyInfo> = {
  name: 'RotateKey',
  run: (scope, input) => rotated(scope, input, 'rotated-on-demand'),
};

/** As rotateKey, for symmetric keys only: AWS's RotateKeyOnDemand, whose callers count on the key staying the same. */
export const rotateSymmetricKey: Operation<KeyInput, KeyInfo> = {
  name: 'RotateKey',
  async run(scope, input) {
    const { key } = await scope.readKey(input.key);
    if (key.spec !== 'AES-256-GCM') {
      throw new ClavigerError(
        'UNSUPPORTED',
        `key ${key.id} is not a symmetric encryption key, so it is not rotated here`,
      );
    }
    return rotated(scope, input, 'rotated-on-demand');
  },
};

/** Rotation that has fallen due; run by a job. */
export const rotateDueKey: Operation<KeyInput, KeyInfo> = {
  name: 'RotateDueKey',
  run: (scope, input) => rotated(scope, input, 'rotated-by-schedule'),
};

async function rotated(scope: Scope, input: KeyInput, cause: KeyVersion['cause']): Promise<Effect<KeyInfo>> {
  const found = await scope.manageKey(input.key);
  const { key } = found;
  requireUsable(key, 'protect');
  // Nobody has decided that the key goes on elsewhere; who rotates it by hand has.
  if (cause === 'rotated-by-schedule') scope.requireUnrefused(key, scope.primary(found));
  if (key.origin === 'external') {
    throw new ClavigerError('UNSUPPORTED', `key ${key.id} has imported material; import new material into a new key`);
  }
  if (found.versions.length >= VERSIONS_MAX) {
    throw new ClavigerError('LIMIT_EXCEEDED', `key ${key.id} has ${VERSIONS_MAX} versions; make a new key`);
  }
  const now = scope.services.clock.now();
  const number = key.primaryVersion + 1;
  const made = scope.done<MadeHomes>(HOMES_MADE);
  if (key.homes !== null && made === undefined) {
    const wanted = {
      rule: key.homes,
      homes: key.homes.providers.map((provider) => ({ provider })),
    };
    await requireHomesFit(scope, key, wanted);
    return outsideHomes(scope, key, number, wanted, scope.primary(found));
  }
  const next =
    made === undefined
      ? await newVersion(scope, key, number, cause, now)
      : versionAtHomes(key, number, cause, now, made);
  const after = withPrimary(found, next.version, now);
  if (made === undefined) scope.note({ keyVersion: number });
  else noteHomes(scope, number, made.backings);
  return { output: await keyInfo(scope, after), changes: [...puts(after), ...next.changes] };
}

/** The key with a new primary version; the one before is deactivated: it processes, and protects no more. */
function withPrimary({ key, versions }: KeyWithVersions, primary: KeyVersion, now: number): KeyWithVersions {
  const retired = versions.map((version) => {
    const state = TRANSITIONS.deactivate[version.state];
    return state === undefined ? version : { ...version, state };
  });
  const rotation = key.rotation && { ...key.rotation, nextAt: now + key.rotation.periodDays * DAY_MS };
  return { key: { ...key, primaryVersion: primary.version, rotation }, versions: [...retired, primary] };
}
