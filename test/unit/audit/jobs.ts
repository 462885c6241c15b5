/**
 * Jobs and drafts for the tests of the log.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogWriter } from '../../../src/audit/group.ts';
import type { RecordedJob } from '../../../src/audit/protocol.ts';
import type { RecordDraft } from '../../../src/audit/record.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import type { Alias, Key } from '../../../src/model/key.ts';
import type { Change } from '../../../src/store/change.ts';
import { databasePath } from '../../../src/store/sqlite/open.ts';
import { SqliteReader } from '../../../src/store/sqlite/reader.ts';
import { SqliteWriter } from '../../../src/store/sqlite/writer.ts';

export const TENANT = '019a0000-0000-7000-8000-000000000001';
export const KEY = '019a0000-0000-7000-8000-0000000000aa';

export function draft(more: Partial<RecordDraft> = {}): RecordDraft {
  return {
    phase: 'single',
    tenantId: TENANT,
    principal: 'somebody',
    source: '127.0.0.1',
    operation: 'Encrypt',
    keyId: KEY,
    keyVersion: 1,
    provider: 'software',
    backing: null,
    failovers: [],
    missingHomes: [],
    algorithm: 'SYMMETRIC_DEFAULT',
    digest: null,
    context: null,
    destinationContext: null,
    resource: null,
    policies: ['crypto-user/use'],
    requestId: 'r1',
    atMs: Date.parse('2026-01-31T12:00:00.250Z'),
    startedMs: 0,
    items: null,
    aggregate: null,
    redaction: null,
    ...more,
  };
}

export function job(id: number, more: Partial<RecordedJob> = {}): RecordedJob {
  return { id, decidedAt: 0, read: [], draft: draft(), outcome: 'OK', signs: [], ...more };
}

export function key(id = KEY, more: Partial<Key> = {}): Key {
  return {
    id,
    tenantId: TENANT,
    spec: 'AES-256-GCM',
    usage: 'encrypt-decrypt',
    state: 'Active',
    origin: 'claviger',
    description: '',
    tags: {},
    createdAt: 1,
    deletionAt: null,
    primaryVersion: 1,
    materialPresent: true,
    rotation: null,
    policy: null,
    published: false,
    homes: null,
    ...more,
  };
}

export function alias(name: string, keyId = KEY): Alias {
  return { tenantId: TENANT, name, keyId, createdAt: 1, updatedAt: 1 };
}

export const TENANT_PUT: Change = {
  put: 'tenant',
  tenant: { id: TENANT, name: 'default', accountId: '123456789012', createdAt: 1 },
  sealedKey: Buffer.alloc(72),
};

export interface TestLog {
  readonly path: string;
  readonly log: LogWriter;
  /** A second connection to the same database, as recovery opens one. */
  reopened(): SqliteWriter;
  readonly reader: SqliteReader;
  remove(): void;
}

/** A log on a store of its own, with a tenant and no keys. */
export function openTestLog(): TestLog {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-log-'));
  const path = databasePath(folder);
  const store = new SqliteWriter(path);
  store.settle({ 'log-id': '8c3f1e0a-5b7d-4a2f-9d6c-1f2e3d4c5b6a' });
  store.begin();
  store.apply([TENANT_PUT]);
  store.commit();
  const opened: SqliteWriter[] = [];
  const log = new LogWriter(store, systemRandom);
  const reader = new SqliteReader(path);
  return {
    path,
    log,
    reader,
    reopened: () => {
      const again = new SqliteWriter(path);
      opened.push(again);
      return again;
    },
    remove: () => {
      reader.close();
      for (const open of [store, ...opened]) open.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
