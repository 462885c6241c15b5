/**
 * The one writer of the SQLite store. Lives in the writer thread; every call is synchronous.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Change } from '../change.ts';
import type { LogTail, RecordRow, StoredCheckpoint, StoreWriter } from '../contract.ts';
import { BUSY_TIMEOUT_MS, openForWriting } from './open.ts';
import {
  credentialValues,
  intentValues,
  joinedHashes,
  keyValues,
  treeHashesSql,
  versionValues,
  type Values,
} from './rows.ts';

/** How long the answer to an `Idempotency-Key` is kept. */
const IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000;
/** Longer than any read of our own; while somebody reads the file from outside, each answer waits this much longer. */
const SHRED_WAIT_MS = 10;

const SQL = {
  tenant: 'INSERT INTO tenants (id, name, account_id, created_at, sealed_key) VALUES (?, ?, ?, ?, ?)',
  key: `INSERT INTO keys (id, tenant_id, spec, usage, state, origin, description, tags, created_at, deletion_at,
          primary_version, material_present, rotation_days, rotation_next_at, policy, published, homes)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET state = excluded.state, description = excluded.description,
          tags = excluded.tags, deletion_at = excluded.deletion_at, primary_version = excluded.primary_version,
          material_present = excluded.material_present, rotation_days = excluded.rotation_days,
          rotation_next_at = excluded.rotation_next_at, policy = excluded.policy, published = excluded.published,
          homes = excluded.homes`,
  version: `INSERT INTO versions (key_id, version, state, cause, created_at, expires_at, backings, public_key, refusal)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (key_id, version) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at,
          backings = excluded.backings, refusal = excluded.refusal`,
  material: `INSERT INTO materials (key_id, version, sealed) VALUES (?, ?, ?)
        ON CONFLICT (key_id, version) DO UPDATE SET sealed = excluded.sealed`,
  dropMaterial: 'DELETE FROM materials WHERE key_id = ? AND version = ?',
  alias: `INSERT INTO aliases (tenant_id, name, key_id, created_at, updated_at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (tenant_id, name) DO UPDATE SET key_id = excluded.key_id, updated_at = excluded.updated_at`,
  dropAlias: 'DELETE FROM aliases WHERE tenant_id = ? AND name = ?',
  credential: `INSERT INTO credentials (id, tenant_id, kind, name, roles, system_scope, access_key_id, verifier,
          created_at, expires_at, revoked_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET revoked_at = excluded.revoked_at, expires_at = excluded.expires_at`,
  nativeKey: 'INSERT INTO native_keys (native_id, tenant_id) VALUES (?, ?) ON CONFLICT DO NOTHING',
  intent: `INSERT INTO intents (request_id, tenant_id, principal, operation, key_id, provider, backing, started_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  dropIntent: 'DELETE FROM intents WHERE request_id = ?',
  importSlot: `INSERT OR REPLACE INTO import_slots
          (key_id, id, tenant_id, algorithm, wrapping_public_key, expires_at, sealed_key) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  dropImportSlot: 'DELETE FROM import_slots WHERE key_id = ?',
  idempotency: `INSERT INTO idempotency (scope, request_hash, answer, created_id, created_at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (scope) DO UPDATE SET request_hash = excluded.request_hash, answer = excluded.answer,
          created_id = excluded.created_id, created_at = excluded.created_at`,
  forgetIdempotency: 'DELETE FROM idempotency WHERE created_at < ?',
  record: `INSERT INTO records (idx, time_ms, tenant_id, request_id, key_id, principal, operation, outcome, entry, leaf,
          openings, items) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  dropOpenings: `UPDATE records SET openings = '{}', items = NULL, principal = NULL WHERE idx >= ? AND idx < ?`,
  treeHash: 'INSERT INTO tree_hashes (level, idx, hash) VALUES (?, ?, ?)',
  checkpoint: 'INSERT INTO checkpoints (size, note) VALUES (?, ?)',
  cosigned: 'UPDATE checkpoints SET note = ?2 WHERE size = ?1',
  setting: `INSERT INTO settings (name, value) VALUES (?, ?)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
  alertState: `INSERT INTO alert_state (kind, name, value) VALUES (?, ?, ?)
        ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value`,
  dropAlertState: 'DELETE FROM alert_state WHERE kind = ? AND name = ?',
  cursor: `INSERT INTO cursors (name, position) VALUES (?, ?)
        ON CONFLICT (name) DO UPDATE SET position = excluded.position`,
} as const;

export class SqliteWriter implements StoreWriter {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<keyof typeof SQL, StatementSync>();
  /** Dropped material must not outlive its deletion in the WAL; at first, because a crash may have left some there. */
  #shred = true;

  constructor(path: string) {
    this.#db = openForWriting(path);
  }

  /** Sets the values that were not set before, all of them or none. */
  settle(settings: Readonly<Record<string, string>>): void {
    const insert = this.#db.prepare('INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING');
    this.begin();
    for (const [name, value] of Object.entries(settings)) insert.run(name, value);
    this.#db.exec('COMMIT');
  }

