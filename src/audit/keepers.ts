/**
 * Those who keep checkpoints elsewhere: witnesses, which sign them as well, and copies on other storage. A thief of the
 * whole machine can rewrite the log and sign it anew; what was kept elsewhere shows it.
 *
 * Rounds: every few seconds the newest checkpoint becomes the one of the round, and each keeper that is free gets it, so
 * that witnesses of different speed sign the same checkpoints. Nobody waits for a keeper. One that fails is asked again,
 * later and later; how far each has come is a cursor in the store.
 *
 * @module
 */
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Sleep } from '../ports/sleep.ts';
import type { HousekeepingChange } from '../store/change.ts';
import type { StoredCheckpoint, StoreReader } from '../store/contract.ts';
import { FollowedRecord } from './follow.ts';
import type { Ledger } from './ledger.ts';
import { parseNote, verifySignature, withSignatures, type NoteSignature, type VerifierKey } from './signed-note.ts';

/** The longest pause before a keeper that fails is asked again. */
const RETRY_MS_MAX = 300_000;
/** A stop waits no longer for keepers to take the last checkpoint. */
const FINISH_MS_MAX = 3000;
/** An error's text comes from outside, and stands in answers and logs. */
const ERROR_CHARS_MAX = 300;
const REWRITTEN = 'SAYS THAT THE PAST OF THE LOG WAS REWRITTEN';
/** Cursor of the newest checkpoint that enough witnesses have signed. */
const COSIGNED_CURSOR = 'checkpoint/cosigned';

export type KeeperKind = 'witness' | 'file' | 'webhook';

export interface CheckpointKeeper {
  readonly name: string;
  readonly kind: KeeperKind;
  /** It gets no two checkpoints within this time. */
  readonly everyMs: number;
  /**
   * Gives it a checkpoint; resolves once it is kept there, with the signatures that it has put under it.
   *
   * @param confirmed size of the last checkpoint that it has kept, as far as is known here; not above the given one's
   * @throws RewrittenError where it holds a checkpoint that our log does not continue
   * @throws Error in words where it has not kept it
   */
  give(checkpoint: StoredCheckpoint, confirmed: number, signal: AbortSignal): Promise<readonly NoteSignature[]>;
}

/** A keeper holds a checkpoint that the log as it is now does not continue: its past is another. */
export class RewrittenError extends Error {
  /** Records under that checkpoint; null where it is none of this log, or is not known. */
  readonly size: number | null;

  constructor(message: string, size: number | null = null) {
    super(message);
    this.size = size;
  }
}

export interface KeeperStatus {
  readonly name: string;
  readonly kind: KeeperKind;
  /** `rewritten`: it holds proof that the past of the log was changed. */
  readonly state: 'ok' | 'failing' | 'rewritten';
  /** Records under the last checkpoint that it has kept. */
  readonly confirmedSize: number;
  /** For how long there has been a newer one. */
  readonly lagSeconds: number;
  /** It has taken a checkpoint since the start. */
  readonly taken: boolean;
  /** Null once it has taken a checkpoint again. */
  readonly lastError: string | null;
}

export interface KeepersOptions {
  readonly keepers: readonly CheckpointKeeper[];
  /** Keys of the witnesses. */
  readonly witnessKeys: readonly VerifierKey[];
  /** Witnesses whose signatures make a checkpoint a cosigned one. */
  readonly quorum: number;
  readonly ledger: Pick<Ledger, 'size' | 'checkpoint' | 'checkpointOver' | 'keep'>;
  readonly store: Pick<StoreReader, 'cursor' | 'checkpoints' | 'recordsFrom'>;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly log: Log;
}

/** What the store knows of a keeper. */
interface Known {
  readonly confirmed: number;
  readonly behindSinceMs: number | null;
}

const NOTHING: Known = { confirmed: 0, behindSinceMs: null };

/** A keeper, and how it stands with it. */
interface KeeperState {
  readonly keeper: CheckpointKeeper;
  confirmed: number;
  /** False until a witness has answered: after a restore, what the store says of it is as old as the store. */
  sure: boolean;
  /** When the checkpoint that it waits for was first seen; from before the start, when its first record was made. */
  behindSinceMs: number | null;
  taken: boolean;
  /** It gets nothing in rounds before this one. */
  nextRound: number;
  failures: number;
  rewritten: boolean;
  lastError: string | null;
  running: Promise<void> | null;
}

export class CheckpointKeepers {
  readonly #options: KeepersOptions;
  readonly #states: readonly KeeperState[];
  /** Ends the rounds. */
  readonly #stopping = new AbortController();
  /** Ends what keepers are asked. */
  readonly #overdue = new AbortController();
  readonly #roundMs: number;
  #running: Promise<void> | null = null;
  #round = 0;
  /** The checkpoint of the round. */
  #newest: StoredCheckpoint | null = null;
  #cosigned: StoredCheckpoint | null;
  /** Signatures are put under notes one after the other, or one would be lost. */
  #confirming: Promise<void> = Promise.resolve();

