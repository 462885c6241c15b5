/**
 * Reads of the SQLite store, over a connection of its own: WAL readers never wait for the writer.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { ClavigerError } from '../../errors.ts';
import type { Alias, ImportSlot, KeyWithVersions } from '../../model/key.ts';
import type { Credential, Tenant } from '../../model/principal.ts';
import type { IdempotentAnswer, Intent } from '../change.ts';
import type {
  AlertStateKind,
  AlertStateRow,
  AuditPage,
  AuditQuery,
  Page,
  Sighting,
  StoredCheckpoint,
  StoredRecord,
  StoreReader,
  WatchedRecord,
  WatchFilter,
} from '../contract.ts';
import { openForReading } from './open.ts';
import {
  aliasOf,
  credentialOf,
  importSlotOf,
  intentOf,
  joinedHashes,
  keyOf,
  tenantOf,
  treeHashesSql,
  versionOf,
  watchedRecordOf,
  type Row,
} from './rows.ts';

/** Records that one step of a filtered audit list looks at; between steps other requests run. */
const SCAN_STEP_RECORDS = 5000;
/** Steps after which a page is answered short, with a cursor to go on. */
const SCAN_STEPS_MAX = 40;

const RECORD_COLUMNS = 'idx, entry, leaf, openings, items';

/**
 * In the canonical form of an entry this is the field and nothing else: within a text, quotes are escaped. It is found
 * without parsing, so that an entry that somebody has broken does not break the list of the others.
 */
const NO_INTENT = `instr(entry, '"phase":"intent"') = 0`;

/**
 * Alerts look at every record, most of which are of no interest to them: SQLite leaves those out at a third of a
 * microsecond each, where reading and parsing one here takes five.
 */
const WATCHED_SQL = `
  SELECT r.idx, r.time_ms, r.tenant_id, r.principal, r.operation, r.outcome, r.key_id, r.entry, r.openings, r.items,
         k.id IS NOT NULL AS key_found, k.deletion_at,
         (SELECT group_concat(v.version) FROM versions v WHERE v.key_id = r.key_id AND v.state = 'Compromised') AS compromised
    FROM records r LEFT JOIN keys k ON k.id = r.key_id
   WHERE r.idx >= ? AND r.idx < ? AND (
         r.outcome IN (SELECT value FROM json_each(?))
      OR r.operation IN (SELECT value FROM json_each(?))
      OR k.deletion_at IS NOT NULL
      OR EXISTS (SELECT 1 FROM versions v WHERE v.key_id = r.key_id AND v.state = 'Compromised')
      OR (r.items IS NOT NULL AND json_extract(CAST(r.entry AS TEXT), '$.items.failed') > 0))
   ORDER BY r.idx`;

/** The bare columns are those of the record with the smallest index. */
const SIGHTINGS_SQL = `
  SELECT min(idx) AS idx, time_ms, tenant_id, principal, operation, openings ->> '$.source[1]' AS source
    FROM records WHERE idx >= ? AND idx < ? AND principal IS NOT NULL
   GROUP BY principal, source HAVING source IS NOT NULL ORDER BY 1`;

const DUE_SQL = {
  deletion: 'SELECT id FROM keys WHERE deletion_at <= ? ORDER BY deletion_at LIMIT ?',
  rotation: "SELECT id FROM keys WHERE rotation_next_at <= ? AND state = 'Active' AND deletion_at IS NULL LIMIT ?",
  expiry: `SELECT DISTINCT v.key_id AS id FROM versions v JOIN materials m USING (key_id, version)
             WHERE v.expires_at <= ? LIMIT ?`,
} as const;

