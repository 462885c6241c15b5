/**
 * cancelKeyDeletion: takes a deletion date back. A key that was active comes back suspended: somebody has to enable it.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import type { KeyInfo } from './key-info.ts';
import type { Operation } from './operation.ts';
import { changed, transitioned, type KeyInput } from './transition.ts';

export const cancelKeyDeletion: Operation<KeyInput, KeyInfo> = {
  name: 'CancelKeyDeletion',
  async run(scope, input) {
    const found = await scope.manageKey(input.key);
    if (found.key.deletionAt === null) {
      throw new ClavigerError('KEY_STATE', `key ${found.key.id} is not pending deletion`);
    }
    const kept = { ...found, key: { ...found.key, deletionAt: null } };
    return changed(scope, kept.key.state === 'Active' ? transitioned(kept, 'disable') : kept);
  },
};