  private constructor(options: KeepersOptions, known: readonly Known[], cosigned: StoredCheckpoint | null) {
    this.#options = options;
    this.#cosigned = cosigned;
    this.#roundMs = Math.min(...options.keepers.map(({ everyMs }) => everyMs));
    const records = options.ledger.size;
    this.#states = options.keepers.map((keeper, position) => {
      const { confirmed: before, behindSinceMs } = known[position]!;
      // A cursor commits after its records: a log that is shorter was cut. The keeper is asked from the beginning.
      const cut = before > records;
      const state: KeeperState = {
        keeper,
        confirmed: cut ? 0 : before,
        sure: keeper.kind !== 'witness',
        behindSinceMs,
        taken: false,
        nextRound: 0,
        failures: 0,
        rewritten: cut,
        lastError: cut ? `it has confirmed ${before} records of this log, which has ${records} now: it was cut` : null,
        running: null,
      };
      if (cut) this.#tell('error', state, REWRITTEN, { cause: state.lastError });
      return state;
    });
  }

  /** Reads how far each keeper has come; `begin` begins. */
  static async open(options: KeepersOptions): Promise<CheckpointKeepers> {
    const { keepers, store } = options;
    const known = await Promise.all(
      keepers.map(async (keeper) => {
        const confirmed = await store.cursor(cursorOf(keeper));
        // A new one is not behind with what was there before it.
        return confirmed === null ? NOTHING : { confirmed, behindSinceMs: await timeOf(store, confirmed) };
      }),
    );
    const kept = await checkpointAt(store, (await store.cursor(COSIGNED_CURSOR)) ?? 0);
    const cosigned = kept !== null && isCosigned(kept.note, options) ? kept : null;
    return new CheckpointKeepers(options, known, cosigned);
  }

  begin(): void {
    if (this.#states.length > 0) this.#running ??= this.#rounds();
  }

  /** The newest checkpoint that enough witnesses have signed; null where there is none, or no witness. */
  get newestCosigned(): StoredCheckpoint | null {
    return this.#cosigned;
  }

  status(): readonly KeeperStatus[] {
    const newest = this.#options.ledger.checkpoint?.size ?? 0;
    return this.#states.map(({ keeper, confirmed, behindSinceMs, taken, failures, rewritten, lastError }) => ({
      name: keeper.name,
      kind: keeper.kind,
      state: rewritten ? 'rewritten' : failures > 0 ? 'failing' : 'ok',
      confirmedSize: confirmed,
      lagSeconds:
        behindSinceMs === null || confirmed >= newest
          ? 0
          : Math.max(0, this.#options.clock.now() - behindSinceMs) / 1000,
      taken,
      lastError,
    }));
  }

  /** Ends the rounds, after one more with a checkpoint over everything, for which it takes a few seconds at most. */
  async finish(): Promise<void> {
    if (this.#running === null) return;
    this.#stopping.abort();
    const ended = new AbortController();
    // What a keeper does may heed no signal, such as a write to a file system that hangs: it is left behind.
    await Promise.race([this.#lastRound(), this.#options.sleep(FINISH_MS_MAX, ended.signal)]);
    ended.abort();
    this.#overdue.abort();
    await this.#running;
  }

  async #rounds(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#nextRound();
      await this.#options.sleep(this.#roundMs, this.#stopping.signal);
    }
  }

  #nextRound(): void {
    const { checkpoint } = this.#options.ledger;
    this.#round += 1;
    if (checkpoint === null) return;
    this.#newest = checkpoint;
    for (const state of this.#states) {
      if (checkpoint.size > state.confirmed) state.behindSinceMs ??= this.#options.clock.now();
      if (this.#round >= state.nextRound) this.#offer(state);
    }
  }

  async #lastRound(): Promise<void> {
    const { ledger } = this.#options;
    try {
      if (ledger.size > 0) this.#newest = await ledger.checkpointOver(ledger.size - 1);
    } catch {
      // A log that has failed makes no checkpoint any more.
    }
    await Promise.all(
      this.#states.map(async (state) => {
        await state.running;
        this.#offer(state);
        await state.running;
      }),
    );
  }

  #offer(state: KeeperState): void {
    const checkpoint = this.#newest;
    if (checkpoint === null || state.running !== null) return;
    if (checkpoint.size < state.confirmed || (checkpoint.size === state.confirmed && state.sure)) return;
    state.nextRound = this.#round + this.#roundsIn(state.keeper.everyMs);
    state.running = this.#give(state, checkpoint).finally(() => {
      state.running = null;
    });
  }

  async #give(state: KeeperState, checkpoint: StoredCheckpoint): Promise<void> {
    const begunMs = this.#options.clock.now();
    try {
      const signatures = await state.keeper.give(checkpoint, state.confirmed, this.#overdue.signal);
      const confirming = this.#confirming.then(() => this.#confirm(state, checkpoint, signatures));
      this.#confirming = confirming.catch(() => undefined);
      await confirming;
      const newest = this.#options.ledger.checkpoint?.size ?? 0;
      state.behindSinceMs = newest > checkpoint.size ? begunMs : null;
      this.#succeeded(state);
    } catch (error) {
      if (!this.#overdue.signal.aborted) this.#failed(state, error);
    }
  }

  /** Keeps in the store that a keeper has come so far, and its signatures under the checkpoint. */
  async #confirm(
    state: KeeperState,
    checkpoint: StoredCheckpoint,
    signatures: readonly NoteSignature[],
  ): Promise<void> {
    const { ledger, store } = this.#options;
    const { size } = checkpoint;
    const changes: HousekeepingChange[] = [{ put: 'cursor', name: cursorOf(state.keeper), position: size }];
    // The one in the store: another witness may have signed it meanwhile.
    const stored = signatures.length === 0 ? null : parseNote((await checkpointAt(store, size))?.note ?? '');
    const note = stored === null ? null : withSignatures(stored, signatures);
    const cosigned = note !== null && isCosigned(note, this.#options) && size >= (this.#cosigned?.size ?? 0);
    if (note !== null) changes.push({ put: 'cosigned', size, note });
    if (cosigned) changes.push({ put: 'cursor', name: COSIGNED_CURSOR, position: size });
    await ledger.keep(changes);
    state.confirmed = size;
    if (cosigned) this.#cosigned = { size, note };
  }

  #succeeded(state: KeeperState): void {
    if (state.failures > 0)
      this.#tell('info', state, 'takes checkpoints of the log again', { failures: state.failures });
    state.sure = true;
    state.taken = true;
    state.failures = 0;
    state.rewritten = false;
    state.lastError = null;
  }

  #failed(state: KeeperState, error: unknown): void {
    const cause = (error instanceof Error ? error.message : String(error)).slice(0, ERROR_CHARS_MAX);
    const rewritten = error instanceof RewrittenError;
    state.failures += 1;
    state.lastError = cause;
    state.rewritten ||= rewritten;
    const pauseMs = state.keeper.everyMs * 2 ** Math.min(state.failures - 1, 16);
    state.nextRound = this.#round + this.#roundsIn(Math.min(RETRY_MS_MAX, pauseMs));
    // Said again on every attempt: nothing in the log can be trusted until somebody has looked.
    if (rewritten) this.#tell('error', state, REWRITTEN, { cause });
    else if (state.failures === 1)
      this.#tell('warn', state, 'does not take the checkpoint; it is asked again', { cause });
  }

  #roundsIn(ms: number): number {
    return Math.ceil(ms / this.#roundMs);
  }

  #tell(
    level: 'info' | 'warn' | 'error',
    state: KeeperState,
    what: string,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    const { name, kind } = state.keeper;
    this.#options.log.write(level, `${NOUNS[kind]} \`${name}\` ${what}`, { confirmed: state.confirmed, ...fields });
  }
}