export class SqliteReader implements StoreReader {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#db = openForReading(path);
  }

  async setting(name: string): Promise<string | null> {
    return (this.#get('SELECT value FROM settings WHERE name = ?', name)?.['value'] as string | undefined) ?? null;
  }

  async tenant(id: string): Promise<Tenant | null> {
    return this.#one(tenantOf, 'SELECT * FROM tenants WHERE id = ?', id);
  }

  async tenantByName(name: string): Promise<Tenant | null> {
    return this.#one(tenantOf, 'SELECT * FROM tenants WHERE name = ?', name);
  }

  async tenantByAccount(accountId: string): Promise<Tenant | null> {
    return this.#one(tenantOf, 'SELECT * FROM tenants WHERE account_id = ?', accountId);
  }

  async tenants({ after, limit }: Page): Promise<readonly Tenant[]> {
    return this.#many(tenantOf, 'SELECT * FROM tenants WHERE id > ? ORDER BY id LIMIT ?', after ?? '', limit);
  }

  async sealedTenantKey(tenantId: string): Promise<Uint8Array | null> {
    const row = this.#get('SELECT sealed_key FROM tenants WHERE id = ?', tenantId);
    return (row?.['sealed_key'] as Uint8Array | undefined) ?? null;
  }

  async key(id: string): Promise<KeyWithVersions | null> {
    // One statement, so that key and versions come from one snapshot.
    const rows = this.#all(
      `SELECT k.*, v.version, v.state AS version_state, v.cause, v.created_at AS version_created_at, v.expires_at,
              v.backings, v.public_key, v.refusal
         FROM keys k LEFT JOIN versions v ON v.key_id = k.id WHERE k.id = ? ORDER BY v.version`,
      id,
    );
    if (rows[0] === undefined) return null;
    const versions = rows.filter((row) => row['version'] !== null);
    return {
      key: keyOf(rows[0]),
      versions: versions.map((row) =>
        versionOf({ ...row, key_id: row['id']!, state: row['version_state']!, created_at: row['version_created_at']! }),
      ),
    };
  }

  async keyIds(tenantId: string, { after, limit }: Page): Promise<readonly string[]> {
    const sql = 'SELECT id FROM keys WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?';
    return this.#many((row) => row['id'] as string, sql, tenantId, after ?? '', limit);
  }

  async publishedKeyIds(tenantId: string, limit: number): Promise<readonly string[]> {
    const sql = 'SELECT id FROM keys WHERE tenant_id = ? AND published = 1 ORDER BY id LIMIT ?';
    return this.#many((row) => row['id'] as string, sql, tenantId, limit);
  }

  async keyIdsWithHomes({ after, limit }: Page): Promise<readonly string[]> {
    const sql = `SELECT id FROM keys WHERE homes IS NOT NULL AND id > ?
      AND state NOT IN ('Destroyed', 'DestroyedCompromised') ORDER BY id LIMIT ?`;
    return this.#many((row) => row['id'] as string, sql, after ?? '', limit);
  }

  async nativeKeyTenant(nativeId: string): Promise<string | null> {
    const row = this.#get('SELECT tenant_id FROM native_keys WHERE native_id = ?', nativeId);
    return (row?.['tenant_id'] as string | undefined) ?? null;
  }

  async intents(): Promise<readonly Intent[]> {
    return this.#many(intentOf, 'SELECT * FROM intents ORDER BY started_at, request_id');
  }

  async sealedMaterial(keyId: string, version: number): Promise<Uint8Array | null> {
    const row = this.#get('SELECT sealed FROM materials WHERE key_id = ? AND version = ?', keyId, version);
    return (row?.['sealed'] as Uint8Array | undefined) ?? null;
  }

  async alias(tenantId: string, name: string): Promise<Alias | null> {
    return this.#one(aliasOf, 'SELECT * FROM aliases WHERE tenant_id = ? AND name = ?', tenantId, name);
  }

  async aliases(tenantId: string, keyId: string | null, { after, limit }: Page): Promise<readonly Alias[]> {
    return this.#many(
      aliasOf,
      'SELECT * FROM aliases WHERE tenant_id = ? AND (?2 IS NULL OR key_id = ?2) AND name > ? ORDER BY name LIMIT ?',
      tenantId,
      keyId,
      after ?? '',
      limit,
    );
  }

  async credential(id: string): Promise<Credential | null> {
    return this.#one(credentialOf, 'SELECT * FROM credentials WHERE id = ?', id);
  }

  async credentialByAccessKey(accessKeyId: string): Promise<Credential | null> {
    return this.#one(credentialOf, 'SELECT * FROM credentials WHERE access_key_id = ?', accessKeyId);
  }

  async credentials(tenantId: string, { after, limit }: Page): Promise<readonly Credential[]> {
    const sql = 'SELECT * FROM credentials WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?';
    return this.#many(credentialOf, sql, tenantId, after ?? '', limit);
  }

  async importSlot(keyId: string): Promise<{ readonly slot: ImportSlot; readonly sealedKey: Uint8Array } | null> {
    const row = this.#get('SELECT * FROM import_slots WHERE key_id = ?', keyId);
    return row === undefined ? null : { slot: importSlotOf(row), sealedKey: row['sealed_key'] as Uint8Array };
  }

  async idempotent(scope: string): Promise<IdempotentAnswer | null> {
    const row = this.#get('SELECT * FROM idempotency WHERE scope = ?', scope);
    if (row === undefined) return null;
    return {
      scope,
      requestHash: row['request_hash'] as Uint8Array,
      answer: row['answer'] as string | null,
      createdId: row['created_id'] as string | null,
      createdAt: row['created_at'] as number,
    };
  }

  async dueKeys(what: keyof typeof DUE_SQL, nowMs: number, limit: number): Promise<readonly string[]> {
    return this.#many((row) => row['id'] as string, DUE_SQL[what], nowMs, limit);
  }

  /** Walks back from the newest record, a bounded step at a time, so that a rare filter never holds the event loop. */
  async auditRecords(query: AuditQuery): Promise<AuditPage> {
    const floor = query.sinceMs === null ? 0 : this.#firstIndexSince(query.sinceMs);
    let before = query.before ?? this.#nextIndex();
    const records: StoredRecord[] = [];
    for (let step = 0; step < SCAN_STEPS_MAX && before > floor; step++) {
      const from = Math.max(floor, before - SCAN_STEP_RECORDS);
      const found = this.#auditStep(query, from, before, query.limit - records.length);
      records.push(...found);
      if (records.length === query.limit) return { records, nextBefore: nextBefore(records.at(-1)!.index, floor) };
      before = from;
      await setImmediate();
    }
    return { records, nextBefore: nextBefore(before, floor) };
  }

  async recordsFrom(index: number, limit: number): Promise<readonly StoredRecord[]> {
    const sql = `SELECT ${RECORD_COLUMNS} FROM records WHERE idx >= ? ORDER BY idx LIMIT ?`;
    return this.#many(storedRecordOf, sql, index, limit);
  }

  async recordOfRequest(requestId: string): Promise<StoredRecord | null> {
    const sql = `SELECT ${RECORD_COLUMNS} FROM records WHERE request_id = ? ORDER BY idx DESC LIMIT 1`;
    return this.#one(storedRecordOf, sql, requestId);
  }

  async firstIndexSince(sinceMs: number): Promise<number> {
    return this.#firstIndexSince(sinceMs);
  }

  async treeHashes(level: number, from: number, count: number): Promise<Uint8Array> {
    const { sql, values } = treeHashesSql(level, from, count);
    return joinedHashes(this.#all(sql, ...values));
  }

  async checkpoints(after: number, limit: number): Promise<readonly StoredCheckpoint[]> {
    const sql = 'SELECT size, note FROM checkpoints WHERE size > ? ORDER BY size LIMIT ?';
    return this.#many((row) => ({ size: row['size'] as number, note: row['note'] as string }), sql, after, limit);
  }

  async cursor(name: string): Promise<number | null> {
    const row = this.#get('SELECT position FROM cursors WHERE name = ?', name);
    return (row?.['position'] as number | undefined) ?? null;
  }

  async watchedRecords(from: number, to: number, filter: WatchFilter): Promise<readonly WatchedRecord[]> {
    const { outcomes, operations } = filter;
    return this.#many(watchedRecordOf, WATCHED_SQL, from, to, JSON.stringify(outcomes), JSON.stringify(operations));
  }

  async sightings(from: number, to: number): Promise<readonly Sighting[]> {
    return this.#many(sightingOf, SIGHTINGS_SQL, from, to);
  }

  async alertState(): Promise<readonly AlertStateRow[]> {
    return this.#many(alertStateOf, 'SELECT kind, name, value FROM alert_state ORDER BY rowid');
  }

  close(): void {
    this.#db.close();
  }

  #auditStep(query: AuditQuery, from: number, before: number, limit: number): StoredRecord[] {
    const filters: [string, SQLInputValue][] = [
      ['idx >= ?', from],
      ['idx < ?', before],
    ];
    if (query.tenantId !== null) filters.push(['tenant_id = ?', query.tenantId]);
    if (query.outcome !== null) filters.push(['outcome = ?', query.outcome]);
    if (query.principal !== null) filters.push(['principal = ?', query.principal]);
    if (query.keyId !== null) filters.push(['key_id = ?', query.keyId]);
    if (query.operation !== null) filters.push(['operation = ?', query.operation]);
    if (query.requestId !== null) filters.push(['request_id = ?', query.requestId]);
    const terms = filters.map(([sql]) => sql);
    // The column has `OK` for an intent, whose outcome is none yet.
    if (!query.intents || query.outcome !== null) terms.push(NO_INTENT);
    const where = terms.join(' AND ');
    const sql = `SELECT ${RECORD_COLUMNS} FROM records WHERE ${where} ORDER BY idx DESC LIMIT ?`;
    return this.#many(storedRecordOf, sql, ...filters.map(([, value]) => value), limit);
  }

  #nextIndex(): number {
    return ((this.#get('SELECT max(idx) AS last FROM records')?.['last'] as number | null) ?? -1) + 1;
  }

  /** Binary search over the index: times never decrease along it. */
  #firstIndexSince(sinceMs: number): number {
    let low = 0;
    let high = this.#nextIndex();
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = this.#get('SELECT time_ms FROM records WHERE idx = ?', middle);
      if (row !== undefined && (row['time_ms'] as number) < sinceMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #one<T>(map: (row: Row) => T, sql: string, ...values: SQLInputValue[]): T | null {
    const row = this.#get(sql, ...values);
    return row === undefined ? null : map(row);
  }

  #many<T>(map: (row: Row) => T, sql: string, ...values: SQLInputValue[]): T[] {
    return this.#all(sql, ...values).map(map);
  }

  #get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#ask(sql, (statement) => statement.get(...values));
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#ask(sql, (statement) => statement.all(...values));
  }

  #ask<T>(sql: string, run: (statement: StatementSync) => T): T {
    try {
      let statement = this.#statements.get(sql);
      if (statement === undefined) {
        statement = this.#db.prepare(sql);
        this.#statements.set(sql, statement);
      }
      return run(statement);
    } catch (cause) {
      throw new ClavigerError('STORE_UNAVAILABLE', 'the store did not answer; try again', { cause });
    }
  }
}

function storedRecordOf(row: Row): StoredRecord {
  return {
    index: row['idx'] as number,
    entry: row['entry'] as Uint8Array,
    leaf: row['leaf'] as Uint8Array,
    openings: row['openings'] as string,
    items: row['items'] as string | null,
  };
}

function sightingOf(row: Row): Sighting {
  return {
    index: row['idx'] as number,
    timeMs: row['time_ms'] as number,
    tenantId: row['tenant_id'] as string | null,
    principal: row['principal'] as string,
    source: row['source'] as string,
    operation: row['operation'] as string,
  };
}

function alertStateOf(row: Row): AlertStateRow {
  return { kind: row['kind'] as AlertStateKind, name: row['name'] as string, value: row['value'] as string };
}

function nextBefore(before: number, floor: number): number | null {
  return before > floor ? before : null;
}
