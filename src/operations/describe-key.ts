/**
 * describeKey, and its narrower reads: the rotation of a key and the history of its rotations.
 *
 * @module
 */
import { keyInfo, type KeyInfo } from './key-info.ts';
import type { OperationName } from '../model/operation.ts';
import type { Operation } from './operation.ts';
import type { KeyInput } from './transition.ts';

export const describeKey = describing('DescribeKey');

/** The same description under the rights of GetKeyRotation. */
export const getKeyRotation = describing('GetKeyRotation');

/** The same description, with every version, under the rights of ListKeyRotations. */
export const listKeyRotations = describing('ListKeyRotations');

/** The same description, with the tags, under the rights of ListKeyTags. */
export const listKeyTags = describing('ListKeyTags');

function describing(name: OperationName): Operation<KeyInput, KeyInfo> {
  return {
    name,
    async run(scope, input) {
      return { output: await keyInfo(scope, await scope.readKey(input.key)) };
    },
  };
}
