/**
 * What the operations that change a key's state share.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import type { Key, KeyVersion, KeyWithVersions } from '../model/key.ts';
import type { OperationName } from '../model/operation.ts';
import { nextState, TRANSITIONS, type TransitionName } from '../model/state.ts';
import type { Change } from '../store/change.ts';
import { keyInfo, type KeyInfo } from './key-info.ts';
import type { Effect, Operation } from './operation.ts';
import type { Scope } from './scope.ts';

export interface KeyInput {
  readonly key: string;
}

/** An operation that is one transition of the table, and nothing more. */
export function transitionOperation(name: OperationName, transition: TransitionName): Operation<KeyInput, KeyInfo> {
  return {
    name,
    async run(scope, input) {
      const found = await scope.manageKey(input.key);
      requireNotGoing(found.key, transition);
      return changed(scope, transitioned(found, transition));
    },
  };
}

/**
 * A key that is going cannot be switched on or off: cancelling its deletion is what gives it back.
 *
 * @throws KEY_STATE
 */
function requireNotGoing({ id, deletionAt }: Key, transition: TransitionName): void {
  if (deletionAt === null || (transition !== 'enable' && transition !== 'disable')) return;
  throw new ClavigerError('KEY_STATE', `cannot ${transition} key ${id}: it is pending deletion; cancel that first`, {
    resource: id,
  });
}

/**
 * The key and its versions after a transition. Versions follow the key where the table lets them: one that was
 * deactivated by a rotation stays so when its key is disabled, and is compromised or destroyed with it.
 *
 * @throws KEY_STATE
 */
export function transitioned({ key, versions }: KeyWithVersions, transition: TransitionName): KeyWithVersions {
  const state = nextState(transition, key.state, key.id);
  const follows = (version: KeyVersion): KeyVersion => {
    const next = TRANSITIONS[transition][version.state];
    return next === undefined ? version : { ...version, state: next };
  };
  return { key: { ...key, state }, versions: versions.map(follows) };
}

/** The effect of putting a changed key, and its versions, into the store. */
export async function changed(
  scope: Scope,
  after: KeyWithVersions,
  more: readonly Change[] = [],
): Promise<Effect<KeyInfo>> {
  return { output: await keyInfo(scope, after), changes: [...puts(after), ...more] };
}

/** The effect of a change that touches the key's own row only. */
export async function changedKey(scope: Scope, { versions }: KeyWithVersions, key: Key): Promise<Effect<KeyInfo>> {
  return { output: await keyInfo(scope, { key, versions }), changes: [{ put: 'key', key }] };
}

export function puts({ key, versions }: KeyWithVersions): Change[] {
  return [{ put: 'key', key }, ...versions.map((version): Change => ({ put: 'version', version }))];
}
