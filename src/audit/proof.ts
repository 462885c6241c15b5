/**
 * Proofs that the log gives out: that a record is in it, and that it has only grown (RFC 9162, sections 2.1.3.1 and
 * 2.1.4.1).
 *
 * @module
 */
import type { StoreReader } from '../store/contract.ts';
import { HASH_BYTES, largestPowerBelow, nodeHash, split, TILE_WIDTH, treeHead } from './tree.ts';

type ReadTreeHashes = StoreReader['treeHashes'];

/** The hashes that lead from leaf `index` to the root over `size` leaves, the lowest first. Needs index < size. */
export async function inclusionProof(read: ReadTreeHashes, index: number, size: number): Promise<readonly Buffer[]> {
  const path = async (from: number, to: number): Promise<readonly Buffer[]> => {
    if (to - from === 1) return [];
    const middle = from + largestPowerBelow(to - from);
    return index < middle
      ? [...(await path(from, middle)), await subtreeHead(read, middle, to)]
      : [...(await path(middle, to)), await subtreeHead(read, from, middle)];
  };
  return path(0, size);
}

/** The hashes by which the root over `old` leaves is found within the tree over `size`. Needs 0 < old ≤ size. */
export async function consistencyProof(read: ReadTreeHashes, old: number, size: number): Promise<readonly Buffer[]> {
  const subproof = async (from: number, to: number, whole: boolean): Promise<readonly Buffer[]> => {
    if (to === old) return whole ? [] : [await subtreeHead(read, from, to)];
    const middle = from + largestPowerBelow(to - from);
    return old <= middle
      ? [...(await subproof(from, middle, whole)), await subtreeHead(read, middle, to)]
      : [...(await subproof(middle, to, false)), await subtreeHead(read, from, middle)];
  };
  return subproof(0, size, true);
}

/** The root over the first `size` leaves. */
export async function rootOver(read: ReadTreeHashes, size: number): Promise<Buffer> {
  return size === 0 ? treeHead([]) : subtreeHead(read, 0, size);
}

/** The head over the leaves `[from, to)`, where `from` is a multiple of the size of the whole. */
async function subtreeHead(read: ReadTreeHashes, from: number, to: number): Promise<Buffer> {
  const count = to - from;
  if (isPowerOfTwo(count)) return completeHead(read, from, count);
  const middle = from + largestPowerBelow(count);
  return nodeHash(await subtreeHead(read, from, middle), await subtreeHead(read, middle, to));
}

/** The head of a complete subtree, from the hashes of the highest level of tiles that lies within it. */
async function completeHead(read: ReadTreeHashes, from: number, count: number): Promise<Buffer> {
  let level = 0;
  while (TILE_WIDTH ** (level + 1) <= count) level += 1;
  const below = TILE_WIDTH ** level;
  const wanted = count / below;
  const hashes = await read(level, from / below, wanted);
  if (hashes.length !== wanted * HASH_BYTES) throw new Error('the store has not all hashes of the tree');
  return treeHead(split(hashes));
}

function isPowerOfTwo(count: number): boolean {
  return Number.isInteger(Math.log2(count));
}
