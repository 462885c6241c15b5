/**
 * One group of the log: jobs that commit together. The functions here are the writer, apart from the thread they run in.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import type { Random } from '../ports/random.ts';
import { monotonicMs } from '../ports/clock.ts';
import { entityOf, type Change } from '../store/change.ts';
import type { LogTail, StoredCheckpoint, StoreWriter } from '../store/contract.ts';
import { rootOf, signCheckpoint, type LogSigner } from './note.ts';
import { VERDICTS, type CommittedMessage, type Outcome, type RecordedJob, type WireJob } from './protocol.ts';
import { sealRecord, type RecordDraft } from './record.ts';
import { Frontier, levelsOf, split, TILE_WIDTH, treeHead } from './tree.ts';

/** SQLite's primary result code for a violated constraint. */
const SQLITE_CONSTRAINT = 19;

/**
 * A record waits no longer for a checkpoint that covers it. One signature costs 50 µs, so four a second cost nothing;
 * what is asked for is one within a second.
 */
export const CHECKPOINT_EVERY_MS = 250;

/** Entities whose last change is remembered one by one: what changes within some seconds at the fastest. */
export const CHANGES_MAX = 50_000;

/** Signs what a job asks for; throws where a key cannot. */
export type SignAll = (job: RecordedJob) => readonly Uint8Array[];

interface Verdict {
  readonly id: number;
  readonly verdict: (typeof VERDICTS)[number];
  readonly index: number;
  readonly signatures: readonly Uint8Array[];
}

interface OpenGroup {
  readonly verdicts: Verdict[];
  readonly changed: Set<string>;
  readonly leaves: Buffer[];
  nextIndex: number;
  lastTimeMs: number;
}

/**
 * The state of the log between groups: where the next record goes, and when each entity last changed.
 *
 * A group is begun, takes jobs, and commits. Nothing it did is remembered here before the commit has returned, so a
 * failed commit leaves the state as it was, and `reload` reads it again from the store, as the start does.
 */
export class LogWriter {
  readonly #random: Random;
  #store: StoreWriter;
  #tail: LogTail;
  #tree: Frontier;
  #signer: LogSigner | null = null;
  #checkpointAtMs = Number.NEGATIVE_INFINITY;
  #sequence = 0;
  /** Entity → sequence of its last change, the one that changed longest ago first. */
  readonly #changedAt = new Map<string, number>();
  /** What is not in `#changedAt` has not changed after this. */
  #forgottenAt = 0;
  #group: OpenGroup | null = null;

  constructor(store: StoreWriter, random: Random) {
    this.#store = store;
    this.#random = random;
    this.#tail = store.tail();
    this.#tree = recoverTree(store, this.#tail);
  }

  get tail(): LogTail {
    return this.#tail;
  }

  /** From now on, checkpoints are made. */
  signWith(signer: LogSigner): void {
    this.#signer = signer;
  }

