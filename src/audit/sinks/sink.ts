/**
 * The contract of a sink, and what all of them share.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import { DeliveryError, type FollowedRecord, type FollowOptions } from '../follow.ts';
import type { AuditRecord } from '../opened.ts';
import type { PostAnswer } from '../post.ts';
import type { TlsFiles } from './options.ts';

/** Records of the log in order, those that the sink's filter lets through. */
export interface SinkBatch {
  readonly logId: string;
  readonly records: readonly FollowedRecord[];
}

export interface Sink {
  /** Its batches, where the follower's own measure does not suit it. */
  readonly pace?: Pick<FollowOptions, 'lingerMs' | 'batchRecordsMax' | 'batchBytesMax'>;
  /**
   * Resolves once the receiver has the batch. It ends soon after the signal aborts.
   *
   * @throws Error in words where it has not: all of it will come again
   */
  deliver(batch: SinkBatch, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** A record outside the log: with the log's id, because a receiver may collect several. */
export type SinkEvent = AuditRecord & { readonly logId: string };

export function eventOf(logId: string, { record }: FollowedRecord): SinkEvent {
  return { logId, ...record };
}

export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export async function readTls({ ca, certificate, key }: TlsFiles): Promise<TlsMaterial> {
  return {
    ...(ca === undefined ? {} : { ca: await readFile(ca, 'utf8') }),
    ...(certificate === undefined ? {} : { cert: await readFile(certificate, 'utf8') }),
    ...(key === undefined ? {} : { key: await readFile(key, 'utf8') }),
  };
}

/** Statuses outside 5xx that say "later": RFC 9110, section 15.5.9, and RFC 6585, section 4. */
const LATER: ReadonlySet<number> = new Set([408, 429]);

/** @throws DeliveryError where an HTTP receiver has not taken what was posted */
export function requireTaken({ status, retryAfter }: PostAnswer, nowMs: number): void {
  if (status >= 200 && status < 300) return;
  const later = status >= 500 || LATER.has(status);
  const hint = status >= 300 && status < 400 ? ', a redirect, which is not followed' : '';
  throw new DeliveryError(`the receiver answered ${status}${hint}`, {
    refused: !later,
    retryAfterMs: retryAfter === null ? null : delayOf(retryAfter, nowMs),
  });
}

/** Retry-After (RFC 9110, section 10.2.3) in milliseconds; null where it is neither of its two forms. */
function delayOf(retryAfter: string, nowMs: number): number | null {
  if (/^[0-9]{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const atMs = Date.parse(retryAfter);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}
