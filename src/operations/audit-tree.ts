/**
 * The log as a tree, for whoever checks it: the key that it is signed with, checkpoints, hash tiles and proofs. None of
 * it tells what is in a record, so every tenant's auditor may read it.
 *
 * @module
 * @see https://c2sp.org/tlog-tiles
 */
import { consistencyProof, inclusionProof } from '../audit/proof.ts';
import { parseHashTilePath, rangeOf } from '../audit/tiles.ts';
import { TILE_WIDTH } from '../audit/tree.ts';
import { ClavigerError } from '../errors.ts';
import type { StoredCheckpoint } from '../store/contract.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';

export interface TileInput {
  /** Of a hash tile `LEVEL/NUMBER`, otherwise `NUMBER`; with `.p/WIDTH` where it is not full. */
  readonly tile: string;
}

/** The verifier key and a newline. */
export const getAuditLogKey: Operation<Record<string, never>, string> = {
  name: 'ReadAuditTree',
  run(scope) {
    scope.readTenant();
    return { output: `${scope.services.logKey}\n` };
  },
};

export interface CheckpointInput {
  /** True for the newest that enough witnesses have signed as well; it may be a little older. */
  readonly cosigned?: boolean | undefined;
}

/** A signed note. */
export const getAuditCheckpoint: Operation<CheckpointInput, string> = {
  name: 'ReadAuditTree',
  async run(scope, { cosigned = false }) {
    scope.readTenant();
    if (!cosigned) return { output: (await newestCheckpoint(scope)).note };
    const { keepers } = scope.services;
    const found = keepers.newestCosigned;
    if (found !== null) return { output: found.note };
    const hasWitness = keepers.status().some(({ kind }) => kind === 'witness');
    throw new ClavigerError(
      'NOT_FOUND',
      hasWitness
        ? 'no checkpoint has been signed by enough of `audit.witnesses` yet; ask again, or without `cosigned`'
        : 'nobody signs the checkpoints of this log as well: `audit.witnesses` of the configuration names none',
    );
  },
};

export interface ListAuditCheckpointsInput {
  /** Checkpoints over more records than these; 0 where it is not given. */
  readonly after?: number | undefined;
  /** 1 to 1,000; 1,000 where it is not given. */
  readonly limit?: number | undefined;
}

const CHECKPOINTS_MAX = 1000;

/** A line of JSON a checkpoint. */
export const listAuditCheckpoints: Operation<ListAuditCheckpointsInput, string> = {
  name: 'ReadAuditTree',
  async run(scope, { after = 0, limit = CHECKPOINTS_MAX }) {
    scope.readTenant();
    const found = await scope.services.cache.store.checkpoints(after, Math.min(limit, CHECKPOINTS_MAX));
    return { output: found.map(({ size, note }) => `${JSON.stringify({ size, note })}\n`).join('') };
  },
};

/** Hashes of 32 bytes, joined. */
export const getAuditTile: Operation<TileInput, Uint8Array> = {
  name: 'ReadAuditTree',
  async run(scope, { tile }) {
    scope.readTenant();
    const place = parseHashTilePath(tile);
    if (place === null) throw notATile(tile, '0/000');
    const { size } = await newestCheckpoint(scope);
    const { from, count } = rangeOf(place);
    if (from + count > Math.floor(size / TILE_WIDTH ** place.level)) throw noTileYet(tile, size);
    return { output: await scope.services.cache.store.treeHashes(place.level, from, count) };
  },
};

export interface InclusionInput {
  readonly index: number;
  /** Records of the tree to prove it for; those of the newest checkpoint where it is not given. */
  readonly size?: number | undefined;
}

export interface InclusionProof {
  readonly index: number;
  readonly size: number;
  /** Base64. */
  readonly leafHash: string;
  /** Base64, from the leaf upwards: RFC 9162, section 2.1.3. */
  readonly hashes: readonly string[];
}

export const proveAuditInclusion: Operation<InclusionInput, InclusionProof> = {
  name: 'ReadAuditTree',
  async run(scope, { index, size: wanted }) {
    scope.readTenant();
    const size = await provableSize(scope, wanted);
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
      throw new ClavigerError('INVALID_ARGUMENT', `\`index\` must be from 0 to ${size - 1}, below \`size\``);
    }
    return { output: await provenInclusion(scope, index, size) };
  },
};

/** The proof that a record is among the first `size`. */
export async function provenInclusion({ services }: Scope, index: number, size: number): Promise<InclusionProof> {
  const { store } = services.cache;
  const leaf = await store.treeHashes(0, index, 1);
  const hashes = await inclusionProof((...wanted) => store.treeHashes(...wanted), index, size);
  return { index, size, leafHash: leaf.toBase64(), hashes: hashes.map((hash) => hash.toString('base64')) };
}

export interface ConsistencyInput {
  readonly from: number;
  /** The newest checkpoint's where it is not given. */
  readonly to?: number | undefined;
}

export interface ConsistencyProof {
  readonly from: number;
  readonly to: number;
  /** Base64: RFC 9162, section 2.1.4. */
  readonly hashes: readonly string[];
}

export const proveAuditConsistency: Operation<ConsistencyInput, ConsistencyProof> = {
  name: 'ReadAuditTree',
  async run(scope, { from, to: wanted }) {
    scope.readTenant();
    const to = await provableSize(scope, wanted);
    if (!Number.isSafeInteger(from) || from < 1 || from > to) {
      throw new ClavigerError('INVALID_ARGUMENT', `\`from\` must be from 1 to ${to}, not above \`to\``);
    }
    const { store } = scope.services.cache;
    const hashes = await consistencyProof((...asked) => store.treeHashes(...asked), from, to);
    return { output: { from, to, hashes: hashes.map((hash) => hash.toString('base64')) } };
  },
};

/** The newest checkpoint. A log has one a moment after its first record. */
export async function newestCheckpoint({ services: { ledger } }: Scope): Promise<StoredCheckpoint> {
  return ledger.checkpoint ?? (await ledger.checkpointOver(0));
}

/** @throws INVALID_ARGUMENT for a size that no checkpoint covers yet */
async function provableSize(scope: Scope, wanted: number | undefined): Promise<number> {
  const { size } = await newestCheckpoint(scope);
  if (wanted === undefined) return size;
  if (Number.isSafeInteger(wanted) && wanted >= 1 && wanted <= size) return wanted;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `proofs are given for 1 to ${size} records: the newest checkpoint covers ${size}`,
  );
}

/** A path that names no tile, whatever the log has. */
export function notATile(tile: string, example: string): ClavigerError {
  return new ClavigerError(
    'NOT_FOUND',
    `there is no tile \`${tile.slice(0, 64)}\`: a path is such as \`${example}\`, or \`${example}.p/5\` where it is not full`,
  );
}

/** What is beyond the newest checkpoint does not exist yet. */
export function noTileYet(tile: string, size: number): ClavigerError {
  return new ClavigerError(
    'NOT_FOUND',
    `there is no tile \`${tile}\` yet: the newest checkpoint covers ${size} records, and a tile that is not full ends in \`.p/\` and its width`,
  );
}
