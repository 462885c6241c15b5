/**
 * What a power cut can leave of files whose changes were traced.
 *
 * The model is harder than most file systems. All that was synced is there. Of the writes and changes of size since,
 * each one is there or not, whatever the others are; a write may be torn at a 512-byte sector. Names (made, removed,
 * renamed) are kept apart from what files hold: a sync of the folder makes them durable, a sync of the file does not,
 * and without one any beginning of their sequence is there, as a journal keeps them. What was written before the file's
 * name was durable is lost with the name.
 *
 * @module
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TraceRecord } from './trace.ts';

/** The unit that a disk writes whole or not at all. */
const SECTOR_BYTES = 512;
const CONTENT_BYTES_MIN = 4096;

/** A number in [0, 1), another one each time. */
export type Dice = () => number;

/** The same numbers for the same seed. It is mulberry32, which is no good for secrets and good for dice. */
export function seededDice(seed: number): Dice {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What becomes of a change that was not synced. */
export interface Fate {
  /** Probability that it is there whole. */
  readonly kept: number;
  /** Probability that a write that is not there whole is torn; otherwise nothing of it is there. */
  readonly torn: number;
  /** True where the disk wrote in order: nothing is there after the first change that is not there whole. */
  readonly inOrder: boolean;
  /** Of the names made, changed and removed since the folder's last sync: none, all, or the first ones, at random. */
  readonly names: 'none' | 'all' | 'some';
}

type Change = (TraceRecord & { readonly kind: 'written' }) | (TraceRecord & { readonly kind: 'sized' });
type Naming = TraceRecord & { readonly kind: 'created' | 'unlinked' | 'renamed' | 'linked' };

/** The files of one folder, as far as they are durable, with what is not. */
export class TracedDisk {
  /** Inode → the file that has it now; numbers of removed files are given anew. */
  readonly #files = new Map<number, TracedFile>();
  readonly #names = new Journal<{ readonly naming: Naming; readonly file: TracedFile | null }>((change) =>
    rename(this.#durable, change),
  );
  readonly #durable = new Map<string, TracedFile>();
  /** Sync → what it will have made durable. */
  readonly #syncs = new Map<bigint, () => void>();
  #honest = true;

  /** @param base what the files held when the trace began, by path and inode; all of it counts as synced */
  constructor(base: readonly { readonly path: string; readonly inode: number; readonly content: Buffer }[] = []) {
    for (const { path, inode, content } of base) {
      const file = new TracedFile(content);
      this.#files.set(inode, file);
      this.#durable.set(path, file);
    }
  }

  /** From here on the disk lies: it says that it has synced, and has not. */
  lie(): void {
    this.#honest = false;
  }

  apply(record: TraceRecord): void {
    switch (record.kind) {
      case 'note':
        return;
      case 'created': {
        const file = new TracedFile();
        this.#files.set(record.inode, file);
        return this.#names.add({ naming: record, file });
      }
      case 'unlinked':
      case 'renamed':
      case 'linked':
        return this.#names.add({ naming: record, file: null });
      case 'written':
      case 'sized':
        return this.#file(record.inode).changes.add(record);
      case 'syncing': {
        // What comes while it runs is not covered.
        const journal = record.inode === 0 ? this.#names : this.#file(record.inode).changes;
        const upTo = journal.length;
        this.#syncs.set(record.number, () => journal.settle(upTo));
        return;
      }
      case 'synced':
        if (this.#honest) this.#syncs.get(record.number)!();
        this.#syncs.delete(record.number);
    }
  }

  /** The files after a power cut now: path → content. */
  cut(dice: Dice, fate: Fate): ReadonlyMap<string, Buffer> {
    const { pending } = this.#names;
    const some = Math.floor(dice() * (pending.length + 1));
    const named = new Map(this.#durable);
    for (const change of pending.slice(0, { none: 0, all: pending.length, some }[fate.names])) rename(named, change);
    return new Map([...named].map(([path, file]) => [path, file.cut(dice, fate)]));
  }

  #file(inode: number): TracedFile {
    const file = this.#files.get(inode);
    if (file === undefined) throw new Error(`the trace changes inode ${inode}, which it has not seen made`);
    return file;
  }
}

/** Everything that was written is there: what a program that was killed leaves, and the power not cut. */
export const NOTHING_LOST: Fate = { kept: 1, torn: 0, inOrder: false, names: 'all' };
/** Only what was synced is there. */
export const UNSYNCED_LOST: Fate = { kept: 0, torn: 0, inOrder: false, names: 'none' };

/** Writes files into a new folder. */
export function writeFiles(folder: string, files: ReadonlyMap<string, Buffer>): void {
  mkdirSync(folder, { mode: 0o700 });
  for (const [path, content] of files) writeFileSync(join(folder, path), content, { mode: 0o600 });
}

/** The files of a folder, as `cut` gives them. */
export function readFiles(folder: string): ReadonlyMap<string, Buffer> {
  return new Map(readdirSync(folder).map((path) => [path, readFileSync(join(folder, path))]));
}

/** Changes in order: those that are durable have been applied, the others wait. */
class Journal<T> {
  readonly #applyDurable: (change: T) => void;
  #settled = 0;
  #pending: T[] = [];

  constructor(applyDurable: (change: T) => void) {
    this.#applyDurable = applyDurable;
  }

  /** Changes so far, durable or not. */
  get length(): number {
    return this.#settled + this.#pending.length;
  }

  get pending(): readonly T[] {
    return this.#pending;
  }

  add(change: T): void {
    this.#pending.push(change);
  }

  /** Makes the first `upTo` changes durable, those of them that are not yet. */
  settle(upTo: number): void {
    const count = Math.max(0, upTo - this.#settled);
    for (const change of this.#pending.slice(0, count)) this.#applyDurable(change);
    this.#pending = this.#pending.slice(count);
    this.#settled += count;
  }
}

class TracedFile {
  readonly #durable: Content;
  readonly changes = new Journal<Change>((change) => applyWhole(this.#durable, change));

  constructor(content: Uint8Array = Buffer.alloc(0)) {
    this.#durable = new Content(content);
  }

  cut(dice: Dice, { kept, torn, inOrder }: Fate): Buffer {
    const content = new Content(this.#durable.bytes);
    for (const change of this.changes.pending) {
      if (dice() < kept) {
        applyWhole(content, change);
        continue;
      }
      if (change.kind === 'written' && dice() < torn) applyTorn(content, change, dice);
      if (inOrder) break;
    }
    return content.bytes;
  }
}

function applyWhole(content: Content, change: Change): void {
  if (change.kind === 'sized') content.resize(change.size);
  else content.write(change.offset, change.data);
}

/** The sectors on one side of a border are there; a write within one sector is never torn. */
function applyTorn(content: Content, { offset, data }: Change & { readonly kind: 'written' }, dice: Dice): void {
  const first = Math.floor(offset / SECTOR_BYTES) + 1;
  const borders = Math.ceil((offset + data.length) / SECTOR_BYTES) - first;
  if (borders <= 0) return;
  const border = (first + Math.floor(dice() * borders)) * SECTOR_BYTES - offset;
  if (dice() < 0.5) content.write(offset, data.subarray(0, border));
  else content.write(offset + border, data.subarray(border));
}

function rename(
  names: Map<string, TracedFile>,
  { naming, file }: { readonly naming: Naming; readonly file: TracedFile | null },
): void {
  switch (naming.kind) {
    case 'created':
      names.set(naming.path, file!);
      return;
    case 'unlinked':
      names.delete(naming.path);
      return;
    case 'renamed':
    case 'linked': {
      const moved = names.get(naming.path);
      if (moved === undefined) throw new Error(`the trace names \`${naming.path}\`, which is not there`);
      names.set(naming.to, moved);
      if (naming.kind === 'renamed') names.delete(naming.path);
    }
  }
}

/** Bytes that grow; what was never written is zero. */
class Content {
  #buffer: Buffer;
  #length: number;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.alloc(Math.max(CONTENT_BYTES_MIN, bytes.length));
    this.#buffer.set(bytes);
    this.#length = bytes.length;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  write(offset: number, data: Uint8Array): void {
    this.resize(Math.max(this.#length, offset + data.length));
    this.#buffer.set(data, offset);
  }

  resize(length: number): void {
    if (length > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(length, this.#buffer.length * 2));
      grown.set(this.bytes);
      this.#buffer = grown;
    }
    if (length < this.#length) this.#buffer.fill(0, length, this.#length);
    this.#length = length;
  }
}