const NOUNS: Readonly<Record<KeeperKind, string>> = {
  witness: 'the witness',
  file: 'the copy of checkpoints',
  webhook: 'the copy of checkpoints',
};

function cursorOf({ kind, name }: CheckpointKeeper): string {
  return `checkpoint/${kind}/${name}`;
}

/** When a record was made; null where there is none. */
async function timeOf(store: Pick<StoreReader, 'recordsFrom'>, index: number): Promise<number | null> {
  const [found] = await store.recordsFrom(index, 1);
  if (found === undefined) return null;
  try {
    const atMs = Date.parse(new FollowedRecord(found).record.time);
    return Number.isNaN(atMs) ? null : atMs;
  } catch {
    // A record that was damaged must not keep the server from its start; whoever verifies the log finds it.
    return null;
  }
}

async function checkpointAt(store: Pick<StoreReader, 'checkpoints'>, size: number): Promise<StoredCheckpoint | null> {
  const [found] = size === 0 ? [] : await store.checkpoints(size - 1, 1);
  return found?.size === size ? found : null;
}

function isCosigned(note: string, { witnessKeys, quorum }: KeepersOptions): boolean {
  const parsed = parseNote(note);
  if (parsed === null || witnessKeys.length === 0) return false;
  const { text, signatures } = parsed;
  const signers = witnessKeys.filter((key) => signatures.some((signature) => verifySignature(text, signature, key)));
  return signers.length >= quorum;
}