  tail(): LogTail {
    const logId = this.#db.prepare("SELECT value FROM settings WHERE name = 'log-id'").get() as { value: string };
    const last = this.#db.prepare('SELECT idx, time_ms FROM records ORDER BY idx DESC LIMIT 1').get() as
      { idx: number; time_ms: number } | undefined;
    const checkpoint = this.#db.prepare('SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1').get() as
      StoredCheckpoint | undefined;
    return {
      logId: logId.value,
      nextIndex: (last?.idx ?? -1) + 1,
      lastTimeMs: last?.time_ms ?? 0,
      checkpoint: checkpoint ?? null,
    };
  }

  begin(): void {
    this.#db.exec('BEGIN IMMEDIATE');
  }

  apply(changes: readonly Change[]): void {
    this.#db.exec('SAVEPOINT job');
    try {
      for (const change of changes) this.#applyOne(change);
      this.#db.exec('RELEASE job');
    } catch (error) {
      // A full disk takes the whole transaction with it, and the savepoint too.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK TO job; RELEASE job');
      throw error;
    }
  }

  append(record: RecordRow): void {
    this.#run('record', [
      record.index,
      record.timeMs,
      record.tenantId,
      record.requestId,
      record.keyId,
      record.principal,
      record.operation,
      record.outcome,
      record.entry,
      record.leaf,
      record.openings,
      record.items,
    ]);
  }

  appendTreeHash(level: number, index: number, hash: Uint8Array): void {
    this.#run('treeHash', [level, index, hash]);
  }

  appendCheckpoint({ size, note }: StoredCheckpoint): void {
    this.#run('checkpoint', [size, note]);
  }

  treeHashes(level: number, from: number, count: number): Uint8Array {
    const { sql, values } = treeHashesSql(level, from, count);
    return joinedHashes(this.#db.prepare(sql).all(...values));
  }

  treeHashCount(level: number): number {
    const sql = 'SELECT count(*) AS count FROM tree_hashes WHERE level = ?';
    return (this.#db.prepare(sql).get(level) as { count: number }).count;
  }

  commit(): void {
    this.#db.exec('COMMIT');
    if (this.#shred) this.#shred = !this.#walEmptied();
  }

  rollback(): void {
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  close(): void {
    this.#db.close();
  }

  /** A reader in the way, or a full disk, delays it to the next commit: the one before this has succeeded. */
  #walEmptied(): boolean {
    try {
      this.#db.exec(`PRAGMA busy_timeout = ${SHRED_WAIT_MS}`);
      const { busy } = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
      return busy === 0;
    } catch {
      return false;
    } finally {
      this.#db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    }
  }

  #applyOne(change: Change): void {
    if ('put' in change) {
      switch (change.put) {
        case 'tenant': {
          const { id, name, accountId, createdAt } = change.tenant;
          return this.#run('tenant', [id, name, accountId, createdAt, change.sealedKey]);
        }
        case 'key':
          return this.#run('key', keyValues(change.key));
        case 'version':
          return this.#run('version', versionValues(change.version));
        case 'material':
          return this.#run('material', [change.keyId, change.version, change.sealed]);
        case 'alias': {
          const { tenantId, name, keyId, createdAt, updatedAt } = change.alias;
          return this.#run('alias', [tenantId, name, keyId, createdAt, updatedAt]);
        }
        case 'credential':
          return this.#run('credential', credentialValues(change.credential));
        case 'nativeKey':
          return this.#run('nativeKey', [change.nativeId, change.tenantId]);
        case 'intent':
          return this.#run('intent', intentValues(change.intent));
        case 'importSlot': {
          const { slot, sealedKey } = change;
          const { keyId, id, tenantId, algorithm, wrappingPublicKey, expiresAt } = slot;
          return this.#run('importSlot', [keyId, id, tenantId, algorithm, wrappingPublicKey, expiresAt, sealedKey]);
        }
        case 'idempotency': {
          const { scope, requestHash, answer, createdId, createdAt } = change.kept;
          this.#run('forgetIdempotency', [createdAt - IDEMPOTENCY_KEPT_MS]);
          return this.#run('idempotency', [scope, requestHash, answer, createdId, createdAt]);
        }
        case 'setting':
          return this.#run('setting', [change.name, change.value]);
        case 'cursor':
          return this.#run('cursor', [change.name, change.position]);
        case 'cosigned':
          return this.#run('cosigned', [change.size, change.note]);
        case 'alertState':
          return this.#run('alertState', [change.kind, change.name, change.value]);
      }
    }
    switch (change.drop) {
      case 'material':
        this.#shred = true;
        return this.#run('dropMaterial', [change.keyId, change.version]);
      case 'alias':
        return this.#run('dropAlias', [change.tenantId, change.name]);
      case 'importSlot':
        this.#shred = true;
        return this.#run('dropImportSlot', [change.keyId]);
      case 'intent':
        return this.#run('dropIntent', [change.requestId]);
      case 'openings':
        this.#shred = true;
        return this.#run('dropOpenings', [change.from, change.to]);
      case 'alertState':
        return this.#run('dropAlertState', [change.kind, change.name]);
    }
  }

  #run(name: keyof typeof SQL, values: Values): void {
    let statement = this.#statements.get(name);
    if (statement === undefined) {
      statement = this.#db.prepare(SQL[name]);
      this.#statements.set(name, statement);
    }
    statement.run(...values);
  }
}
