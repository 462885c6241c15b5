/**
 * redactAuditRecords: forgets what the commitments of old records open to: principals, addresses, digests, contexts,
 * names and the items of batches. The records themselves stay, and so does every proof.
 *
 * A call takes a bounded range, oldest first, and says whether more is left; each range has a record of its own, which
 * is how a verifier tells what was redacted from what is missing.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { entity } from '../store/change.ts';
import type { Operation } from './operation.ts';

/** Records of one call: the writer is held up for some tens of milliseconds. */
const RANGE_MAX = 10_000;
/** Names the index up to which everything is redacted. */
const CURSOR = 'redacted';
const DAY_MS = 24 * 60 * 60 * 1000;

export interface RedactAuditRecordsInput {
  /** ISO 8601: records from before then. */
  readonly before: string;
}

export interface RedactAuditRecordsOutput {
  /** The records that this call redacted: `[from, to)`. */
  readonly from: number;
  readonly to: number;
  /** True where nothing older than `before` is left to redact. */
  readonly done: boolean;
}

export const redactAuditRecords: Operation<RedactAuditRecordsInput, RedactAuditRecordsOutput> = {
  name: 'RedactAuditRecords',
  async run(scope, { before }) {
    scope.manageTenant();
    const { clock, cache, auditRetentionDays } = scope.services;
    const beforeMs = Date.parse(before);
    if (Number.isNaN(beforeMs)) {
      throw new ClavigerError('INVALID_ARGUMENT', '`before` is not a time; write it as 2026-01-31T12:00:00Z');
    }
    if (beforeMs > clock.now() - auditRetentionDays * DAY_MS) {
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        `what records commit to is kept for ${auditRetentionDays} days (\`audit.retentionDays\`); \`before\` must lie at least that far back`,
      );
    }
    // Of two at once, the second is decided again and goes on where the first ends.
    scope.read.push(entity.redaction);
    const from = (await cache.store.cursor(CURSOR)) ?? 0;
    const end = Math.max(from, await cache.store.firstIndexSince(beforeMs));
    const to = Math.min(end, from + RANGE_MAX);
    const output = { from, to, done: to === end };
    if (to === from) return { output };
    scope.note({ redaction: { from, to } });
    return {
      output,
      changes: [
        { drop: 'openings', from, to },
        { put: 'cursor', name: CURSOR, position: to },
      ],
    };
  },
};
