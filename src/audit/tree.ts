/**
 * The Merkle tree of the log, as its writer grows it: RFC 6962, section 2.1, with SHA-256.
 *
 * The tree is never held whole. A frontier holds the roots of the complete subtrees that the size's binary digits name,
 * and gives out the roots of every 256, 256², … leaves on the way: the hashes of C2SP tlog-tiles above level 0.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { ownBytes } from '../bytes/own.ts';
import type { StoreWriter } from '../store/contract.ts';

/** Hashes in a full tile, and leaves below one hash of the tile above it. */
export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;
export const HASH_BYTES = 32;

/** The root of a complete subtree of 256^level leaves, the `index`-th of its level. */
export interface TileHash {
  readonly level: number;
  readonly index: number;
  readonly hash: Buffer;
}

const LEAF_PREFIX = Buffer.of(0x00);
/** What is hashed into a node: 0x01 ‖ left ‖ right. Filled and used up within one call. */
const node = Buffer.concat([Buffer.of(0x01), Buffer.alloc(2 * HASH_BYTES)]);

/** Through a string, which costs half of what Node takes to make a buffer that is not of its pool. */
function sha256(bytes: Uint8Array): Buffer {
  return Buffer.from(hash('sha256', bytes, 'binary'), 'binary');
}

/** SHA-256(0x00 ‖ entry). */
export function leafHash(entry: Uint8Array): Buffer {
  return sha256(Buffer.concat([LEAF_PREFIX, entry]));
}

/** The bytes of an entry's text, and its leaf hash. */
export function leafOf(text: string): { readonly entry: Buffer; readonly leaf: Buffer } {
  const length = Buffer.byteLength(text);
  // The prefix is written in front of the entry, so that nothing need be put together anew to be hashed.
  const prefixed = Buffer.allocUnsafe(1 + length);
  prefixed[0] = LEAF_PREFIX[0]!;
  prefixed.write(text, 1, length === text.length ? 'latin1' : 'utf8');
  return { entry: prefixed.subarray(1), leaf: sha256(prefixed) };
}

/** SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}

/** The tree head over leaf hashes, in order; SHA-256 of nothing where there are none. */
export function treeHead(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return sha256(Buffer.alloc(0));
  if (leaves.length === 1) return Buffer.from(leaves[0]!);
  const split = largestPowerBelow(leaves.length);
  return nodeHash(treeHead(leaves.slice(0, split)), treeHead(leaves.slice(split)));
}

/** The largest power of two that is less than `count`, which is at least 2. */
export function largestPowerBelow(count: number): number {
  // Numbers of leaves outgrow the 32 bits of JavaScript's bit operators.
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

/** The right edge of a tree: all that is needed to append to it and to know its root. */
export class Frontier {
  #size: number;
  /** Roots of complete subtrees, the largest first: one for each binary digit 1 of the size. They live for long. */
  readonly #roots: Uint8Array[];

  private constructor(size: number, roots: Uint8Array[]) {
    this.#size = size;
    this.#roots = roots;
  }

  static empty(): Frontier {
    return new Frontier(0, []);
  }

  /** The frontier of the first `size` leaves, from hashes that the store has for all of them. */
  static at(size: number, store: Pick<StoreWriter, 'treeHashes'>): Frontier {
    const roots: Uint8Array[] = [];
    for (let level = levelsOf(size); level >= 0; level--) {
      const complete = Math.floor(size / TILE_WIDTH ** level);
      const width = complete % TILE_WIDTH;
      const tile = split(store.treeHashes(level, complete - width, width));
      if (tile.length < width) throw new Error(`the store has ${tile.length} of ${width} hashes of level ${level}`);
      let from = 0;
      for (let part = TILE_WIDTH / 2; part >= 1; part /= 2) {
        if ((width & part) === 0) continue;
        roots.push(ownBytes(treeHead(tile.slice(from, from + part))));
        from += part;
      }
    }
    return new Frontier(size, roots);
  }

  get size(): number {
    return this.#size;
  }

  copy(): Frontier {
    return new Frontier(this.#size, [...this.#roots]);
  }

  /** Appends a leaf; calls `completed` for each tile hash that it completes, the lowest level first. */
  append(leaf: Buffer, completed: (hash: TileHash) => void): void {
    let root = leaf;
    let below = this.#size;
    let height = 0;
    for (; below % 2 === 1; below = (below - 1) / 2) {
      root = nodeHash(this.#roots.pop()!, root);
      height += 1;
      if (height % TILE_HEIGHT === 0) completed({ level: height / TILE_HEIGHT, index: (below - 1) / 2, hash: root });
    }
    this.#roots.push(ownBytes(root));
    this.#size += 1;
  }

  root(): Buffer {
    const [smallest, ...larger] = this.#roots.toReversed();
    if (smallest === undefined) return treeHead([]);
    return larger.reduce<Buffer>((right, left) => nodeHash(left, right), Buffer.from(smallest));
  }
}

/** The highest level that has a hash in a tree of this size. */
export function levelsOf(size: number): number {
  let level = 0;
  while (size >= TILE_WIDTH ** (level + 1)) level += 1;
  return level;
}

/** Hashes that stand one after the other. */
export function split(joined: Uint8Array): Buffer[] {
  const bytes = Buffer.from(joined.buffer, joined.byteOffset, joined.length);
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, at) =>
    bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
  );
}
