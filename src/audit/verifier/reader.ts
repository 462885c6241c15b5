/**
 * Reads the files of a log by the bundle: entries, leaf hashes and openings of 256 records, some bundles ahead.
 *
 * @module
 */
import { HASH_BYTES, leafHash, TILE_WIDTH } from './merkle.ts';
import { claimedIndex } from './record.ts';
import type { LogSource } from './source.ts';
import { splitBundle, tilePath, widthOf, type TileKind } from './tiles.ts';

/** Bundles that are asked for before they are needed: hides the way to a server that is far. */
const AHEAD = 8;

/** Up to 256 records, with what lies beside them. Places are indexes of records. */
export interface Chunk {
  /** Index of the first record of the bundle. */
  readonly start: number;
  /** Index of the first record that is asked for; more than `start` where a reading goes on within a bundle. */
  readonly from: number;
  readonly to: number;
  readonly entriesFile: string;
  readonly leavesFile: string;
  /** False where the bundle holds more than the records that belong there. */
  readonly noLeftOver: boolean;
  readonly hasEntries: boolean;
  readonly openingsFile: string;
  readonly hasOpenings: boolean;
  /** The bytes of a record; null where it is missing. */
  entry(index: number): Buffer | null;
  /** The hash tile's leaf; null where the tile is missing or short. */
  leaf(index: number): Buffer | null;
  /** The line of openings; null where it is missing. */
  opening(index: number): string | null;
  /** The index that the record at a place claims; null outside this chunk, and where there is none. */
  claimed(index: number): number | null;
  /** Length of the hash tile: that of as many hashes as there are records, where it is whole; null where it is missing. */
  readonly leavesBytes: number | null;
}

export class LogReader {
  readonly #source: LogSource;

  constructor(source: LogSource) {
    this.#source = source;
  }

  /** Every record from one index up to another, in a log that has so many. */
  async *chunks(from: number, size: number): AsyncGenerator<Chunk> {
    const asked: Promise<Chunk>[] = [];
    let next = from;
    while (next < size || asked.length > 0) {
      while (next < size && asked.length < AHEAD) {
        const chunk = this.chunk(next, size);
        // Whoever waits for it is told; nobody is, where an earlier one fails.
        chunk.catch(() => undefined);
        asked.push(chunk);
        next = (Math.floor(next / TILE_WIDTH) + 1) * TILE_WIDTH;
      }
      yield await asked.shift()!;
    }
  }

  /** The bundle of a record, from this record on. */
  async chunk(from: number, size: number): Promise<Chunk> {
    const index = Math.floor(from / TILE_WIDTH);
    const start = index * TILE_WIDTH;
    const width = widthOf(index, size);
    const [bundle, leaves, openings] = await Promise.all([
      this.#file('tile/entries', index, width),
      this.tile('tile/0', index, width),
      this.#file('openings', index, width),
    ]);
    const { entries, whole } = bundle === null ? { entries: [], whole: true } : splitBundle(bundle.bytes);
    const lines = openings === null ? [] : Buffer.from(openings.bytes).toString().split('\n');
    const inside = (at: number): boolean => at >= start && at < start + width;
    return {
      start,
      from,
      to: start + width,
      entriesFile: tilePath('tile/entries', index, width),
      leavesFile: tilePath('tile/0', index, width),
      // What is read from the full bundle, where the log has grown, goes on after these records.
      noLeftOver: bundle === null || !bundle.exact || entries.length < width || (entries.length === width && whole),
      hasEntries: bundle !== null,
      openingsFile: tilePath('openings', index, width),
      hasOpenings: openings !== null,
      entry: (at) => (inside(at) ? (entries[at - start] ?? null) : null),
      leaf: (at) => {
        const offset = (at - start) * HASH_BYTES;
        if (!inside(at) || leaves === null || leaves.length < offset + HASH_BYTES) return null;
        return Buffer.from(leaves.buffer, leaves.byteOffset + offset, HASH_BYTES);
      },
      opening: (at) => (inside(at) ? lines[at - start] || null : null),
      claimed: (at) => {
        const entry = inside(at) ? entries[at - start] : undefined;
        return entry === undefined ? null : claimedIndex(entry);
      },
      leavesBytes: leaves === null ? null : leaves.length,
    };
  }

  /** The hashes of a tile, as many as there must be; fewer where the file is short, null where it is missing. */
  async tile(kind: TileKind, index: number, width: number): Promise<Uint8Array | null> {
    const file = await this.#file(kind, index, width);
    if (file === null) return null;
    // A file that is too long is told by its length; a full tile that stands in for a part of it is cut.
    return file.exact ? file.bytes : file.bytes.subarray(0, width * HASH_BYTES);
  }

  /** Leaf hashes from an index on, of the records and of the tiles, to tell what became of them. */
  async window(from: number, size: number): Promise<Window> {
    const chunk = await this.chunk(from, size);
    const chunks = chunk.to < size ? [chunk, await this.chunk(chunk.to, size)] : [chunk];
    const of = (index: number): Chunk | undefined => chunks.find(({ to }) => index < to);
    const records = new Map<number, Buffer>();
    const leaves = new Map<number, Buffer>();
    const to = chunks.at(-1)!.to;
    for (let index = from; index < to; index++) {
      const entry = of(index)!.entry(index);
      const leaf = of(index)!.leaf(index);
      if (entry !== null) records.set(index, leafHash(entry));
      if (leaf !== null) leaves.set(index, leaf);
    }
    return { to, records, leaves, first: chunk };
  }

  /** Whether no record is to be found from an index on: near it, and at the end. */
  async endsAt(index: number, size: number): Promise<boolean> {
    const last = await this.chunk(size - 1, size);
    return last.entry(size - 1) === null && (await this.window(index, size)).records.size === 0;
  }

  async #file(kind: TileKind, index: number, width: number): Promise<{ bytes: Uint8Array; exact: boolean } | null> {
    const exact = await this.#source.read(tilePath(kind, index, width));
    if (exact !== null) return { bytes: exact, exact: true };
    if (width === TILE_WIDTH) return null;
    // tlog-tiles lets a log drop a partial tile once the full one is there.
    const full = await this.#source.read(tilePath(kind, index));
    return full === null ? null : { bytes: full, exact: false };
  }
}

export interface Window {
  readonly to: number;
  /** Leaf hashes that the records make, by their places. */
  readonly records: ReadonlyMap<number, Buffer>;
  /** Leaf hashes of the tiles. */
  readonly leaves: ReadonlyMap<number, Buffer>;
  readonly first: Chunk;
}
