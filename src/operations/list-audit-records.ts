/**
 * listAuditRecords: the log, newest first. A tenant's auditor sees the tenant's records; with the system scope, all.
 *
 * @module
 */
import { ClavigerError, errorOf } from '../errors.ts';
import { isUuid, parseKeyName } from '../model/ids.ts';
import type { StoredRecord } from '../store/contract.ts';
import { pageOf, writeCursor, type PageInput } from './cursor.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';

export interface ListAuditRecordsInput extends PageInput {
  /** `OK` or an error code. */
  readonly outcome?: string | undefined;
  /** Id of a token, or the name of a job. */
  readonly principal?: string | undefined;
  /** Id, ARN or alias. */
  readonly key?: string | undefined;
  readonly operation?: string | undefined;
  readonly requestId?: string | undefined;
  /** ISO 8601; records from then on. */
  readonly since?: string | undefined;
}

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
  /** RFC 6962 leaf hash, base64. */
  readonly leafHash: string;
}

export interface ListAuditRecordsOutput {
  readonly records: readonly AuditRecord[];
  readonly nextCursor: string | null;
}

export const listAuditRecords: Operation<ListAuditRecordsInput, ListAuditRecordsOutput> = {
  name: 'ListAuditRecords',
  async run(scope, input) {
    scope.readTenant();
    const { principal, services } = scope;
    const { after, limit } = pageOf('audit', input);
    const { records, nextBefore } = await services.cache.store.auditRecords({
      tenantId: principal.systemScope ? null : principal.tenantId,
      outcome: input.outcome ?? null,
      principal: input.principal ?? null,
      keyId: input.key === undefined ? null : await keyIdOf(scope, input.key),
      operation: input.operation ?? null,
      requestId: input.requestId ?? null,
      sinceMs: sinceOf(input.since),
      before: after === null ? null : indexOf(after),
      // The store says by itself whether more follows.
      limit: limit - 1,
    });
    return {
      output: {
        records: records.map(opened),
        nextCursor: nextBefore === null ? null : writeCursor('audit', String(nextBefore)),
      },
    };
  },
};

/** Fields whose opened value is JSON; the others are text as it is. */
const JSON_FIELDS: ReadonlySet<string> = new Set(['context', 'destinationContext']);
/** Fields of the leaf that name the log and its format, the same in every record. */
const LOG_FIELDS: ReadonlySet<string> = new Set(['v', 'logId']);

function opened({ entry, leaf, openings }: StoredRecord): AuditRecord {
  const fields = JSON.parse(Buffer.from(entry).toString()) as Record<string, unknown>;
  const values = JSON.parse(openings) as Record<string, readonly [salt: string, value: string]>;
  const shown = Object.entries(fields)
    .filter(([name]) => !LOG_FIELDS.has(name))
    .map(([name, value]): [string, unknown] => {
      const opening = values[name];
      if (opening === undefined) return [name, value];
      return [name, JSON_FIELDS.has(name) ? JSON.parse(opening[1]) : opening[1]];
    });
  return { ...Object.fromEntries(shown), leafHash: Buffer.from(leaf).toString('base64') } as AuditRecord;
}

/** A key that was destroyed, or never was the caller's, still stands in the log by its id. */
async function keyIdOf(scope: Scope, name: string): Promise<string> {
  if (isUuid(name)) return name;
  const { kind, value } = parseKeyName(name);
  if (kind === 'id') return value;
  const alias = await scope.services.cache.alias(scope.principal.tenantId, value);
  if (alias === null) throw new ClavigerError('KEY_NOT_FOUND', `key \`${name}\` does not exist`);
  return alias.keyId;
}

/** @throws INVALID_ARGUMENT (reason InvalidMarker) where it is no index that a cursor of ours holds */
function indexOf(after: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(after)) return Number(after);
  throw errorOf('InvalidMarker', 'the cursor is not one that this list gave; begin again without it');
}

function sinceOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const at = Date.parse(text);
  if (Number.isNaN(at))
    throw new ClavigerError('INVALID_ARGUMENT', '`since` is not a time; write it as 2026-01-31T12:00:00Z');
  return at;
}
