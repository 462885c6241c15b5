/**
 * Records as a sink is given them, from a real log.
 *
 * @module
 */
import { FollowedRecord } from '../../src/audit/follow.ts';
import type { RecordDraft } from '../../src/audit/record.ts';
import type { SinkBatch } from '../../src/audit/sinks/sink.ts';
import { openFollowedLog } from './followed-log.ts';

export type RecordWish = Partial<RecordDraft> & { readonly outcome?: string };

/** A batch of so many records; `wish` may say what each is like. */
export async function sinkBatch(count: number, wish: (index: number) => RecordWish = () => ({})): Promise<SinkBatch> {
  const log = openFollowedLog();
  try {
    log.write(count, wish);
    const stored = await log.recordsFrom(0, count);
    return { logId: log.logId, records: stored.map((record) => new FollowedRecord(record)) };
  } finally {
    log.remove();
  }
}

/** The batch without its first records. */
export function from({ logId, records }: SinkBatch, first: number, end?: number): SinkBatch {
  return { logId, records: records.slice(first, end) };
}
