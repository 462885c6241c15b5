/**
 * Where a log's files are, and what is in a bundle of entries: C2SP tlog-tiles; the openings lie likewise.
 *
 * @module
 */
import { TILE_WIDTH } from './merkle.ts';

const LENGTH_BYTES = 2;

/** `tile/0`, `tile/entries`, `openings`. */
export type TileKind = `tile/${number}` | 'tile/entries' | 'openings';

/** `tile/0/x001/x234/067`, and `.p/W` for the first W of a tile that is not full. */
export function tilePath(kind: TileKind, index: number, width: number = TILE_WIDTH): string {
  const groups: string[] = [];
  let rest = index;
  do {
    groups.unshift(String(rest % 1000).padStart(3, '0'));
    rest = Math.floor(rest / 1000);
  } while (rest > 0);
  const path = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/');
  return `${kind}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** How many of a tile's places a tree of so many hashes at its level fills. */
export function widthOf(index: number, count: number): number {
  return Math.min(TILE_WIDTH, count - index * TILE_WIDTH);
}

export interface Bundle {
  readonly entries: readonly Buffer[];
  /** False where bytes are left that are no entry. */
  readonly whole: boolean;
}

/** Entries, each behind its length in 16 bits, big-endian. */
export function splitBundle(bytes: Uint8Array): Bundle {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Buffer[] = [];
  let at = 0;
  while (at + LENGTH_BYTES <= all.length) {
    const end = at + LENGTH_BYTES + all.readUInt16BE(at);
    if (end > all.length) break;
    entries.push(all.subarray(at + LENGTH_BYTES, end));
    at = end;
  }
  return { entries, whole: at === all.length };
}
