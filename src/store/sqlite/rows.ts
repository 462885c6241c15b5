/**
 * Rows of the SQLite store ↔ nouns of the model.
 *
 * @module
 */
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { Alias, Backing, ImportSlot, Key, KeyVersion } from '../../model/key.ts';
import type { Credential, Role, Tenant } from '../../model/principal.ts';
import type { Intent } from '../change.ts';
import type { WatchedRecord } from '../contract.ts';

export type Row = Record<string, SQLOutputValue>;
export type Values = readonly SQLInputValue[];

export function tenantOf(row: Row): Tenant {
  return {
    id: row['id'] as string,
    name: row['name'] as string,
    accountId: row['account_id'] as string,
    createdAt: row['created_at'] as number,
  };
}

export function keyOf(row: Row): Key {
  const days = row['rotation_days'] as number | null;
  return {
    id: row['id'] as string,
    tenantId: row['tenant_id'] as string,
    spec: row['spec'] as Key['spec'],
    usage: row['usage'] as Key['usage'],
    state: row['state'] as Key['state'],
    origin: row['origin'] as Key['origin'],
    description: row['description'] as string,
    tags: JSON.parse(row['tags'] as string) as Key['tags'],
    createdAt: row['created_at'] as number,
    deletionAt: row['deletion_at'] as number | null,
    primaryVersion: row['primary_version'] as number,
    materialPresent: row['material_present'] === 1,
    rotation: days === null ? null : { periodDays: days, nextAt: row['rotation_next_at'] as number },
    policy: row['policy'] as string | null,
    published: row['published'] === 1,
    homes: row['homes'] === null ? null : (JSON.parse(row['homes'] as string) as Key['homes']),
  };
}

export function keyValues(key: Key): Values {
  return [
    key.id,
    key.tenantId,
    key.spec,
    key.usage,
    key.state,
    key.origin,
    key.description,
    JSON.stringify(key.tags),
    key.createdAt,
    key.deletionAt,
    key.primaryVersion,
    key.materialPresent ? 1 : 0,
    key.rotation?.periodDays ?? null,
    key.rotation?.nextAt ?? null,
    key.policy,
    key.published ? 1 : 0,
    key.homes === null ? null : JSON.stringify(key.homes),
  ];
}

/** The query of `treeHashes`: leaf hashes stand with their records, the hashes above them in a table of their own. */
export function treeHashesSql(level: number, from: number, count: number): { sql: string; values: number[] } {
  return level === 0
    ? { sql: 'SELECT leaf AS hash FROM records WHERE idx >= ? ORDER BY idx LIMIT ?', values: [from, count] }
    : {
        sql: 'SELECT hash FROM tree_hashes WHERE level = ? AND idx >= ? ORDER BY idx LIMIT ?',
        values: [level, from, count],
      };
}

export function joinedHashes(rows: readonly Row[]): Uint8Array {
  return Buffer.concat(rows.map((row) => row['hash'] as Uint8Array));
}

export function versionOf(row: Row): KeyVersion {
  return {
    keyId: row['key_id'] as string,
    version: row['version'] as number,
    state: row['state'] as KeyVersion['state'],
    cause: row['cause'] as KeyVersion['cause'],
    createdAt: row['created_at'] as number,
    expiresAt: row['expires_at'] as number | null,
    backings: backingsOf(row['backings'] as string),
    publicKey: row['public_key'] as Uint8Array | null,
    refusal: row['refusal'] === null ? null : (JSON.parse(row['refusal'] as string) as KeyVersion['refusal']),
  };
}

/** Backings of before there were several homes had no number. */
function backingsOf(json: string): readonly Backing[] {
  const backings = JSON.parse(json) as readonly Backing[];
  return backings.map((backing, at) => ({ ...backing, number: backing.number ?? at + 1 }));
}

export function versionValues(version: KeyVersion): Values {
  return [
    version.keyId,
    version.version,
    version.state,
    version.cause,
    version.createdAt,
    version.expiresAt,
    JSON.stringify(version.backings),
    version.publicKey,
    version.refusal === null ? null : JSON.stringify(version.refusal),
  ];
}

