/**
 * tagKey and untagKey.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import type { Key } from '../model/key.ts';
import { isDestroyed } from '../model/state.ts';
import type { KeyInfo } from './key-info.ts';
import type { Operation } from './operation.ts';
import { requireTags } from './tags.ts';
import { changedKey, type KeyInput } from './transition.ts';

export interface TagKeyInput extends KeyInput {
  readonly tags: Readonly<Record<string, string>>;
}

export interface UntagKeyInput extends KeyInput {
  readonly tagKeys: readonly string[];
}

export const tagKey: Operation<TagKeyInput, KeyInfo> = {
  name: 'TagKey',
  async run(scope, { key: name, tags }) {
    const found = await scope.manageKey(name);
    requireTaggable(found.key);
    return changedKey(scope, found, { ...found.key, tags: requireTags({ ...found.key.tags, ...tags }) });
  },
};

export const untagKey: Operation<UntagKeyInput, KeyInfo> = {
  name: 'UntagKey',
  async run(scope, { key: name, tagKeys }) {
    const found = await scope.manageKey(name);
    requireTaggable(found.key);
    const gone = new Set(tagKeys);
    const tags = Object.fromEntries(Object.entries(found.key.tags).filter(([tag]) => !gone.has(tag)));
    return changedKey(scope, found, { ...found.key, tags });
  },
};

function requireTaggable(key: Key): void {
  if (isDestroyed(key.state) || key.deletionAt !== null) {
    throw new ClavigerError('KEY_STATE', `cannot tag key ${key.id}: it is destroyed or pending deletion`);
  }
}
