/**
 * getAuditReceipt: all that proves, offline and with nothing but the log's key, that the record of a request is in the
 * log and what it says.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { provenInclusion, type InclusionProof } from './audit-tree.ts';
import type { Operation } from './operation.ts';

export interface AuditReceiptInput {
  /** `x-request-id` of the answer. */
  readonly requestId: string;
}

/** Field → `[salt, value]` in base64 and text: see spec/audit-log.md. */
export type Openings = Readonly<Record<string, readonly [salt: string, value: string]>>;

export interface AuditReceipt extends InclusionProof {
  readonly logId: string;
  /** The record, exactly as the leaf hash covers it. */
  readonly entry: string;
  /** What the record's commitments stand for; without those that were redacted. */
  readonly openings: Openings;
  /** Items of a batch: `[salt, text]`. */
  readonly items?: readonly (readonly [salt: string, text: string])[];
  /** A signed checkpoint over `size` records. */
  readonly checkpoint: string;
}

export const getAuditReceipt: Operation<AuditReceiptInput, AuditReceipt> = {
  name: 'GetAuditReceipt',
  async run(scope, { requestId }) {
    scope.readTenant();
    const { principal, services } = scope;
    const record = await services.cache.store.recordOfRequest(requestId);
    const entry = record === null ? null : Buffer.from(record.entry).toString();
    const tenant = entry === null ? null : (JSON.parse(entry) as { tenant?: string }).tenant;
    // A record of another tenant is not told from one that does not exist.
    if (record === null || entry === null || (tenant !== principal.tenantId && !principal.systemScope)) {
      throw new ClavigerError('NOT_FOUND', 'the log has no record of this request');
    }
    const { size, note } = await services.ledger.checkpointOver(record.index);
    return {
      output: {
        logId: services.ledger.logId,
        ...(await provenInclusion(scope, record.index, size)),
        entry,
        openings: JSON.parse(record.openings) as Openings,
        ...(record.items === null ? {} : { items: JSON.parse(record.items) as NonNullable<AuditReceipt['items']> }),
        checkpoint: note,
      },
    };
  },
};