export function intentOf(row: Row): Intent {
  return {
    requestId: row['request_id'] as string,
    tenantId: row['tenant_id'] as string,
    principal: row['principal'] as string,
    operation: row['operation'] as Intent['operation'],
    keyId: row['key_id'] as string | null,
    provider: row['provider'] as string | null,
    backing: row['backing'] as string | null,
    startedAt: row['started_at'] as number,
  };
}

export function intentValues(intent: Intent): Values {
  const { requestId, tenantId, principal, operation, keyId, provider, backing, startedAt } = intent;
  return [requestId, tenantId, principal, operation, keyId, provider, backing, startedAt];
}

export function aliasOf(row: Row): Alias {
  return {
    tenantId: row['tenant_id'] as string,
    name: row['name'] as string,
    keyId: row['key_id'] as string,
    createdAt: row['created_at'] as number,
    updatedAt: row['updated_at'] as number,
  };
}

export function credentialOf(row: Row): Credential {
  return {
    id: row['id'] as string,
    tenantId: row['tenant_id'] as string,
    kind: row['kind'] as Credential['kind'],
    name: row['name'] as string,
    roles: JSON.parse(row['roles'] as string) as readonly Role[],
    systemScope: row['system_scope'] === 1,
    accessKeyId: row['access_key_id'] as string | null,
    verifier: row['verifier'] as Uint8Array,
    createdAt: row['created_at'] as number,
    expiresAt: row['expires_at'] as number | null,
    revokedAt: row['revoked_at'] as number | null,
  };
}

export function credentialValues(credential: Credential): Values {
  return [
    credential.id,
    credential.tenantId,
    credential.kind,
    credential.name,
    JSON.stringify(credential.roles),
    credential.systemScope ? 1 : 0,
    credential.accessKeyId,
    credential.verifier,
    credential.createdAt,
    credential.expiresAt,
    credential.revokedAt,
  ];
}

export function importSlotOf(row: Row): ImportSlot {
  return {
    id: row['id'] as string,
    tenantId: row['tenant_id'] as string,
    keyId: row['key_id'] as string,
    algorithm: row['algorithm'] as ImportSlot['algorithm'],
    wrappingPublicKey: row['wrapping_public_key'] as Uint8Array,
    expiresAt: row['expires_at'] as number,
  };
}

/** What alerts look at of a record; a field that was redacted is null. */
export function watchedRecordOf(row: Row): WatchedRecord {
  const entry = JSON.parse(Buffer.from(row['entry'] as Uint8Array).toString()) as {
    keyVersion?: number;
    aggregate?: { count: number };
  };
  const openings = JSON.parse(row['openings'] as string) as Record<string, readonly [salt: string, value: string]>;
  const compromised = row['compromised'] as string | null;
  return {
    index: row['idx'] as number,
    timeMs: row['time_ms'] as number,
    tenantId: row['tenant_id'] as string | null,
    principal: row['principal'] as string | null,
    source: openings['source']?.[1] ?? null,
    operation: row['operation'] as string,
    outcome: row['outcome'] as string,
    resource: openings['resource']?.[1] ?? null,
    keyId: row['key_id'] as string | null,
    keyVersion: entry.keyVersion ?? null,
    count: entry.aggregate?.count ?? 1,
    aggregated: entry.aggregate !== undefined,
    failedItems: failedItemsOf(row['items'] as string | null),
    key:
      row['key_found'] === 1
        ? {
            pendingDeletion: row['deletion_at'] !== null,
            compromisedVersions: compromised === null ? [] : compromised.split(',').map(Number),
          }
        : null,
    granted: null,
  };
}

function failedItemsOf(items: string | null): Readonly<Record<string, number>> {
  if (items === null) return {};
  const failed: Record<string, number> = {};
  for (const [, text] of JSON.parse(items) as readonly (readonly [salt: string, text: string])[]) {
    const { outcome } = JSON.parse(text) as { outcome: string };
    if (outcome !== 'OK') failed[outcome] = (failed[outcome] ?? 0) + 1;
  }
  return failed;
}
