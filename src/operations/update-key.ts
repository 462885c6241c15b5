/**
 * updateKey: the description, and whether anyone may read the public keys.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { isAsymmetric } from '../model/spec.ts';
import { isDestroyed } from '../model/state.ts';
import type { KeyInfo } from './key-info.ts';
import type { Operation } from './operation.ts';
import { requireDescription } from './tags.ts';
import { changedKey, type KeyInput } from './transition.ts';

export interface UpdateKeyInput extends KeyInput {
  readonly description?: string | undefined;
  /** True puts the public keys into the tenant's JWKS. */
  readonly published?: boolean | undefined;
}

export const updateKey: Operation<UpdateKeyInput, KeyInfo> = {
  name: 'UpdateKey',
  async run(scope, { key: name, description, published }) {
    const found = await scope.manageKey(name);
    const { key } = found;
    if (isDestroyed(key.state) || key.deletionAt !== null) {
      throw new ClavigerError('KEY_STATE', `key ${key.id} is destroyed or pending deletion`);
    }
    if (published === true && (key.usage !== 'sign-verify' || !isAsymmetric(key.spec))) {
      throw new ClavigerError(
        'KEY_USAGE',
        `key ${key.id} has no public key to verify with, so there is nothing to publish`,
      );
    }
    return changedKey(scope, found, {
      ...key,
      description: requireDescription(description ?? key.description),
      published: published ?? key.published,
    });
  },
};
