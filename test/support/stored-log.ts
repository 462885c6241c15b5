/**
 * Reads a log from the database file and checks it, with nothing of ours: what spec/audit-log.md says, written anew.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface StoredEntry {
  readonly index: number;
  readonly record: Readonly<Record<string, any>>;
  /** Opened values by the name of their field. */
  readonly values: Readonly<Record<string, string>>;
}

/** Every record of the store in a folder from this index on, oldest first. */
export function readLog(folder: string, from = 0): readonly StoredEntry[] {
  return rows(folder, from).map(({ idx, entry, openings }) => ({
    index: idx,
    record: JSON.parse(Buffer.from(entry).toString()) as Record<string, unknown>,
    values: Object.fromEntries(
      Object.entries(JSON.parse(openings) as Record<string, [string, string]>).map(([name, [, value]]) => [
        name,
        value,
      ]),
    ),
  }));
}

/**
 * Fails where an index is missing, a leaf hash is another, a commitment does not open or a batch has another root.
 *
 * @param from the first index to check, for a log whose beginning was checked before
 * @returns the number of records
 */
export function checkLog(folder: string, from = 0): number {
  const stored = rows(folder, from);
  let lastTime = '';
  for (const [offset, row] of stored.entries()) {
    const position = from + offset;
    const entry = Buffer.from(row.entry);
    const record = JSON.parse(entry.toString()) as Record<string, any>;
    assert.equal(row.idx, position, `no record has index ${position}`);
    assert.equal(record['index'], position);
    assert.deepEqual(Buffer.from(row.leaf), sha256(Buffer.of(0), entry), `leaf hash of record ${position}`);
    assert.ok(record['time'] >= lastTime, `time of record ${position} runs backwards`);
    lastTime = record['time'] as string;
    checkOpenings(position, record, row.openings);
    if (row.items !== null) checkItems(record, row.items);
  }
  return from + stored.length;
}

function checkOpenings(position: number, record: Record<string, any>, openings: string): void {
  for (const [name, [salt, value]] of Object.entries(JSON.parse(openings) as Record<string, [string, string]>)) {
    const saltBytes = Buffer.from(salt, 'base64');
    assert.equal(saltBytes.length, 16);
    const opened = sha256(saltBytes, committed(name, value)).toString('base64');
    assert.equal(record[name], opened, `\`${name}\` of record ${position} is not what was committed to`);
  }
}

function checkItems(record: Record<string, any>, items: string): void {
  const opened = JSON.parse(items) as [string, string][];
  const leaves = opened.map(([salt, text]) => sha256(Buffer.of(0), Buffer.from(salt, 'base64'), Buffer.from(text)));
  assert.equal(record['items'].count, leaves.length);
  assert.equal(record['items'].root, head(leaves).toString('base64'));
  const failed = opened.filter(([, text]) => (JSON.parse(text) as { outcome: string }).outcome !== 'OK');
  assert.equal(record['items'].failed, failed.length);
}

function committed(name: string, value: string): Buffer {
  if (name === 'digest') return Buffer.from(value, 'base64');
  if (name !== 'context' && name !== 'destinationContext') return Buffer.from(value);
  const pairs = Object.entries(JSON.parse(value) as Record<string, string>)
    .map(([key, text]) => [Buffer.from(key), Buffer.from(text)] as const)
    .toSorted(([a], [b]) => Buffer.compare(a, b));
  return Buffer.concat([u32(pairs.length), ...pairs.flat().flatMap((part) => [u32(part.length), part])]);
}

/** RFC 6962, section 2.1. */
function head(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.of(1), head(leaves.slice(0, split)), head(leaves.slice(split)));
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return hash('sha256', Buffer.concat(parts), 'buffer');
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

interface LogRow {
  readonly idx: number;
  readonly entry: Uint8Array;
  readonly leaf: Uint8Array;
  readonly openings: string;
  readonly items: string | null;
}

function rows(folder: string, from: number): readonly LogRow[] {
  const db = new DatabaseSync(join(folder, 'claviger.db'), { readOnly: true, timeout: 5000 });
  try {
    return db
      .prepare('SELECT idx, entry, leaf, openings, items FROM records WHERE idx >= ? ORDER BY idx')
      .all(from) as unknown as LogRow[];
  } finally {
    db.close();
  }
}
