/**
 * The Merkle tree of a log, as a reader rebuilds it: RFC 9162, sections 2.1.1 (hashes), 2.1.3.2 (inclusion) and 2.1.4.2
 * (consistency), which are those of RFC 6962.
 *
 * Written for the verifier alone: it shares nothing with the writer's tree but SHA-256.
 *
 * @module
 */
import { hash } from 'node:crypto';

export const HASH_BYTES = 32;
/** Hashes in a full tile, and entries in a full bundle (C2SP tlog-tiles). */
export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;

const LEAF_PREFIX = 0x00;
const NODE_PREFIX = 0x01;

/** SHA-256(0x00 ‖ entry). */
export function leafHash(...entry: readonly Uint8Array[]): Buffer {
  return hash('sha256', Buffer.concat([Buffer.of(LEAF_PREFIX), ...entry]), 'buffer');
}

// `hash` is done with its input when it returns, so one buffer serves every node.
const node = Buffer.alloc(1 + 2 * HASH_BYTES, NODE_PREFIX);

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return hash('sha256', node, 'buffer');
}

/** A tile of level 1 or above that is full. */
export interface FullTile {
  readonly level: number;
  readonly index: number;
  readonly bytes: Buffer;
}

/**
 * A tree that leaves are added to. It keeps the roots of its perfect subtrees, one for each bit of its size, and the
 * hashes of tiles that are not full yet: some kilobytes, however large the tree.
 */
export class GrowingTree {
  #size = 0;
  /** Roots of perfect subtrees, the largest first. */
  #peaks: Buffer[] = [];
  /** Hashes of the tile that is being filled, by level; nothing at level 0, whose hashes are the leaves. */
  #filling: Buffer[][] = [];
  #full: FullTile[] = [];

  get size(): number {
    return this.#size;
  }

  append(leaf: Buffer): void {
    let peak = leaf;
    let height = 0;
    for (let left = this.#size; left % 2 === 1; left = Math.floor(left / 2)) {
      peak = nodeHash(this.#peaks.pop()!, peak);
      height += 1;
      if (height % TILE_HEIGHT === 0) this.#place(height / TILE_HEIGHT, peak);
    }
    this.#peaks.push(peak);
    this.#size += 1;
  }

  root(): Buffer {
    if (this.#size === 0) return hash('sha256', Buffer.alloc(0), 'buffer');
    return this.#peaks.reduceRight((right, left) => nodeHash(left, right));
  }

  /** Tiles above level 0 that became full since this was called last. */
  takeFullTiles(): readonly FullTile[] {
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** Tiles above level 0 that are not full: level, index, and the hashes there are. */
  partialTiles(): readonly FullTile[] {
    return this.#filling.flatMap((hashes, level) =>
      hashes.length === 0
        ? []
        : [{ level, index: Math.floor(this.#size / TILE_WIDTH ** (level + 1)), bytes: Buffer.concat(hashes) }],
    );
  }

  clone(): GrowingTree {
    const copy = new GrowingTree();
    copy.#size = this.#size;
    copy.#peaks = [...this.#peaks];
    copy.#filling = this.#filling.map((hashes) => [...hashes]);
    copy.#full = [...this.#full];
    return copy;
  }

  #place(level: number, peak: Buffer): void {
    while (this.#filling.length <= level) this.#filling.push([]);
    const hashes = this.#filling[level]!;
    if (hashes.push(peak) < TILE_WIDTH) return;
    const index = Math.floor((this.#size + 1) / TILE_WIDTH ** (level + 1)) - 1;
    this.#full.push({ level, index, bytes: Buffer.concat(hashes) });
    this.#filling[level] = [];
  }
}

/** The root over leaf hashes, in order. */
export function rootOf(leaves: readonly Buffer[]): Buffer {
  const tree = new GrowingTree();
  for (const leaf of leaves) tree.append(leaf);
  return tree.root();
}

export interface InclusionProof {
  readonly index: number;
  readonly size: number;
  readonly leaf: Uint8Array;
  readonly hashes: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** True where a leaf is at its index in the tree of a root (RFC 9162, section 2.1.3.2). */
export function provesInclusion({ index, size, leaf, hashes, root }: InclusionProof): boolean {
  if (!isCount(index) || !isCount(size) || index >= size || !areHashes([leaf, root, ...hashes])) return false;
  let fn = BigInt(index);
  let sn = BigInt(size) - 1n;
  let found: Uint8Array = leaf;
  for (const sibling of hashes) {
    if (sn === 0n) return false;
    if (isOdd(fn) || fn === sn) {
      found = nodeHash(sibling, found);
      if (!isOdd(fn)) [fn, sn] = shiftedUntilOdd(fn, sn);
    } else {
      found = nodeHash(found, sibling);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && Buffer.compare(found, root) === 0;
}

export interface ConsistencyProof {
  readonly from: number;
  readonly to: number;
  readonly hashes: readonly Uint8Array[];
  readonly fromRoot: Uint8Array;
  readonly toRoot: Uint8Array;
}

/**
 * True where the larger tree begins with the smaller one (RFC 9162, section 2.1.4.2). The empty tree, which the section
 * leaves out, is the beginning of every tree; its proof has no hashes.
 */
export function provesConsistency({ from, to, hashes, fromRoot, toRoot }: ConsistencyProof): boolean {
  if (!isCount(from) || !isCount(to) || from > to || !areHashes([fromRoot, toRoot, ...hashes])) return false;
  if (from === to) return hashes.length === 0 && Buffer.compare(fromRoot, toRoot) === 0;
  if (from === 0) return hashes.length === 0 && Buffer.compare(fromRoot, rootOf([])) === 0;
  // Where the smaller tree is a perfect one, its root is the first hash, and the proof leaves it out.
  const path = isPowerOfTwo(from) ? [fromRoot, ...hashes] : hashes;
  let fn = BigInt(from) - 1n;
  let sn = BigInt(to) - 1n;
  while (isOdd(fn)) {
    fn >>= 1n;
    sn >>= 1n;
  }
  const [first, ...rest] = path;
  if (first === undefined) return false;
  let older: Uint8Array = first;
  let newer: Uint8Array = first;
  for (const sibling of rest) {
    if (sn === 0n) return false;
    if (isOdd(fn) || fn === sn) {
      older = nodeHash(sibling, older);
      newer = nodeHash(sibling, newer);
      if (!isOdd(fn)) [fn, sn] = shiftedUntilOdd(fn, sn);
    } else {
      newer = nodeHash(newer, sibling);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && Buffer.compare(older, fromRoot) === 0 && Buffer.compare(newer, toRoot) === 0;
}

/** "Right-shift both equally until LSB(fn) is set or fn is 0." */
function shiftedUntilOdd(fn: bigint, sn: bigint): [bigint, bigint] {
  while (fn !== 0n && !isOdd(fn)) {
    fn >>= 1n;
    sn >>= 1n;
  }
  return [fn, sn];
}

function isOdd(value: bigint): boolean {
  return (value & 1n) === 1n;
}

function isPowerOfTwo(value: number): boolean {
  const big = BigInt(value);
  return (big & (big - 1n)) === 0n;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function areHashes(values: readonly Uint8Array[]): boolean {
  return values.every((value) => value.length === HASH_BYTES);
}
