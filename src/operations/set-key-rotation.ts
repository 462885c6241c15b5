/**
 * setKeyRotation: how often a symmetric key is rotated by itself, or that it is not.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { requireUsable } from '../model/state.ts';
import type { KeyInfo } from './key-info.ts';
import type { Operation } from './operation.ts';
import { DAY_MS } from './schedule-key-deletion.ts';
import { changedKey, type KeyInput } from './transition.ts';

export const ROTATION_DAYS = { min: 90, max: 2560, default: 365 } as const;

export interface SetKeyRotationInput extends KeyInput {
  /** 90 to 2,560 days; null ends automatic rotation. */
  readonly periodDays: number | null;
}

export const setKeyRotation: Operation<SetKeyRotationInput, KeyInfo> = {
  name: 'SetKeyRotation',
  async run(scope, { key: name, periodDays }) {
    const found = await scope.manageKey(name);
    const { key } = found;
    if (key.spec !== 'AES-256-GCM' || key.origin === 'external') {
      throw new ClavigerError(
        'UNSUPPORTED',
        `key ${key.id} cannot rotate by itself: only symmetric encryption keys made here can`,
      );
    }
    requireUsable(key, 'protect');
    if (periodDays === null) return changedKey(scope, found, { ...key, rotation: null });
    const { min, max } = ROTATION_DAYS;
    if (!Number.isInteger(periodDays) || periodDays < min || periodDays > max) {
      throw new ClavigerError('INVALID_ARGUMENT', `\`periodDays\` must be from ${min} to ${max}`);
    }
    const nextAt = scope.services.clock.now() + periodDays * DAY_MS;
    return changedKey(scope, found, { ...key, rotation: { periodDays, nextAt } });
  },
};
