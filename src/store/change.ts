/**
 * Changes of the store as data: what an operation decides, and the writer applies in one transaction with its record.
 *
 * A `put` carries the whole row. That is safe because a change is applied only if none of the entities that its
 * decision read has changed since (see audit/ledger.ts), so nobody's update can be overwritten.
 *
 * @module
 */
import type { Alias, ImportSlot, Key, KeyVersion } from '../model/key.ts';
import type { OperationName } from '../model/operation.ts';
import type { Credential, Tenant } from '../model/principal.ts';
import type { AlertStateKind } from './contract.ts';

/** An answer that is kept for a repeated `Idempotency-Key`. */
export interface IdempotentAnswer {
  /** Tenant, principal, route and key, as one text. */
  readonly scope: string;
  readonly requestHash: Uint8Array;
  /** The answer's JSON; null where it held a secret, which is never stored. */
  readonly answer: string | null;
  /** The id that a repeat is told of where the answer is not stored. */
  readonly createdId: string | null;
  readonly createdAt: number;
}

/** A change outside the store that is under way: its record says what was meant, and another will say what came of it. */
export interface Intent {
  readonly requestId: string;
  readonly tenantId: string;
  readonly principal: string;
  readonly operation: OperationName;
  readonly keyId: string | null;
  readonly provider: string | null;
  readonly backing: string | null;
  readonly startedAt: number;
}

export type Change =
  | { readonly put: 'tenant'; readonly tenant: Tenant; readonly sealedKey: Uint8Array }
  | { readonly put: 'key'; readonly key: Key }
  | { readonly put: 'version'; readonly version: KeyVersion }
  | { readonly put: 'material'; readonly keyId: string; readonly version: number; readonly sealed: Uint8Array }
  | { readonly drop: 'material'; readonly keyId: string; readonly version: number }
  | { readonly put: 'alias'; readonly alias: Alias }
  | { readonly drop: 'alias'; readonly tenantId: string; readonly name: string }
  | { readonly put: 'credential'; readonly credential: Credential }
  | { readonly put: 'importSlot'; readonly slot: ImportSlot; readonly sealedKey: Uint8Array }
  | { readonly drop: 'importSlot'; readonly keyId: string }
  /** Native keys belong to one tenant each; the writer refuses one that is another's. */
  | { readonly put: 'nativeKey'; readonly nativeId: string; readonly tenantId: string }
  | { readonly put: 'intent'; readonly intent: Intent }
  | { readonly put: 'idempotency'; readonly kept: IdempotentAnswer }
  /** Forgets what the commitments of the records `[from, to)` open to. The records themselves stay. */
  | { readonly drop: 'openings'; readonly from: number; readonly to: number }
  | HousekeepingChange;

/** `audit-sinks` changes; those of the log are put once. */
export type SettingName = 'audit-sinks' | 'log-origin' | 'system-key' | 'log-key';

/** What no caller asked for and no decision reads: it commits without a record of its own. */
export type HousekeepingChange =
  /** What the service itself has to remember until its next start. */
  | { readonly put: 'setting'; readonly name: SettingName; readonly value: string }
  /** How far a reader of the log has come: the next index that it wants. */
  | { readonly put: 'cursor'; readonly name: string; readonly position: number }
  /** A checkpoint that witnesses have signed as well, in place of the same one without them. */
  | { readonly put: 'cosigned'; readonly size: number; readonly note: string }
  /** Of a change outside the store whose outcome stands in the log. */
  | { readonly drop: 'intent'; readonly requestId: string }
  /** What alerts remember. */
  | { readonly put: 'alertState'; readonly kind: AlertStateKind; readonly name: string; readonly value: string }
  | { readonly drop: 'alertState'; readonly kind: AlertStateKind; readonly name: string };

/** Names under which decisions say what they read, and changes say what they changed. */
export const entity = {
  tenant: (id: string): string => `t:${id}`,
  key: (id: string): string => `k:${id}`,
  alias: (tenantId: string, name: string): string => `a:${tenantId}/${name}`,
  credential: (id: string): string => `c:${id}`,
  /** How far the log is redacted. */
  redaction: 'redaction',
} as const;

/** The entity that a change touches; null where no decision reads it from a cache. */
export function entityOf(change: Change): string | null {
  if ('put' in change) {
    switch (change.put) {
      case 'tenant':
        return entity.tenant(change.tenant.id);
      case 'key':
        return entity.key(change.key.id);
      case 'version':
        return entity.key(change.version.keyId);
      case 'material':
        return entity.key(change.keyId);
      case 'alias':
        return entity.alias(change.alias.tenantId, change.alias.name);
      case 'credential':
        return entity.credential(change.credential.id);
      case 'importSlot':
        return entity.key(change.slot.keyId);
      case 'nativeKey':
      case 'intent':
      case 'idempotency':
      case 'setting':
      case 'cursor':
      case 'cosigned':
      case 'alertState':
        return null;
    }
  }
  switch (change.drop) {
    case 'alias':
      return entity.alias(change.tenantId, change.name);
    case 'material':
    case 'importSlot':
      return entity.key(change.keyId);
    case 'openings':
      return entity.redaction;
    case 'intent':
    case 'alertState':
      return null;
  }
}
