/**
 * A store in memory that fails on demand, each time in one of the two ways: what failed is not there, or it is there
 * all the same. It refuses what a database would: a number, a hash or a checkpoint that is there already.
 *
 * @module
 */
import type { Change } from '../../../src/store/change.ts';
import type { LogTail, RecordRow, StoredCheckpoint, StoreWriter } from '../../../src/store/contract.ts';

const HASH_BYTES = 32;

/** A call of the writer that fails. Of a commit: nothing of it is there (`lost`), or all of it (`kept`). */
export const FAULTS = [
  'begin',
  'apply',
  'append',
  'appendTreeHash',
  'appendCheckpoint',
  'commit, lost',
  'commit, kept',
] as const;
export type Fault = (typeof FAULTS)[number];

interface Held {
  readonly records: RecordRow[];
  readonly treeHashes: Map<string, Uint8Array>;
  readonly checkpoints: StoredCheckpoint[];
  readonly changes: Change[];
}

export class MemoryStore {
  /** What is durable. */
  held: Held = { records: [], treeHashes: new Map(), checkpoints: [], changes: [] };
  /** The next such call fails, once. */
  fault: Fault | null = null;

  /** A connection, as every start and every recovery opens one. */
  writer(): StoreWriter {
    return new MemoryWriter(this);
  }

  fails(fault: Fault): boolean {
    if (this.fault !== fault) return false;
    this.fault = null;
    return true;
  }
}

class MemoryWriter implements StoreWriter {
  readonly #store: MemoryStore;
  #open: Held | null = null;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  tail(): LogTail {
    const { records, checkpoints } = this.#store.held;
    return {
      logId: '8c3f1e0a-5b7d-4a2f-9d6c-1f2e3d4c5b6a',
      nextIndex: records.length,
      lastTimeMs: records.at(-1)?.timeMs ?? 0,
      checkpoint: checkpoints.at(-1) ?? null,
    };
  }

  begin(): void {
    this.#mayFail('begin');
    if (this.#open !== null) throw new Error('a transaction is open');
    const { records, treeHashes, checkpoints, changes } = this.#store.held;
    this.#open = {
      records: [...records],
      treeHashes: new Map(treeHashes),
      checkpoints: [...checkpoints],
      changes: [...changes],
    };
  }

  apply(changes: readonly Change[]): void {
    this.#mayFail('apply');
    this.#transaction().changes.push(...changes);
  }

  append(record: RecordRow): void {
    this.#mayFail('append');
    const { records } = this.#transaction();
    if (record.index !== records.length) throw new Error(`record ${record.index} comes after ${records.length}`);
    records.push(record);
  }

  appendTreeHash(level: number, index: number, hash: Uint8Array): void {
    this.#mayFail('appendTreeHash');
    const { treeHashes } = this.#transaction();
    const name = `${level}/${index}`;
    if (treeHashes.has(name)) throw new Error(`hash ${name} is there already`);
    treeHashes.set(name, hash);
  }

  appendCheckpoint(checkpoint: StoredCheckpoint): void {
    this.#mayFail('appendCheckpoint');
    const { checkpoints } = this.#transaction();
    if (checkpoint.size <= (checkpoints.at(-1)?.size ?? 0)) throw new Error(`checkpoint ${checkpoint.size} goes back`);
    checkpoints.push(checkpoint);
  }

  treeHashes(level: number, from: number, count: number): Uint8Array {
    const { records, treeHashes } = this.#open ?? this.#store.held;
    const hashes = Array.from({ length: count }, (_, n) =>
      level === 0 ? records[from + n]?.leaf : treeHashes.get(`${level}/${from + n}`),
    ).filter((hash) => hash !== undefined);
    return Buffer.concat(hashes, hashes.length * HASH_BYTES);
  }

  treeHashCount(level: number): number {
    const { treeHashes } = this.#open ?? this.#store.held;
    return [...treeHashes.keys()].filter((name) => name.startsWith(`${level}/`)).length;
  }

  commit(): void {
    const held = this.#transaction();
    this.#mayFail('commit, lost');
    this.#store.held = held;
    this.#open = null;
    this.#mayFail('commit, kept');
  }

  rollback(): void {
    this.#open = null;
  }

  close(): void {
    this.#open = null;
  }

  #transaction(): Held {
    if (this.#open === null) throw new Error('no transaction is open');
    return this.#open;
  }

  #mayFail(fault: Fault): void {
    if (this.#store.fails(fault)) throw Object.assign(new Error(`disk I/O error: ${fault}`), { errcode: 10 });
  }
}
