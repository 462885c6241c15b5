/**
 * The audit record: what one answer or refusal leaves behind. spec/audit-log.md has the format.
 *
 * A draft is what the request's side knows. The writer adds what only it can: index, time, outcome and latency; it
 * replaces what could name a person or a text by salted commitments and hashes the result as an RFC 6962 leaf.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { encodeContext } from '../bytes/length-prefixed.ts';
import type { OperationName } from '../model/operation.ts';
import type { Random } from '../ports/random.ts';
import { leafHash, leafOf, treeHead } from './tree.ts';

export const RECORD_VERSION = 1;
const SALT_BYTES = 16;
/** Fields of a record that are commitments. */
const COMMITMENTS_MAX = 6;

export type Phase = 'single' | 'intent' | 'outcome';

/** One item of a batch. */
export interface DraftItem {
  readonly keyVersion: number | null;
  readonly algorithm: string | null;
  /** Base64 of the digest of what was signed; null for every other operation. */
  readonly digest: string | null;
  /** Encryption context, where there is one. */
  readonly context?: Readonly<Record<string, string>> | null;
  readonly outcome: string;
}

/** Refusals of one kind that stand in one record. */
export interface Aggregate {
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface RecordDraft {
  readonly phase: Phase;
  readonly tenantId: string | null;
  readonly principal: string | null;
  readonly source: string | null;
  readonly operation: OperationName | null;
  readonly keyId: string | null;
  readonly keyVersion: number | null;
  readonly provider: string | null;
  /** The provider's own name of the key that it used; null for the built-in keystore, which has none but ours. */
  readonly backing: string | null;
  /** Homes that were asked before the one that answered, in order. */
  readonly failovers: readonly string[];
  /** Homes that hold no wrap of what was encrypted. */
  readonly missingHomes: readonly string[];
  readonly algorithm: string | null;
  /** Base64 of the digest of what was signed; never of what was encrypted, which it would let a reader guess. */
  readonly digest: string | null;
  readonly context: Readonly<Record<string, string>> | null;
  /** Of ReEncrypt: the context of the new ciphertext. */
  readonly destinationContext: Readonly<Record<string, string>> | null;
  /** What else the operation names: `alias/x`, `token/…`, a destination key, or the key name that was not found. */
  readonly resource: string | null;
  /** Ids of the policies that decided; the first of them, where an operator has very many. */
  readonly policies: readonly string[];
  readonly requestId: string;
  /** The answer's time by the service's clock. */
  readonly atMs: number;
  /** When the request came, by `monotonicMs`. */
  readonly startedMs: number;
  readonly items: readonly DraftItem[] | null;
  readonly aggregate: Aggregate | null;
  /** Of RedactAuditRecords: the records whose openings went, `[from, to)`. */
  readonly redaction: { readonly from: number; readonly to: number } | null;
}

/** What the writer decides. */
export interface Placement {
  readonly logId: string;
  readonly index: number;
  /** Never less than the record's before. */
  readonly timeMs: number;
  readonly latencyUs: number;
  /** `OK` or the error's code; null for an intent. */
  readonly outcome: string | null;
}

export interface SealedRecord {
  /** The leaf's bytes: UTF-8 JSON in the order of spec/audit-log.md, without white space. */
  readonly entry: Buffer;
  readonly leaf: Buffer;
  readonly openings: string;
  readonly items: string | null;
}

/** Turns a draft into the record that stands in the log. */
export function sealRecord(draft: RecordDraft, at: Placement, random: Random): SealedRecord {
  const items = draft.items === null ? null : sealItems(draft.items, random);
  const openings: Record<string, readonly [salt: string, value: string]> = {};
  const salts = random.bytes(SALT_BYTES * COMMITMENTS_MAX);
  let saltAt = 0;
  const commit = (field: string, value: string | null, encoded: 'utf8' | 'base64' | Uint8Array): string | undefined => {
    if (value === null) return undefined;
    const salt = salts.subarray(saltAt, saltAt + SALT_BYTES);
    saltAt += SALT_BYTES;
    openings[field] = [salt.toString('base64'), value];
    return commitment(salt, typeof encoded === 'string' ? Buffer.from(value, encoded) : encoded);
  };
  const pairs = (field: 'context' | 'destinationContext'): string | undefined => {
    const context = draft[field];
    if (context === null || Object.keys(context).length === 0) return undefined;
    return commit(field, JSON.stringify(context), encodeContext(context));
  };
  // The order of these fields is the canonical order of the format; a field without a value is left out.
  const text = JSON.stringify({
    v: RECORD_VERSION,
    logId: at.logId,
    index: at.index,
    time: new Date(at.timeMs).toISOString(),
    phase: draft.phase,
    tenant: draft.tenantId ?? undefined,
    principal: commit('principal', draft.principal, 'utf8'),
    source: commit('source', draft.source, 'utf8'),
    operation: draft.operation ?? undefined,
    key: draft.keyId ?? undefined,
    keyVersion: draft.keyVersion ?? undefined,
    provider: draft.provider ?? undefined,
    backing: draft.backing ?? undefined,
    failovers: draft.failovers.length === 0 ? undefined : draft.failovers,
    missingHomes: draft.missingHomes.length === 0 ? undefined : draft.missingHomes,
    algorithm: draft.algorithm ?? undefined,
    digest: commit('digest', draft.digest, 'base64'),
    context: pairs('context'),
    destinationContext: pairs('destinationContext'),
    resource: commit('resource', draft.resource, 'utf8'),
    policies: draft.policies.length === 0 ? undefined : draft.policies,
    outcome: at.outcome,
    requestId: draft.requestId,
    latencyUs: draft.aggregate === null ? at.latencyUs : undefined,
    items: items?.summary,
    aggregate: draft.aggregate === null ? undefined : aggregateOf(draft.aggregate),
    redaction: draft.redaction ?? undefined,
  });
  return { ...leafOf(text), openings: JSON.stringify(openings), items: items?.stored ?? null };
}

/** SHA-256(salt ‖ bytes), base64. */
function commitment(salt: Uint8Array, bytes: Uint8Array): string {
  const length = SALT_BYTES + bytes.length;
  if (length > scratch.length) return hash('sha256', Buffer.concat([salt, bytes]), 'base64');
  scratch.set(salt, 0);
  scratch.set(bytes, SALT_BYTES);
  return hash('sha256', scratch.subarray(0, length), 'base64');
}

/** What a commitment is hashed from, where it is short: filled and used up within one call. */
const scratch = Buffer.alloc(512);

interface SealedItems {
  readonly summary: { readonly count: number; readonly failed: number; readonly root: string };
  readonly stored: string;
}

/** Items of a batch: each salted, all under one root, so that one item can be shown without the others. */
function sealItems(items: readonly DraftItem[], random: Random): SealedItems {
  const salts = random.bytes(SALT_BYTES * items.length);
  const opened = items.map((item, position) => ({
    salt: salts.subarray(position * SALT_BYTES, (position + 1) * SALT_BYTES),
    text: JSON.stringify({ position, ...withoutNulls(item) }),
  }));
  const leaves = opened.map(({ salt, text }) => leafHash(Buffer.concat([salt, Buffer.from(text)])));
  return {
    summary: {
      count: items.length,
      failed: items.filter((item) => item.outcome !== 'OK').length,
      root: treeHead(leaves).toString('base64'),
    },
    stored: JSON.stringify(opened.map(({ salt, text }) => [salt.toString('base64'), text])),
  };
}

function withoutNulls(item: DraftItem): Record<string, unknown> {
  const { keyVersion, algorithm, digest, context, outcome } = item;
  return {
    keyVersion: keyVersion ?? undefined,
    algorithm: algorithm ?? undefined,
    digest: digest ?? undefined,
    context: context ?? undefined,
    outcome,
  };
}

function aggregateOf({ count, fromMs, toMs }: Aggregate): object {
  return { count, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
}
