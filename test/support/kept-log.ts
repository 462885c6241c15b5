/**
 * A log that keepers of checkpoints are given: the real ledger on a store of its own, signed with a key of its own.
 *
 * @module
 */
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { Ledger } from '../../src/audit/ledger.ts';
import { verifierKey, type LogSigner } from '../../src/audit/note.ts';
import { LOG_KEY_TYPES, parseVerifierKey, type VerifierKey } from '../../src/audit/signed-note.ts';
import type { StoredCheckpoint } from '../../src/store/contract.ts';
import { SqliteReader } from '../../src/store/sqlite/reader.ts';
import { draft } from '../unit/audit/jobs.ts';
import { removeFolder, testFolder } from './server.ts';

export interface KeptLog {
  readonly ledger: Ledger;
  readonly reader: SqliteReader;
  readonly signer: LogSigner;
  readonly key: VerifierKey;
  readonly treeHashes: SqliteReader['treeHashes'];
  readonly size: () => number;
  /** Writes records, and gives a checkpoint over them. */
  grow(records: number): Promise<StoredCheckpoint>;
  /** Closes it; a folder that was given stays. */
  close(): Promise<void>;
}

export interface KeptLogOptions {
  readonly folder?: string;
  readonly signer?: LogSigner;
}

export async function openKeptLog(options: KeptLogOptions = {}): Promise<KeptLog> {
  const folder = options.folder ?? testFolder();
  const signer = options.signer ?? { origin: 'claviger/kept', key: generateKeyPairSync('ed25519').privateKey };
  const path = join(folder, 'claviger.db');
  const ledger = await Ledger.open(
    { databasePath: path, settings: { 'log-id': '8c3f1e0a-5b7d-4a2f-9d6c-1f2e3d4c5b6a' } },
    { changed: () => undefined, failed: () => undefined },
  );
  ledger.signWith(signer);
  const reader = new SqliteReader(path);
  return {
    ledger,
    reader,
    signer,
    key: parseVerifierKey(verifierKey(signer), 'key', LOG_KEY_TYPES),
    treeHashes: (...wanted) => reader.treeHashes(...wanted),
    size: () => ledger.size,
    grow: async (records) => {
      const job = { decidedAt: 0, read: [], draft: draft(), outcome: 'OK', changes: [], signs: [] } as const;
      await Promise.all(Array.from({ length: records }, () => ledger.submit(job)));
      return ledger.checkpointOver(ledger.size - 1);
    },
    close: async () => {
      reader.close();
      await ledger.close();
      if (options.folder === undefined) removeFolder(folder);
    },
  };
}
