/**
 * A record as people read it: the entry's fields, with what its commitments commit to in their place.
 *
 * @module
 */
import type { StoredRecord } from '../store/contract.ts';

/** A record as the log holds it, its commitments replaced by what they commit to. */
export interface AuditRecord {
  readonly index: number;
  readonly time: string;
  readonly phase: string;
  readonly tenant?: string;
  readonly principal?: string;
  readonly source?: string;
  readonly operation?: string;
  readonly key?: string;
  readonly keyVersion?: number;
  readonly provider?: string;
  readonly backing?: string;
  readonly failovers?: readonly string[];
  readonly missingHomes?: readonly string[];
  readonly algorithm?: string;
  readonly digest?: string;
  readonly context?: Readonly<Record<string, string>>;
  readonly destinationContext?: Readonly<Record<string, string>>;
  readonly resource?: string;
  readonly policies?: readonly string[];
  /** `OK` or an error code; null for an intent. */
  readonly outcome: string | null;
  readonly requestId: string;
  readonly latencyUs?: number;
  readonly items?: { readonly count: number; readonly failed: number; readonly root: string };
  readonly aggregate?: { readonly count: number; readonly from: string; readonly to: string };
  /** Of RedactAuditRecords: the records whose openings went, `[from, to)`. */
  readonly redaction?: { readonly from: number; readonly to: number };
  /** True where what the record committed to was redacted: its principal, source and the like are missing. */
  readonly redacted?: true;
  /** RFC 6962 leaf hash, base64. */
  readonly leafHash: string;
}

/** Fields whose opened value is JSON; the others are text as it is. */
const JSON_FIELDS: ReadonlySet<string> = new Set(['context', 'destinationContext']);
/** Fields of the leaf that name the log and its format, the same in every record. */
const LOG_FIELDS: ReadonlySet<string> = new Set(['v', 'logId']);
/** Fields of the leaf that are commitments; without its opening, one says nothing. */
const COMMITTED_FIELDS: ReadonlySet<string> = new Set([
  'principal',
  'source',
  'digest',
  'context',
  'destinationContext',
  'resource',
]);

export function openedRecord({ entry, leaf, openings }: StoredRecord): AuditRecord {
  const fields = JSON.parse(Buffer.from(entry).toString()) as Record<string, unknown>;
  const values = JSON.parse(openings) as Record<string, readonly [salt: string, value: string]>;
  const record: Record<string, unknown> = {};
  let redacted = false;
  for (const [name, value] of Object.entries(fields)) {
    if (LOG_FIELDS.has(name)) continue;
    const opening = values[name];
    if (!COMMITTED_FIELDS.has(name)) record[name] = value;
    else if (opening === undefined) redacted = true;
    else record[name] = JSON_FIELDS.has(name) ? JSON.parse(opening[1]) : opening[1];
  }
  const leafHash = Buffer.from(leaf).toString('base64');
  return { ...record, ...(redacted ? { redacted } : {}), leafHash } as unknown as AuditRecord;
}
