/**
 * The trace that disk-shim.c writes: every change of the files below a folder, in the order in which they happened.
 *
 * Records are little-endian: kind, length of the path, inode, offset, length of the data (32, 32, 64, 64, 64 bits), then
 * path and data. A note is a record of whoever watches the program from outside: what it had heard of it by then.
 *
 * @module
 */
import { readFileSync, writeSync } from 'node:fs';

/** Files are named by their inodes, for names come and go; the folder itself is inode 0. */
export type TraceRecord =
  | { readonly kind: 'created'; readonly inode: number; readonly path: string }
  | { readonly kind: 'written'; readonly inode: number; readonly offset: number; readonly data: Buffer }
  | { readonly kind: 'sized'; readonly inode: number; readonly size: number }
  | { readonly kind: 'unlinked'; readonly path: string }
  | { readonly kind: 'renamed' | 'linked'; readonly path: string; readonly to: string }
  /** A sync has begun, and the sync of this number has succeeded. */
  | { readonly kind: 'syncing' | 'synced'; readonly inode: number; readonly number: bigint }
  | { readonly kind: 'note'; readonly text: string };

const HEAD_BYTES = 32;
const NOTE = 'N'.charCodeAt(0);

interface Head {
  readonly inode: number;
  readonly offset: bigint;
  readonly path: string;
  readonly data: Buffer;
}

/** Kind in the file → record. */
const KINDS = new Map<string, (head: Head) => TraceRecord>([
  ['C', ({ inode, path }) => ({ kind: 'created', inode, path })],
  ['W', ({ inode, offset, data }) => ({ kind: 'written', inode, offset: Number(offset), data })],
  ['T', ({ inode, offset }) => ({ kind: 'sized', inode, size: Number(offset) })],
  ['U', ({ path }) => ({ kind: 'unlinked', path })],
  ['R', ({ path, data }) => ({ kind: 'renamed', path, to: data.toString() })],
  ['L', ({ path, data }) => ({ kind: 'linked', path, to: data.toString() })],
  ['B', ({ inode, offset }) => ({ kind: 'syncing', inode, number: offset })],
  ['E', ({ inode, offset }) => ({ kind: 'synced', inode, number: offset })],
  ['N', ({ data }) => ({ kind: 'note', text: data.toString() })],
]);

/** @throws Error where the file is no trace, or ends within a record, as it may where the program was killed */
export function readTrace(file: string): readonly TraceRecord[] {
  const bytes = readFileSync(file);
  const records: TraceRecord[] = [];
  for (let at = 0; at < bytes.length;) {
    const pathAt = at + HEAD_BYTES;
    if (pathAt > bytes.length) throw new Error(`the trace \`${file}\` ends within a record`);
    const dataAt = pathAt + bytes.readUInt32LE(at + 4);
    const end = dataAt + Number(bytes.readBigUInt64LE(at + 24));
    const make = KINDS.get(String.fromCharCode(bytes.readUInt32LE(at)));
    if (make === undefined || end > bytes.length) throw new Error(`the trace \`${file}\` is broken at byte ${at}`);
    records.push(
      make({
        inode: Number(bytes.readBigUInt64LE(at + 8)),
        offset: bytes.readBigUInt64LE(at + 16),
        path: bytes.toString('utf8', pathAt, dataAt),
        data: bytes.subarray(dataAt, end),
      }),
    );
    at = end;
  }
  return records;
}

/** Appends a note to a trace that is being written; `fd` is open for appending. */
export function appendNote(fd: number, text: string): void {
  const data = Buffer.from(text);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(NOTE);
  head.writeBigUInt64LE(BigInt(data.length), 24);
  writeSync(fd, Buffer.concat([head, data]));
}
