/**
 * What the service asks of a store. Reads come from any thread; writes only through the writer of `audit/`.
 *
 * Every method refuses with STORE_UNAVAILABLE where the store does not answer. Lists are ordered by id or name and
 * take the last one seen as `after`.
 *
 * @module
 */
import type { Alias, ImportSlot, KeyWithVersions } from '../model/key.ts';
import type { Credential, Role, Tenant } from '../model/principal.ts';
import type { Change, IdempotentAnswer, Intent } from './change.ts';

export interface Page {
  readonly after: string | null;
  readonly limit: number;
}

/** Filters of the audit list; null takes all. */
export interface AuditQuery {
  /** null for the system scope: every tenant and the refusals that have none. */
  readonly tenantId: string | null;
  readonly outcome: string | null;
  readonly principal: string | null;
  readonly keyId: string | null;
  readonly operation: string | null;
  readonly requestId: string | null;
  readonly sinceMs: number | null;
  /** Whether intents are wanted as well; one has no outcome, so a filter by outcome leaves them out all the same. */
  readonly intents: boolean;
  /** Only records with a smaller index; null for the newest. */
  readonly before: number | null;
  readonly limit: number;
}

/** A record as it lies in the store: the leaf's bytes, and what opens its commitments. */
export interface StoredRecord {
  readonly index: number;
  readonly entry: Uint8Array;
  readonly leaf: Uint8Array;
  /** JSON: field → [salt, value], base64; a field that was redacted is missing. */
  readonly openings: string;
  /** JSON: the salted items of a batch; null where the record is no batch. */
  readonly items: string | null;
}

/** A record on its way into the store, with the columns that lists filter by. */
export interface RecordRow extends StoredRecord {
  readonly timeMs: number;
  readonly tenantId: string | null;
  readonly requestId: string;
  readonly keyId: string | null;
  readonly principal: string | null;
  readonly operation: string;
  readonly outcome: string;
}

export interface AuditPage {
  readonly records: readonly StoredRecord[];
  /** Where the next page begins; null at the end. A page may be short, even empty, and still have a next one. */
  readonly nextBefore: number | null;
}

/** Which records `watchedRecords` gives: those of the operations, those with the outcomes. */
export interface WatchFilter {
  readonly operations: readonly string[];
  readonly outcomes: readonly string[];
}

/** What alert rules look at of a record. */
export interface WatchedRecord {
  readonly index: number;
  readonly timeMs: number;
  readonly tenantId: string | null;
  readonly principal: string | null;
  readonly source: string | null;
  /** `''` where the record is of none. */
  readonly operation: string;
  readonly outcome: string;
  readonly resource: string | null;
  readonly keyId: string | null;
  readonly keyVersion: number | null;
  /** 1, or how many refusals stand in the record. */
  readonly count: number;
  readonly aggregated: boolean;
  /** Of a batch: outcome → items, without those that are `OK`. */
  readonly failedItems: Readonly<Record<string, number>>;
  /** The key as the store has it now; null where the record is of none, or the key is gone. */
  readonly key: { readonly pendingDeletion: boolean; readonly compromisedVersions: readonly number[] } | null;
  /** Of CreateToken: what the new token may do; null where it is not looked up. */
  readonly granted: { readonly roles: readonly Role[]; readonly systemScope: boolean } | null;
}

/** The first record, of those that were asked for, in which a principal came from an address. */
export interface Sighting {
  readonly index: number;
  readonly timeMs: number;
  readonly tenantId: string | null;
  readonly principal: string;
  readonly source: string;
  readonly operation: string;
}

/** What alerts remember over a restart: audit/alerts/state.ts has them in memory. */
export type AlertStateKind = 'alert' | 'count' | 'sources' | 'delivery';

export interface AlertStateRow {
  readonly kind: AlertStateKind;
  readonly name: string;
  /** JSON. */
  readonly value: string;
}

