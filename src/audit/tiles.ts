/**
 * Paths of the log's files, as C2SP tlog-tiles lays them out: `tile/0/x001/067`, `tile/entries/000.p/3`.
 *
 * @module
 * @see https://c2sp.org/tlog-tiles
 */
import { TILE_WIDTH } from './tree.ts';

/** The highest level that the format has: 256^6 records are beyond what counts exactly. */
const LEVEL_MAX = 5;

/** A tile or bundle: the `index`-th of its kind, with its first `width` entries. */
export interface TilePlace {
  readonly index: number;
  readonly width: number;
}

export interface HashTilePlace extends TilePlace {
  readonly level: number;
}

/** Entries `[from, to)` of a tile that has `width` of them. */
export function rangeOf({ index, width }: TilePlace): { readonly from: number; readonly count: number } {
  return { from: index * TILE_WIDTH, count: width };
}

/** The path of a tile's number: `x001/067`, with `.p/W` where it is not full. */
export function tilePath({ index, width }: TilePlace): string {
  const digits = String(index).padStart(Math.ceil(Math.max(1, String(index).length) / 3) * 3, '0');
  const groups = digits.match(/.{3}/g)!;
  const path = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/');
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
}

/** Reads what `tilePath` writes; null for any other text. */
export function parseTilePath(path: string): TilePlace | null {
  const match = /^((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  if (match === null) return null;
  const index = Number(match[1]!.replaceAll(/[x/]/g, ''));
  const width = match[2] === undefined ? TILE_WIDTH : Number(match[2]);
  const place = { index, width };
  // One path for each tile: no zeros in front, no partial tile of full width.
  return Number.isSafeInteger(index * TILE_WIDTH) && width <= TILE_WIDTH && tilePath(place) === path ? place : null;
}

/** Reads `LEVEL/…`; null for any other text. */
export function parseHashTilePath(path: string): HashTilePlace | null {
  const match = /^(\d)\/(.*)$/.exec(path);
  const place = match === null ? null : parseTilePath(match[2]!);
  const level = Number(match?.[1]);
  return place === null || level > LEVEL_MAX ? null : { level, ...place };
}
