/**
 * A log to follow: the real writer and reader of a store, with records written when a test says so.
 *
 * @module
 */
import type { FollowSource } from '../../src/audit/follow.ts';
import type { RecordDraft } from '../../src/audit/record.ts';
import { draft, job, openTestLog } from '../unit/audit/jobs.ts';

export interface FollowedLog extends FollowSource {
  /** Writes records in one group; `more` may say what each is like. */
  write(count: number, more?: (index: number) => Partial<RecordDraft> & { readonly outcome?: string }): void;
  /** Positions that were kept, in order. */
  readonly kept: readonly number[];
  /** From now on the store refuses this, until it is given null. */
  refuse(what: 'reads' | 'keeps' | null): void;
  remove(): void;
}

export function openFollowedLog(): FollowedLog {
  const opened = openTestLog();
  const { log, reader } = opened;
  const followers = new Set<() => void>();
  const kept: number[] = [];
  let refused: 'reads' | 'keeps' | null = null;
  return {
    logId: log.tail.logId,
    get size() {
      return log.tail.nextIndex;
    },
    kept,
    write: (count, more = () => ({})) => {
      log.begin();
      for (let n = 0; n < count; n++) {
        const { outcome = 'OK', ...fields } = more(log.tail.nextIndex + n);
        log.take(job(n, { draft: draft({ requestId: `r${n}`, ...fields }), outcome: outcome as 'OK' }), [], () => []);
      }
      log.commit();
      for (const follower of followers) follower();
    },
    follow: (follower) => {
      followers.add(follower);
      return () => void followers.delete(follower);
    },
    recordsFrom: async (index, limit) => {
      if (refused === 'reads') throw new Error('the store did not answer');
      return reader.recordsFrom(index, limit);
    },
    cursor: (name) => reader.cursor(name),
    keepCursor: async (name, position) => {
      if (refused === 'keeps') throw new Error('the store did not answer');
      log.begin();
      log.take({ id: 0, draft: null }, [{ put: 'cursor', name, position }], () => []);
      log.commit();
      kept.push(position);
    },
    refuse: (what) => {
      refused = what;
    },
    remove: () => opened.remove(),
  };
}
