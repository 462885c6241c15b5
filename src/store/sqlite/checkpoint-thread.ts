/**
 * The thread of `Checkpointer`.
 *
 * @module
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openForCheckpoints } from './open.ts';

const db = openForCheckpoints(workerData as string);
const checkpoint = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');

parentPort!.on('message', () => {
  try {
    checkpoint.get();
  } catch {
    // A full disk, or somebody else who checkpoints: what is left is taken the next time.
  }
});
