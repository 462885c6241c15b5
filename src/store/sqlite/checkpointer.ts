/**
 * Moves what is in the WAL into the database file, beside the writer: a thread of its own, with a connection of its own.
 *
 * SQLite does that by itself within a commit, once the WAL is long enough, and every answer of that commit waits for all
 * of it, some tens of milliseconds. A passive checkpoint that runs beside the writer leaves it only the last few pages,
 * and blocks nobody. The writer still makes the one that lets the WAL begin anew.
 *
 * @module
 */
import { Worker } from 'node:worker_threads';

/** Records that are written before the thread is started: whoever writes less does not need it. */
const RECORDS_MIN = 2000;
/** Between checkpoints. At 20,000 records a second, some 5 MiB come together in that time. */
const EVERY_MS = 200;

export class Checkpointer {
  readonly #path: string;
  #worker: Worker | null = null;
  #records = 0;
  #nextAtMs = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Tells that a group has been committed; costs nothing, but where a checkpoint is due. */
  committed(records: number): void {
    this.#records += records;
    const now = performance.now();
    if (this.#records < RECORDS_MIN || now < this.#nextAtMs) return;
    this.#nextAtMs = now + EVERY_MS;
    this.#worker ??= this.#start();
    this.#worker.postMessage('checkpoint');
  }

  /** Ends the thread, so that the writer's connection is the last one. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = null;
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./checkpoint-thread.${extension}`, import.meta.url), {
      workerData: this.#path,
      name: 'checkpoint',
    });
    // Without it the writer checkpoints alone, as it did before.
    worker.on('error', () => undefined);
    worker.unref();
    return worker;
  }
}