  /** The next commit makes a checkpoint, however young the last one is. */
  checkpointNow(): void {
    this.#checkpointAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Milliseconds until a checkpoint over `size` records is due, 0 where it is; null where the newest covers them. */
  checkpointDueMs(size = this.#tail.nextIndex): number | null {
    if (this.#signer === null || size === (this.#tail.checkpoint?.size ?? 0)) return null;
    return Math.max(0, this.#checkpointAtMs + CHECKPOINT_EVERY_MS - monotonicMs());
  }

  begin(): void {
    this.#store.begin();
    const { nextIndex, lastTimeMs } = this.#tail;
    this.#group = { verdicts: [], changed: new Set(), leaves: [], nextIndex, lastTimeMs };
  }

  /** Takes one job into the group: checks that its decision still holds, applies its changes, signs, records. */
  take(job: WireJob, changes: readonly Change[], signAll: SignAll): void {
    const group = this.#open();
    if (job.draft === null) {
      this.#store.apply(changes);
      group.verdicts.push({ id: job.id, verdict: 'done', index: -1, signatures: [] });
      return;
    }
    if (job.read.some((name) => group.changed.has(name) || this.#lastChange(name) > job.decidedAt)) {
      group.verdicts.push({ id: job.id, verdict: 'stale', index: -1, signatures: [] });
      return;
    }
    if (changes.length > 0 && !this.#applied(changes)) return this.#record(job, 'CONFLICT', 'conflict', []);
    for (const change of changes) {
      const touched = entityOf(change);
      if (touched !== null) group.changed.add(touched);
    }
    let signatures: readonly Uint8Array[];
    try {
      signatures = signAll(job);
    } catch {
      return this.#record(job, 'INTERNAL', 'sign-failed', []);
    }
    this.#record(job, job.outcome, 'done', signatures);
  }

  /**
   * Makes the group durable, with a checkpoint that covers it where one is due, and says what became of its jobs. A
   * throw means that nothing is known to be durable.
   */
  commit(): CommittedMessage {
    const group = this.#open();
    const tree = this.#grown(group.leaves);
    const checkpoint = this.#dueCheckpoint(tree);
    const begunMs = monotonicMs();
    this.#store.commit();
    const commitMs = monotonicMs() - begunMs;
    // From here on the group is durable: a crash before the answers leave costs the callers an answer, not the log.
    this.#group = null;
    this.#tree = tree;
    this.#tail = {
      ...this.#tail,
      nextIndex: group.nextIndex,
      lastTimeMs: group.lastTimeMs,
      checkpoint: checkpoint ?? this.#tail.checkpoint,
    };
    if (checkpoint !== null) this.#checkpointAtMs = begunMs;
    if (group.changed.size > 0) {
      this.#sequence += 1;
      this.#remember(group.changed);
    }
    return {
      kind: 'committed',
      size: group.nextIndex,
      checkpoint,
      commitMs,
      sequence: this.#sequence,
      changed: [...group.changed],
      ...packedVerdicts(group.verdicts),
    };
  }

  /** Gives up the group; the ids of its jobs. */
  abandon(): number[] {
    const ids = this.#group?.verdicts.map(({ id }) => id) ?? [];
    this.#group = null;
    try {
      this.#store.rollback();
    } catch {
      // The connection is beyond use; `reload` opens a new one.
    }
    return ids;
  }

  /** Goes on with a store that was opened anew: what it holds is what happened. */
  reload(store: StoreWriter): void {
    this.#store = store;
    this.#tail = store.tail();
    this.#tree = recoverTree(store, this.#tail);
  }

  close(): void {
    this.#store.close();
  }

  /** Sequence of an entity's last change, or one that is later. */
  #lastChange(name: string): number {
    return this.#changedAt.get(name) ?? this.#forgottenAt;
  }

  #remember(changed: Iterable<string>): void {
    for (const name of changed) {
      this.#changedAt.delete(name);
      this.#changedAt.set(name, this.#sequence);
    }
    if (this.#changedAt.size <= CHANGES_MAX) return;
    // The older half at once, so that it costs nothing most of the time. A decision from before then is made again.
    for (const [name, sequence] of this.#changedAt) {
      if (this.#changedAt.size <= CHANGES_MAX / 2) return;
      this.#changedAt.delete(name);
      this.#forgottenAt = sequence;
    }
  }

  #applied(changes: readonly Change[]): boolean {
    try {
      this.#store.apply(changes);
      return true;
    } catch (error) {
      if (((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_CONSTRAINT) return false;
      throw error;
    }
  }

  #record(job: RecordedJob, outcome: Outcome, verdict: Verdict['verdict'], signatures: readonly Uint8Array[]): void {
    const group = this.#open();
    const index = group.nextIndex;
    const { draft } = job;
    group.lastTimeMs = Math.max(group.lastTimeMs, draft.atMs);
    const sealed = sealRecord(
      draft,
      {
        logId: this.#tail.logId,
        index,
        timeMs: group.lastTimeMs,
        latencyUs: Math.max(0, Math.round((monotonicMs() - draft.startedMs) * 1000)),
        outcome: draft.phase === 'intent' ? null : outcome,
      },
      this.#random,
    );
    this.#store.append({ index, ...sealed, ...columns(draft), timeMs: group.lastTimeMs, outcome });
    group.leaves.push(sealed.leaf);
    group.nextIndex = index + 1;
    group.verdicts.push({ id: job.id, verdict, index, signatures });
  }

  /** The tree with the group's leaves; the hashes that they complete go into the group's transaction. */
  #grown(leaves: readonly Buffer[]): Frontier {
    const tree = this.#tree.copy();
    for (const leaf of leaves) {
      tree.append(leaf, ({ level, index, hash }) => this.#store.appendTreeHash(level, index, hash));
    }
    return tree;
  }

  /** A checkpoint over the whole tree, in the transaction of the group, where it is time for one. */
  #dueCheckpoint(tree: Frontier): StoredCheckpoint | null {
    if (this.#signer === null || this.checkpointDueMs(tree.size) !== 0) return null;
    const checkpoint = signCheckpoint(this.#signer, tree.size, tree.root());
    this.#store.appendCheckpoint(checkpoint);
    return checkpoint;
  }

  #open(): OpenGroup {
    if (this.#group === null) throw new ClavigerError('INTERNAL', 'no group is open');
    return this.#group;
  }
}

function columns(draft: RecordDraft): {
  tenantId: string | null;
  requestId: string;
  keyId: string | null;
  principal: string | null;
  operation: string;
} {
  const { tenantId, requestId, keyId, principal, operation } = draft;
  return { tenantId, requestId, keyId, principal, operation: operation ?? '' };
}

/**
 * The tree as the store has it. Hashes above the leaves that are missing, as in a store of an older release, are made
 * and kept first.
 *
 * @throws STORE_UNAVAILABLE where the newest checkpoint was signed over another tree
 */
function recoverTree(store: StoreWriter, { nextIndex, checkpoint }: LogTail): Frontier {
  completeTreeHashes(store, nextIndex);
  if (checkpoint !== null && !signedOver(store, nextIndex, checkpoint)) {
    throw new ClavigerError(
      'STORE_UNAVAILABLE',
      `the log in the store is not the one that its checkpoint over ${checkpoint.size} records was signed for: it was changed from outside; restore a backup, and find the difference with \`claviger audit verify\``,
    );
  }
  return Frontier.at(nextIndex, store);
}

function signedOver(store: StoreWriter, nextIndex: number, checkpoint: StoredCheckpoint): boolean {
  return checkpoint.size <= nextIndex && Frontier.at(checkpoint.size, store).root().equals(rootOf(checkpoint));
}

function completeTreeHashes(store: StoreWriter, size: number): void {
  for (let level = 1; level <= levelsOf(size); level++) {
    const wanted = Math.floor(size / TILE_WIDTH ** level);
    const kept = store.treeHashCount(level);
    if (kept === wanted) continue;
    store.begin();
    for (let index = kept; index < wanted; index++) {
      const below = split(store.treeHashes(level - 1, index * TILE_WIDTH, TILE_WIDTH));
      store.appendTreeHash(level, index, treeHead(below));
    }
    store.commit();
  }
}

function packedVerdicts(
  verdicts: readonly Verdict[],
): Pick<CommittedMessage, 'ids' | 'verdicts' | 'indexes' | 'signatures'> {
  return {
    ids: Float64Array.from(verdicts, ({ id }) => id),
    verdicts: Uint8Array.from(verdicts, ({ verdict }) => VERDICTS.indexOf(verdict)),
    indexes: Float64Array.from(verdicts, ({ index }) => index),
    signatures: packSignatures(verdicts.flatMap(({ signatures }) => signatures)),
  };
}

function packSignatures(signatures: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(signatures.reduce((sum, signature) => sum + 2 + signature.length, 0));
  let offset = 0;
  for (const signature of signatures) {
    packed[offset] = signature.length >> 8;
    packed[offset + 1] = signature.length & 0xff;
    packed.set(signature, offset + 2);
    offset += 2 + signature.length;
  }
  return packed;
}