export interface StoreReader {
  setting(name: string): Promise<string | null>;
  tenant(id: string): Promise<Tenant | null>;
  tenantByName(name: string): Promise<Tenant | null>;
  tenantByAccount(accountId: string): Promise<Tenant | null>;
  tenants(page: Page): Promise<readonly Tenant[]>;
  sealedTenantKey(tenantId: string): Promise<Uint8Array | null>;
  key(id: string): Promise<KeyWithVersions | null>;
  /** Ids of a tenant's keys, the destroyed ones included, in order of creation. */
  keyIds(tenantId: string, page: Page): Promise<readonly string[]>;
  /** Ids of the keys whose public keys anyone may read. */
  publishedKeyIds(tenantId: string, limit: number): Promise<readonly string[]>;
  sealedMaterial(keyId: string, version: number): Promise<Uint8Array | null>;
  alias(tenantId: string, name: string): Promise<Alias | null>;
  aliases(tenantId: string, keyId: string | null, page: Page): Promise<readonly Alias[]>;
  credential(id: string): Promise<Credential | null>;
  credentialByAccessKey(accessKeyId: string): Promise<Credential | null>;
  credentials(tenantId: string, page: Page): Promise<readonly Credential[]>;
  importSlot(keyId: string): Promise<{ readonly slot: ImportSlot; readonly sealedKey: Uint8Array } | null>;
  /** The tenant that a native key belongs to; null where it is nobody's. */
  nativeKeyTenant(nativeId: string): Promise<string | null>;
  /** Changes outside the store that were begun and have no outcome yet. */
  intents(): Promise<readonly Intent[]>;
  /** Ids of the keys that have other homes than the built-in keystore, and are not destroyed. */
  keyIdsWithHomes(page: Page): Promise<readonly string[]>;
  idempotent(scope: string): Promise<IdempotentAnswer | null>;
  /** Ids of keys that something falls due for at `nowMs`, at most `limit`. */
  dueKeys(what: 'deletion' | 'rotation' | 'expiry', nowMs: number, limit: number): Promise<readonly string[]>;
  auditRecords(query: AuditQuery): Promise<AuditPage>;
  /** Records from an index on, oldest first. */
  recordsFrom(index: number, limit: number): Promise<readonly StoredRecord[]>;
  /** The last record of a request: of a change outside the store its outcome, once it is there. */
  recordOfRequest(requestId: string): Promise<StoredRecord | null>;
  /** Index of the first record that is not older; the number of records where all are. */
  firstIndexSince(sinceMs: number): Promise<number>;
  /** Up to `count` hashes of a level of the log's tree from the `from`-th on, joined; level 0 has the leaf hashes. */
  treeHashes(level: number, from: number, count: number): Promise<Uint8Array>;
  /** Checkpoints that cover more than `after` records, the smallest first. */
  checkpoints(after: number, limit: number): Promise<readonly StoredCheckpoint[]>;
  /** How far a reader of the log has come; null where it has not begun. */
  cursor(name: string): Promise<number | null>;
  /** Of the records `[from, to)`, those that the filter asks for and every use of a key that is not to be used. */
  watchedRecords(from: number, to: number, filter: WatchFilter): Promise<readonly WatchedRecord[]>;
  /** Who came from where in the records `[from, to)`. */
  sightings(from: number, to: number): Promise<readonly Sighting[]>;
  /** Everything that alerts remember, in the order in which it was first kept. */
  alertState(): Promise<readonly AlertStateRow[]>;
  close(): void;
}

/** A signed checkpoint of the log; audit/note.ts has its form. */
export interface StoredCheckpoint {
  /** Records that it covers. */
  readonly size: number;
  readonly note: string;
}

/** Where the log stands: what the next record has to follow. */
export interface LogTail {
  readonly logId: string;
  readonly nextIndex: number;
  readonly lastTimeMs: number;
  /** The newest checkpoint; null before the first. */
  readonly checkpoint: StoredCheckpoint | null;
}

/**
 * The one writer. A group is a transaction: `begin`, any number of `apply` and `append`, then `commit`, after which all
 * of it is durable, or `rollback`.
 */
export interface StoreWriter {
  tail(): LogTail;
  begin(): void;
  /** Applies all changes of one job, or none of them and throws. */
  apply(changes: readonly Change[]): void;
  append(record: RecordRow): void;
  /** Keeps the hash of a complete subtree of 256^level leaves. */
  appendTreeHash(level: number, index: number, hash: Uint8Array): void;
  appendCheckpoint(checkpoint: StoredCheckpoint): void;
  /** As `StoreReader.treeHashes`. */
  treeHashes(level: number, from: number, count: number): Uint8Array;
  /** Hashes that are kept of a level above 0. */
  treeHashCount(level: number): number;
  commit(): void;
  rollback(): void;
  close(): void;
}
