/**
 * A conversation with a witness: it is given each new checkpoint with the proof that the log has only grown since the last
 * one that it saw, and signs it, or says why not (C2SP tlog-witness, `add-checkpoint`).
 *
 * A witness remembers the size that it last signed; where ours was lost, its answer brings it back. An answer that our log
 * cannot have earned by growing, a larger size or another root, means that somebody has changed the past.
 *
 * @module
 * @see https://c2sp.org/tlog-witness
 */
import type { Log } from '../ports/log.ts';
import type { StoredCheckpoint, StoreReader } from '../store/contract.ts';
import { RewrittenError, type CheckpointKeeper } from './keepers.ts';
import { post, type PostAnswer } from './post.ts';
import { consistencyProof } from './proof.ts';
import { isBy, parseNote, parseSignatureLines, verifySignature } from './signed-note.ts';
import type { NoteSignature, VerifierKey } from './signed-note.ts';

/** The first with the size that we believe in, the second with the size that the witness then has named. */
const ASKED_MAX = 2;
const SIZE_TYPE = 'text/x.tlog.size';
/** What a witness says of a refusal is for the operator's eyes. */
const WORDS_CHARS_MAX = 120;

/** What a status tells the operator to do. */
const REFUSALS: ReadonlyMap<number, string> = new Map([
  [400, 'it does not understand the request'],
  [403, 'it has another key of this log: give it the line that `claviger audit key` prints'],
  [404, 'it does not know this log: give it the line that `claviger audit key` prints'],
  [429, 'it is asked too often: raise `everySeconds`'],
]);

export interface WitnessOptions {
  readonly name: string;
  /** Submission prefix: what stands before `/add-checkpoint`. */
  readonly url: URL;
  readonly key: VerifierKey;
  readonly everyMs: number;
  readonly timeoutMs?: number;
}

/** What a witness is told about. */
export interface WitnessedLog {
  readonly treeHashes: StoreReader['treeHashes'];
  /** Records that are durable now. */
  readonly size: () => number;
  readonly log: Log;
}

export class Witness implements CheckpointKeeper {
  readonly kind = 'witness';
  readonly name: string;
  readonly everyMs: number;
  readonly #options: WitnessOptions;
  readonly #source: WitnessedLog;
  readonly #url: URL;

  constructor(options: WitnessOptions, source: WitnessedLog) {
    this.name = options.name;
    this.everyMs = options.everyMs;
    this.#options = options;
    this.#source = source;
    this.#url = new URL(options.url);
    this.#url.pathname = `${this.#url.pathname.replace(/\/$/, '')}/add-checkpoint`;
  }

  async give(checkpoint: StoredCheckpoint, confirmed: number, signal: AbortSignal): Promise<readonly NoteSignature[]> {
    let old = confirmed;
    for (let asked = 0; asked < ASKED_MAX; asked++) {
      const answer = await this.#ask(old, checkpoint, signal);
      if (answer.status === 200) return cosignatures(checkpoint, answer.body.toString(), this.#options.key);
      if (answer.status !== 409) throw refusal(answer, old, checkpoint);
      old = this.#continueFrom(answer, old, checkpoint);
    }
    throw new Error('it names one size as its last, and then another');
  }

  async #ask(old: number, checkpoint: StoredCheckpoint, signal: AbortSignal): Promise<PostAnswer> {
    const proof = old === 0 ? [] : await consistencyProof(this.#source.treeHashes, old, checkpoint.size);
    const body = addCheckpointBody(old, proof, checkpoint.note);
    const { timeoutMs } = this.#options;
    return post(this.#url, body, {
      contentType: 'text/plain; charset=utf-8',
      signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }

  /** The size that a witness has signed last, by its refusal of another one. */
  #continueFrom(answer: PostAnswer, old: number, checkpoint: StoredCheckpoint): number {
    const { size: ours } = checkpoint;
    const theirs = answer.contentType === SIZE_TYPE ? parseSize(answer.body.toString()) : null;
    // It knows this very size, by the question before, and refuses the root that we have for it.
    if (old === ours && (theirs === null || theirs === ours)) {
      throw new RewrittenError(`it has signed another log of ${ours} records than this one`, ours);
    }
    if (theirs === null) throw new Error('it answers 409 without a size');
    if (theirs === old) throw new Error(`it refuses ${old} as the size that it signed last, and names the same`);
    const { log, size } = this.#source;
    if (theirs > size()) {
      throw new RewrittenError(
        `it has signed ${theirs} records of this log, which has ${size()} now: it was cut`,
        theirs,
      );
    }
    if (theirs > ours) throw new Error(`it has signed ${theirs} records already`);
    if (theirs < old) {
      log.write('warn', `the witness \`${this.name}\` has forgotten what it signed`, {
        signed: old,
        remembers: theirs,
      });
    }
    return theirs;
  }
}

/** The request of `add-checkpoint`. */
export function addCheckpointBody(old: number, proof: readonly Buffer[], note: string): string {
  return `old ${old}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${note}`;
}

/** The number in a `text/x.tlog.size`; null where it is none. */
export function parseSize(text: string): number | null {
  if (!/^(0|[1-9]\d{0,15})\n$/.test(text)) return null;
  const size = Number(text);
  return Number.isSafeInteger(size) ? size : null;
}

/**
 * The cosignatures in a witness's answer, verified. Those by keys that nobody asked are dropped.
 *
 * @throws Error in words where there is none by its key, or one that is false
 */
export function cosignatures({ note }: StoredCheckpoint, answer: string, key: VerifierKey): readonly NoteSignature[] {
  const lines = parseSignatureLines(answer);
  if (lines === null) throw new Error('its answer is not lines of signatures');
  const { text } = parseNote(note)!;
  const own = lines.filter((line) => isBy(line, key));
  if (own.length === 0)
    throw new Error(`its answer has no signature by ${key.name}, key id ${key.keyId.toString('hex')}`);
  if (!own.every((line) => verifySignature(text, line, key))) {
    throw new Error(`its answer has a signature by ${key.name} that is false`);
  }
  return own.slice(-1);
}

function refusal({ status, body }: PostAnswer, old: number, { size }: StoredCheckpoint): Error {
  if (status === 422) {
    return new RewrittenError(
      `the ${old} records that it has signed are not the first of the ${size} in this log`,
      old,
    );
  }
  const words = body
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, WORDS_CHARS_MAX);
  return new Error(`${REFUSALS.get(status) ?? 'it does not sign'} (it answered ${status}${words && `: ${words}`})`);
}
