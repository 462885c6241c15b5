/**
 * listAuditRecords: the log, newest first. A tenant's auditor sees the tenant's records; with the system scope, all.
 *
 * @module
 */
import { openedRecord, type AuditRecord } from '../audit/opened.ts';
import { ClavigerError, errorOf } from '../errors.ts';
import { isUuid, parseKeyName } from '../model/ids.ts';
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
  /** True shows also what stands in the log before a change outside the store, under the request id of its outcome. */
  readonly intents?: boolean | undefined;
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
      intents: input.intents ?? false,
      before: after === null ? null : indexOf(after),
      // The store says by itself whether more follows.
      limit: limit - 1,
    });
    return {
      output: {
        records: records.map(openedRecord),
        nextCursor: nextBefore === null ? null : writeCursor('audit', String(nextBefore)),
      },
    };
  },
};

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
