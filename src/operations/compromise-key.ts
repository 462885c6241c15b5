/**
 * compromiseKey: marks a key, or one older version of it, as compromised. There is no way back.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { nextState } from '../model/state.ts';
import type { KeyInfo } from './key-info.ts';
import type { Operation } from './operation.ts';
import { changed, transitioned, type KeyInput } from './transition.ts';

export interface CompromiseKeyInput extends KeyInput {
  /** Only this version, which must not be the primary one; rotate first. */
  readonly keyVersion?: number | undefined;
}

export const compromiseKey: Operation<CompromiseKeyInput, KeyInfo> = {
  name: 'CompromiseKey',
  async run(scope, { key: name, keyVersion }) {
    const found = await scope.manageKey(name);
    const { key, versions } = found;
    if (keyVersion === undefined) return changed(scope, transitioned(found, 'compromise'));
    const version = scope.version(found, keyVersion);
    scope.note({ keyVersion });
    if (keyVersion === key.primaryVersion) {
      throw new ClavigerError('KEY_STATE', `version ${keyVersion} is the primary one; rotate key ${key.id} first`);
    }
    const state = nextState('compromise', version.state, key.id);
    const after = versions.map((row) => (row === version ? { ...row, state } : row));
    return changed(scope, { key, versions: after });
  },
};
