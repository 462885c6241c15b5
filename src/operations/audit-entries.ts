/**
 * The records of all tenants as the log holds them, and what opens their commitments: for a verifier and for exports.
 * It needs the system scope.
 *
 * @module
 * @see https://c2sp.org/tlog-tiles
 */
import { parseTilePath, rangeOf } from '../audit/tiles.ts';
import type { StoredRecord } from '../store/contract.ts';
import { newestCheckpoint, noTileYet, notATile, type TileInput } from './audit-tree.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';

export const getAuditEntries: Operation<TileInput, Uint8Array> = {
  name: 'ExportAuditEntries',
  async run(scope, input) {
    scope.readTenant();
    const records = await recordsOf(scope, input);
    const parts = records.flatMap(({ entry }) => [lengthOf(entry), entry]);
    return { output: Buffer.concat(parts) };
  },
};

export const getAuditOpenings: Operation<TileInput, string> = {
  name: 'ExportAuditEntries',
  async run(scope, input) {
    scope.readTenant();
    const lines = (await recordsOf(scope, input)).map(openingLine);
    return { output: lines.join('') };
  },
};

async function recordsOf(scope: Scope, { tile }: TileInput): Promise<readonly StoredRecord[]> {
  const place = parseTilePath(tile);
  if (place === null) throw notATile(tile, '000');
  const { from, count } = rangeOf(place);
  const { size } = await newestCheckpoint(scope);
  if (from + count > size) throw noTileYet(tile, size);
  return scope.services.cache.store.recordsFrom(from, count);
}

/** The length of an entry in front of it: 16 bits, big-endian. */
function lengthOf(entry: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(entry.length);
  return length;
}

/** JSON texts of the store, put together as they are. */
function openingLine({ index, openings, items }: StoredRecord): string {
  return `{"index":${index},"openings":${openings}${items === null ? '' : `,"items":${items}`}}\n`;
}
