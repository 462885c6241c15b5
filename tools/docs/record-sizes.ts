/**
 * What a record weighs, of the code that makes it: a signature under a P-256 key, asked for over REST, and a batch of them.
 *
 * @module
 */
import { generateKeyPairSync } from 'node:crypto';
import { signCheckpoint } from '../../src/audit/note.ts';
import { openedRecord } from '../../src/audit/opened.ts';
import { sealRecord, type Placement, type RecordDraft, type SealedRecord } from '../../src/audit/record.ts';
import { HASH_BYTES } from '../../src/audit/tree.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import { BATCH_ITEMS_MAX } from '../../src/operations/batch.ts';
import { NO_FACTS } from '../../src/operations/scope.ts';

const AT_MS = Date.UTC(2026, 0, 31, 12);
/** A log that is some days old. */
const SIZE = 1_234_567_890;
const UUID = '019a0000-0000-7000-8000-000000000001';
const DIGEST = Buffer.alloc(HASH_BYTES).toString('base64');

const PLACE: Placement = { logId: UUID, index: SIZE, timeMs: AT_MS, latencyUs: 1234, outcome: 'OK' };
const SIGN: RecordDraft = {
  ...NO_FACTS,
  phase: 'single',
  tenantId: UUID,
  principal: UUID,
  source: '192.0.2.123',
  operation: 'Sign',
  keyId: UUID,
  keyVersion: 1,
  provider: 'software',
  algorithm: 'ECDSA_SHA_256',
  digest: DIGEST,
  policies: ['crypto-user/use'],
  requestId: UUID,
  atMs: AT_MS,
  startedMs: 0,
  aggregate: null,
};

/** Bytes. */
export interface RecordSizes {
  readonly entry: number;
  readonly openings: number;
  /** What each item of a batch adds. */
  readonly batchItem: number;
  /** As a sink sends it. */
  readonly sent: number;
  /** In an export: entry, openings, leaf hash. */
  readonly exported: number;
  readonly checkpoint: number;
}

export function recordSizes(): RecordSizes {
  const one = sealRecord(SIGN, PLACE, systemRandom);
  const item = { keyVersion: 1, algorithm: SIGN.algorithm, digest: DIGEST, outcome: 'OK' };
  const items = Array.from({ length: BATCH_ITEMS_MAX }, () => item);
  const batch = sealRecord({ ...SIGN, operation: 'SignBatch', digest: null, items }, PLACE, systemRandom);
  const { privateKey: key } = generateKeyPairSync('ed25519');
  return {
    entry: one.entry.length,
    openings: one.openings.length,
    batchItem: Math.round(batch.items!.length / BATCH_ITEMS_MAX),
    sent: sentBytes(one),
    exported: one.entry.length + exportedLine(one).length + HASH_BYTES,
    checkpoint: signCheckpoint({ origin: `claviger/${UUID}`, key }, SIZE, Buffer.alloc(HASH_BYTES)).note.length,
  };
}

function sentBytes({ entry, leaf, openings, items }: SealedRecord): number {
  return JSON.stringify({ logId: UUID, ...openedRecord({ index: SIZE, entry, leaf, openings, items }) }).length;
}

function exportedLine({ openings }: SealedRecord): string {
  return `{"index":${SIZE},"openings":${openings}}\n`;
}
