/**
 * Whether a log goes on from a checkpoint that was seen before: told by the two checkpoints and a proof between them
 * (RFC 9162, section 2.1.4), without a look at records.
 *
 * @module
 */
import { bytesOf } from './base64.ts';
import { openCheckpoint, type Checkpoint, type NamedCheckpoint } from './checkpoint.ts';
import { finding, FindingError, MalformedError, type Finding } from './finding.ts';
import { HASH_BYTES, provesConsistency } from './merkle.ts';
import type { VerifierKey } from './note.ts';

export interface Succession {
  readonly key: VerifierKey;
  readonly older: NamedCheckpoint;
  readonly newer: NamedCheckpoint;
  /** Hashes of the proof between two sizes, in base64. It is asked only where the sizes need one. */
  readonly prove: (from: number, to: number) => Promise<readonly string[]>;
}

/** What is wrong with the newer checkpoint, for whoever has the older one; null where the log has only grown. */
export async function successionFinding({ key, older, newer, prove }: Succession): Promise<Finding | null> {
  let from: Checkpoint;
  let to: Checkpoint;
  try {
    from = openCheckpoint(older.note, key, older.name);
    to = openCheckpoint(newer.note, key, newer.name);
  } catch (error) {
    if (!(error instanceof FindingError)) throw error;
    return error.finding;
  }
  if (from.size > to.size) {
    return finding(
      'old-checkpoint',
      `${newer.name} has size ${to.size}, but ${older.name} has size ${from.size} already`,
    );
  }
  if (from.size === to.size) {
    if (from.root.equals(to.root)) return null;
    return finding('fork', `two checkpoints of size ${to.size} have different roots: ${newer.name}, and ${older.name}`);
  }
  // Every tree goes on from the empty one, and needs no hash to show it.
  const told = from.size === 0 ? [] : await prove(from.size, to.size);
  const hashes = hashesOf(told);
  if (
    hashes !== null &&
    provesConsistency({ from: from.size, to: to.size, hashes, fromRoot: from.root, toRoot: to.root })
  ) {
    return null;
  }
  return finding(
    'rewritten',
    `the log was rewritten: no proof shows that the first ${from.size} records of ${newer.name}, which has size ${to.size}, are those of ${older.name}`,
  );
}

function hashesOf(told: readonly string[]): readonly Buffer[] | null {
  try {
    return told.map((hash) => bytesOf(hash, HASH_BYTES));
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
}
