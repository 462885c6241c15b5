/**
 * Copies of checkpoints on other storage: lines of a file there, or messages to a webhook.
 *
 * A file is read before it is written: its last checkpoint must be one of this log's past. Where it is not, the log was
 * cut or rewritten since, and nothing is added that would cover it up.
 *
 * @module
 */
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { StoredCheckpoint, StoreReader } from '../store/contract.ts';
import { RewrittenError, type CheckpointKeeper } from './keepers.ts';
import { rootOver } from './proof.ts';
import { isBy, parseCheckpoint, parseNote, verifySignature, type CheckpointText } from './signed-note.ts';
import type { NoteSignature, VerifierKey } from './signed-note.ts';
import { postWebhook } from './webhook.ts';

/** Longer than any line with the cosignatures of all witnesses. */
const TAIL_BYTES = 524_288;
const NEWLINE = 0x0a;

/** What a copy is compared with. */
export interface CopiedLog {
  readonly logId: string;
  readonly key: VerifierKey;
  readonly treeHashes: StoreReader['treeHashes'];
  /** Records that are durable now. */
  readonly size: () => number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface FileCopyOptions {
  readonly name: string;
  readonly path: string;
  readonly everyMs: number;
  /** Size of a checkpoint in the file that this log need not continue; null for none. */
  readonly acceptRewritten: number | null;
}

/** What is at the end of a file of checkpoints. */
interface FileEnd {
  /** Null where the file is empty. */
  readonly last: string | null;
  /** False where the last line was cut off as it was written. */
  readonly complete: boolean;
}

/** A file of lines `{"size":…,"time":…,"note":…}`. */
export class FileCopy implements CheckpointKeeper {
  readonly kind = 'file';
  readonly name: string;
  readonly everyMs: number;
  readonly #options: FileCopyOptions;
  readonly #source: CopiedLog;

  constructor(options: FileCopyOptions, source: CopiedLog) {
    this.name = options.name;
    this.everyMs = options.everyMs;
    this.#options = options;
    this.#source = source;
  }

  /**
   * Compares the file with the log; a file that is not there, or is empty, does not disagree.
   *
   * @throws RewrittenError where the log does not continue its last checkpoint
   * @throws Error in words where it cannot be read
   */
  async check(): Promise<void> {
    await using file = await opened(this.#options.path, 'r');
    if (file !== null) await this.#compare(await endOf(file));
  }

  async give({ size, note }: StoredCheckpoint, confirmed: number): Promise<readonly NoteSignature[]> {
    const { path } = this.#options;
    // A file that was there and is gone is a storage that is away: the folder that is left must not get a new one.
    await using file = await opened(path, confirmed === 0 ? 'a+' : 'r+');
    if (file === null) {
      throw new Error(`there is no \`${path}\` any more; to begin it anew, put an empty file there`);
    }
    const end = await endOf(file);
    await this.#compare(end);
    const line = JSON.stringify({ size, time: new Date(this.#source.clock.now()).toISOString(), note });
    const { size: at } = await file.stat();
    await file.write(`${end.complete ? '' : '\n'}${line}\n`, at);
    await file.sync();
    if (at === 0) await syncFolder(dirname(path));
    return [];
  }

  async #compare({ last }: FileEnd): Promise<void> {
    if (last === null) return;
    const { path, acceptRewritten } = this.#options;
    const checkpoint = this.#parsed(last);
    if (checkpoint === null) {
      throw new RewrittenError(
        `\`${path}\` ends with what is no checkpoint of this log, ${this.#source.key.name}; if it is of another log, name another file`,
      );
    }
    const found = await this.#contradiction(checkpoint);
    if (found === null) return;
    if (checkpoint.size !== acceptRewritten) throw new RewrittenError(found, checkpoint.size);
    this.#source.log.write('warn', 'this log goes on though a copy has another past of it, as `acceptRewritten` says', {
      copy: this.name,
      cause: found,
    });
  }

  /** How the log differs from a checkpoint of its past, in words; null where it continues it. */
  async #contradiction({ size: copied, root }: CheckpointText): Promise<string | null> {
    const { path } = this.#options;
    const { size, treeHashes } = this.#source;
    if (copied > size()) {
      return `\`${path}\` has a checkpoint over ${copied} records of this log, which has ${size()} now: it was cut`;
    }
    if ((await rootOver(treeHashes, copied)).equals(root)) return null;
    return `the checkpoint over ${copied} records in \`${path}\` is of other records than the first ${copied} of this log`;
  }

  #parsed(line: string): CheckpointText | null {
    const note = parseNote(noteOf(line));
    if (note === null) return null;
    const { key } = this.#source;
    const ours = note.signatures.find((signature) => isBy(signature, key));
    if (ours === undefined || !verifySignature(note.text, ours, key)) return null;
    const checkpoint = parseCheckpoint(note.text);
    return checkpoint?.origin === key.name ? checkpoint : null;
  }
}

export interface WebhookCopyOptions {
  readonly name: string;
  readonly url: URL;
  readonly secret: Uint8Array;
  readonly everyMs: number;
}

/** Messages `{"type":"audit.checkpoint","timestamp":…,"data":{"logId":…,"size":…,"note":…}}`. */
export class WebhookCopy implements CheckpointKeeper {
  readonly kind = 'webhook';
  readonly name: string;
  readonly everyMs: number;
  readonly #options: WebhookCopyOptions;
  readonly #source: Pick<CopiedLog, 'logId' | 'clock'>;

  constructor(options: WebhookCopyOptions, source: Pick<CopiedLog, 'logId' | 'clock'>) {
    this.name = options.name;
    this.everyMs = options.everyMs;
    this.#options = options;
    this.#source = source;
  }

  async give(
    { size, note }: StoredCheckpoint,
    _confirmed: number,
    signal: AbortSignal,
  ): Promise<readonly NoteSignature[]> {
    const { url, secret } = this.#options;
    const { logId, clock } = this.#source;
    const nowMs = clock.now();
    const timestamp = new Date(nowMs).toISOString();
    const body = JSON.stringify({ type: 'audit.checkpoint', timestamp, data: { logId, size, note } });
    await postWebhook(url, secret, { id: `checkpoint-${logId}-${size}`, body }, { nowMs, signal });
    return [];
  }
}

/** The file; null where there is none and the mode makes none. */
async function opened(path: string, mode: 'r' | 'r+' | 'a+'): Promise<FileHandle | null> {
  try {
    return await open(path, mode, 0o640);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && mode !== 'a+') return null;
    throw error;
  }
}

/** The last complete line of a file, and whether something that is not complete follows it. */
async function endOf(file: FileHandle): Promise<FileEnd> {
  const { size } = await file.stat();
  const from = Math.max(0, size - TAIL_BYTES);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
  const tail = buffer.subarray(0, bytesRead);
  const end = tail.lastIndexOf(NEWLINE);
  const complete = end === tail.length - 1;
  // Of a first line that was cut off, nothing is known; of a file of one endless line, that it is none of ours.
  if (end < 0) return { last: from === 0 ? null : '', complete };
  const begin = end === 0 ? 0 : tail.lastIndexOf(NEWLINE, end - 1) + 1;
  return { last: tail.subarray(begin, end).toString(), complete };
}

function noteOf(line: string): string {
  try {
    const { note } = JSON.parse(line) as { note?: unknown };
    return typeof note === 'string' ? note : '';
  } catch {
    return '';
  }
}

/** A new file is durable once its folder is. */
async function syncFolder(folder: string): Promise<void> {
  if (!(await stat(folder)).isDirectory()) return;
  await using handle = await open(folder, 'r');
  await handle.sync();
}
