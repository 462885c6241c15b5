/**
 * Verifies a receipt: that one record is in the log, with nothing but the log's key. No server is asked.
 *
 * A receipt holds one checkpoint and no proof from it to another. So an older or newer checkpoint that somebody kept is
 * compared with it where both have the same size; of others it is said that they were not compared.
 *
 * @module
 */
import { bytesOf } from './base64.ts';
import { openCheckpoint, type Checkpoint, type NamedCheckpoint } from './checkpoint.ts';
import { finding, FindingError, MalformedError, type Finding, type FindingKind } from './finding.ts';
import { HASH_BYTES, leafHash, provesInclusion } from './merkle.ts';
import { cosignedAt, type VerifierKey } from './note.ts';
import { checkOpening, openingOf, valueOf } from './openings.ts';
import { parseRecord, type LogRecord } from './record.ts';

/** A proof in a tree of 2⁵³ records has no more. */
const PROOF_HASHES_MAX = 53;

export interface ReceiptSummary {
  readonly origin: string;
  readonly logId: string;
  readonly index: number;
  /** Of the tree in which the record was proved to be. */
  readonly size: number;
  readonly rootHash: string;
  /** The checkpoint in the receipt, as it came: what to keep. */
  readonly checkpoint: string;
  /** Sizes of the checkpoints seen before that are the same as this one. */
  readonly since: readonly number[];
  /** Those of another size: a receipt alone cannot show that they are of one log with it. */
  readonly uncompared: readonly { readonly name: string; readonly size: number }[];
  readonly record: LogRecord;
  /** Field → what it was, where the receipt opens it. */
  readonly values: Readonly<Record<string, string>>;
  /** What the record commits to and the receipt does not open: it was redacted, or withheld. */
  readonly closed: readonly string[];
  /** Witnesses that cosigned the checkpoint, and when. */
  readonly witnesses: readonly { readonly name: string; readonly time: string }[];
}

export interface ReceiptReport {
  readonly receipt: ReceiptSummary | null;
  readonly findings: readonly Finding[];
}

export interface ReceiptOptions {
  readonly key: VerifierKey;
  /** Checkpoints that were seen before; one of the same size must have the same root. */
  readonly since?: readonly NamedCheckpoint[];
  /** Witnesses that must have cosigned the checkpoint. */
  readonly witnesses?: readonly VerifierKey[];
}

/** @param json the text of `GET /v1/audit/receipts/{requestId}` */
export function verifyReceipt(json: string, options: ReceiptOptions): ReceiptReport {
  try {
    return { receipt: verified(json, options), findings: [] };
  } catch (error) {
    if (error instanceof FindingError) return { receipt: null, findings: [error.finding] };
    if (!(error instanceof MalformedError)) throw error;
    return { receipt: null, findings: [finding('receipt-malformed', `the receipt ${error.message}`)] };
  }
}

function verified(json: string, { key, since = [], witnesses = [] }: ReceiptOptions): ReceiptSummary {
  const receipt = parsed(json);
  const checkpoint = openCheckpoint(Buffer.from(receipt.checkpoint), key, 'the checkpoint in the receipt');
  const seen = since.map(({ name, note }) => ({ name, ...openCheckpoint(note, key, name) }));
  for (const { name, size, root } of seen) {
    if (size !== checkpoint.size || root.equals(checkpoint.root)) continue;
    const message = `two checkpoints of size ${size} have different roots: the one in the receipt, and ${name}`;
    throw new FindingError('fork', message);
  }
  const { index, size, leafHash: told, openings } = receipt;
  const record = recordOf(receipt.entry, index);
  const fail = (kind: FindingKind, message: string): never => {
    throw new FindingError(kind, message, index);
  };
  if (record.index !== index)
    fail('receipt-malformed', `the receipt is for record ${index}, and shows record ${record.index}`);
  if (record.logId !== receipt.logId) fail('receipt-malformed', 'the receipt names another log than its record');
  if (size !== checkpoint.size)
    fail('receipt-malformed', `the receipt names size ${size}, and its checkpoint ${checkpoint.size}`);
  const leaf = leafHash(Buffer.from(receipt.entry));
  if (!leaf.equals(told)) fail('record-changed', `record ${index} has another leaf hash than the receipt tells`);
  if (!provesInclusion({ index, size, leaf, hashes: receipt.hashes, root: checkpoint.root })) {
    fail('proof-fails', `the proof does not show that record ${index} is in the tree of size ${size}`);
  }
  const opening = openingOf(openings, receipt.items, 'has');
  const closed = checkOpening(record, opening);
  return {
    origin: checkpoint.origin,
    logId: record.logId,
    index,
    size,
    rootHash: checkpoint.root.toString('base64'),
    checkpoint: checkpoint.text,
    since: seen.filter((other) => other.size === size).map((other) => other.size),
    uncompared: seen.filter((other) => other.size !== size).map((other) => ({ name: other.name, size: other.size })),
    record,
    values: Object.fromEntries(Object.entries(opening.openings).map(([name, pair]) => [name, valueOf(pair)])),
    closed,
    witnesses: witnesses.map((witness) => ({ name: witness.name, time: witnessed(checkpoint, witness) })),
  };
}

function witnessed({ note, size }: Checkpoint, witness: VerifierKey): string {
  let time: number | null;
  try {
    time = cosignedAt(note, witness);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new FindingError('bad-cosignature', `the checkpoint in the receipt ${error.message}`);
  }
  if (time !== null) return new Date(time * 1000).toISOString();
  throw new FindingError(
    'unwitnessed',
    `the witness \`${witness.name}\` did not cosign the checkpoint of size ${size}`,
  );
}

function recordOf(entry: string, index: number): LogRecord {
  try {
    return parseRecord(Buffer.from(entry));
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new FindingError('record-malformed', `record ${index} ${error.message}`, index);
  }
}

interface Receipt {
  readonly logId: string;
  readonly index: number;
  readonly entry: string;
  readonly leafHash: Buffer;
  readonly openings: unknown;
  readonly items: unknown;
  readonly size: number;
  readonly hashes: readonly Buffer[];
  readonly checkpoint: string;
}

function parsed(json: string): Receipt {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new MalformedError('is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw new MalformedError('is not a JSON object');
  const fields = value as Readonly<Record<string, unknown>>;
  const { logId, index, entry, openings, items, size, hashes, checkpoint } = fields;
  for (const [name, text] of Object.entries({ logId, entry, checkpoint })) {
    if (typeof text !== 'string') throw new MalformedError(`has no \`${name}\``);
  }
  for (const [name, count] of Object.entries({ index, size })) {
    if (!Number.isSafeInteger(count) || (count as number) < 0) throw new MalformedError(`has no \`${name}\``);
  }
  if (!Array.isArray(hashes) || hashes.length > PROOF_HASHES_MAX) throw new MalformedError('has no proof in `hashes`');
  return {
    ...(fields as unknown as Receipt),
    openings,
    items,
    leafHash: named('leafHash', fields['leafHash']),
    hashes: hashes.map((hash) => named('hashes', hash)),
  };
}

function named(name: string, text: unknown): Buffer {
  try {
    return bytesOf(text, HASH_BYTES);
  } catch (error) {
    throw new MalformedError(`has a \`${name}\` that ${(error as Error).message}`);
  }
}
