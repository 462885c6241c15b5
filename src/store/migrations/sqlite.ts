/**
 * Schema of the SQLite store, as the list of migrations that lead to it. A migration that has been released is never
 * changed; the position in the list is the schema version (`PRAGMA user_version`).
 *
 * @module
 */

const V1 = `
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, account_id TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL, sealed_key BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
  id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants(id),
  spec TEXT NOT NULL, usage TEXT NOT NULL, state TEXT NOT NULL, origin TEXT NOT NULL,
  description TEXT NOT NULL, tags TEXT NOT NULL, created_at INTEGER NOT NULL,
  deletion_at INTEGER, primary_version INTEGER NOT NULL, material_present INTEGER NOT NULL,
  rotation_days INTEGER, rotation_next_at INTEGER, policy TEXT, published INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_tenant ON keys (tenant_id, id);
CREATE INDEX keys_published ON keys (tenant_id, id) WHERE published = 1;
CREATE INDEX keys_by_deletion ON keys (deletion_at) WHERE deletion_at IS NOT NULL;
CREATE INDEX keys_by_rotation ON keys (rotation_next_at) WHERE rotation_next_at IS NOT NULL;

CREATE TABLE versions (
  key_id TEXT NOT NULL REFERENCES keys(id), version INTEGER NOT NULL,
  state TEXT NOT NULL, cause TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER,
  backings TEXT NOT NULL, public_key BLOB,
  PRIMARY KEY (key_id, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX versions_by_expiry ON versions (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE materials (
  key_id TEXT NOT NULL REFERENCES keys(id), version INTEGER NOT NULL, sealed BLOB NOT NULL,
  PRIMARY KEY (key_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (
  tenant_id TEXT NOT NULL REFERENCES tenants(id), name TEXT NOT NULL, key_id TEXT NOT NULL REFERENCES keys(id),
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases_by_key ON aliases (key_id);

CREATE TABLE credentials (
  id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants(id), kind TEXT NOT NULL, name TEXT NOT NULL,
  roles TEXT NOT NULL, system_scope INTEGER NOT NULL, access_key_id TEXT UNIQUE, verifier BLOB NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_by_tenant ON credentials (tenant_id, id);

CREATE TABLE import_slots (
  key_id TEXT PRIMARY KEY REFERENCES keys(id), id TEXT NOT NULL, tenant_id TEXT NOT NULL, algorithm TEXT NOT NULL,
  wrapping_public_key BLOB NOT NULL, expires_at INTEGER NOT NULL, sealed_key BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
  scope TEXT PRIMARY KEY, request_hash BLOB NOT NULL, answer TEXT, created_id TEXT, created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE records (
  idx INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, tenant_id TEXT, request_id TEXT NOT NULL,
  key_id TEXT, principal TEXT, operation TEXT NOT NULL, outcome TEXT NOT NULL,
  entry BLOB NOT NULL, leaf BLOB NOT NULL, openings TEXT NOT NULL, items TEXT
) STRICT;
CREATE INDEX records_by_request ON records (request_id);
CREATE INDEX records_refused ON records (outcome, idx) WHERE outcome <> 'OK';
`;

/** Hashes of the log's tree above its leaves, its checkpoints, and how far each reader of the log has come. */
const V2 = `
CREATE TABLE tree_hashes (
  level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;

CREATE TABLE cursors (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/** What alerts remember, and the few compromised versions among all. */
const V3 = `
CREATE TABLE alert_state (kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, name)) STRICT;

CREATE INDEX versions_compromised ON versions (key_id, version) WHERE state = 'Compromised';
`;

/** Keys with several homes, the native keys that belong to a tenant, and changes outside the store that are under way. */
const V4 = `
ALTER TABLE keys ADD COLUMN homes TEXT;
CREATE INDEX keys_with_homes ON keys (id) WHERE homes IS NOT NULL;

ALTER TABLE versions ADD COLUMN refusal TEXT;

CREATE TABLE native_keys (
  native_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants(id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER native_keys_of_one_tenant BEFORE INSERT ON native_keys
WHEN EXISTS (SELECT 1 FROM native_keys WHERE native_id = NEW.native_id AND tenant_id <> NEW.tenant_id)
BEGIN
  SELECT RAISE(ABORT, 'the native key belongs to another tenant');
END;

CREATE TABLE intents (
  request_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, principal TEXT NOT NULL, operation TEXT NOT NULL,
  key_id TEXT, provider TEXT, backing TEXT, started_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

export const SQLITE_MIGRATIONS: readonly string[] = [V1, V2, V3, V4];
