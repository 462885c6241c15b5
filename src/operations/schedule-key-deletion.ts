/**
 * scheduleKeyDeletion: sets the date on which a key is destroyed. Until then all use is refused, and the date can be
 * taken back.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { isDestroyed } from '../model/state.ts';
import type { KeyInfo } from './key-info.ts';
import type { Operation } from './operation.ts';
import { changedKey, type KeyInput } from './transition.ts';

export const DELETION_WINDOW_DAYS = { min: 7, max: 30, default: 30 } as const;
export const DAY_MS = 24 * 60 * 60 * 1000;

export interface ScheduleKeyDeletionInput extends KeyInput {
  /** 7 to 30; 30 where it is not given. */
  readonly pendingWindowDays?: number | undefined;
}

export const scheduleKeyDeletion: Operation<ScheduleKeyDeletionInput, KeyInfo> = {
  name: 'ScheduleKeyDeletion',
  async run(scope, { key: name, pendingWindowDays = DELETION_WINDOW_DAYS.default }) {
    const found = await scope.manageKey(name);
    const { key } = found;
    if (isDestroyed(key.state)) throw new ClavigerError('KEY_STATE', `key ${key.id} is destroyed already`);
    if (key.deletionAt !== null) throw new ClavigerError('KEY_STATE', `key ${key.id} is pending deletion already`);
    const { min, max } = DELETION_WINDOW_DAYS;
    if (!Number.isInteger(pendingWindowDays) || pendingWindowDays < min || pendingWindowDays > max) {
      throw new ClavigerError('INVALID_ARGUMENT', `\`pendingWindowDays\` must be from ${min} to ${max}`);
    }
    return changedKey(scope, found, { ...key, deletionAt: scope.services.clock.now() + pendingWindowDays * DAY_MS });
  },
};
