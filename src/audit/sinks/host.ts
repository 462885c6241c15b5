/**
 * The event loop's side of the sinks: starts their thread, tells it of new records, keeps their cursors, and knows how
 * they are. A thread that dies is started again; the log never notices.
 *
 * @module
 */
import { Worker } from 'node:worker_threads';
import { systemClock, type Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { FollowStatus } from '../follow.ts';
import type { Ledger } from '../ledger.ts';
import type { SinkKind, SinkOptions } from './options.ts';
import type { FromSinks, SinksStart, ToSinks } from './protocol.ts';

/** New records are told of so often at most: one message for many groups. */
const TELL_EVERY_MS = 20;
const RESTART_MS = 5000;
/** Beyond its own time, what the thread has to close its files and end. */
const END_MS_MAX = 1000;

export interface SinkStatus extends FollowStatus {
  readonly kind: SinkKind;
}

export interface SinkHostOptions {
  readonly sinks: readonly SinkOptions[];
  readonly databasePath: string;
  readonly ledger: Ledger;
  readonly log: Log;
  readonly version: string;
  readonly clock?: Clock;
}

export class SinkHost {
  readonly #options: SinkHostOptions;
  readonly #clock: Clock;
  #thread: Worker | null = null;
  #statuses: readonly FollowStatus[] = [];
  #statusAtMs = 0;
  #telling: NodeJS.Timeout | null = null;
  #restarting: NodeJS.Timeout | null = null;
  #unfollow: () => void = () => undefined;
  #stopping = false;

  constructor(options: SinkHostOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Starts the sinks. Without any, nothing is started. */
  start(): void {
    const { sinks, ledger } = this.#options;
    if (sinks.length === 0) return;
    this.#statuses = sinks.map(({ name }) => unknownStatus(name));
    this.#statusAtMs = this.#clock.now();
    this.#startThread();
    this.#unfollow = ledger.follow(() => this.#planTell());
  }

  /** How each sink is, by what its thread said last, half a second ago at most. */
  status(): readonly SinkStatus[] {
    const { sinks, ledger } = this.#options;
    const sinceSeconds = this.#secondsSinceStatus();
    return this.#statuses.map((status, n) => {
      const { name, kind } = sinks[n]!;
      const lagRecords = status.position === null ? 0 : Math.max(0, ledger.size - status.position);
      return { ...status, name, kind, lagRecords, lagSeconds: lagRecords === 0 ? 0 : status.lagSeconds + sinceSeconds };
    });
  }

  /** Ends the sinks within a time; what is not delivered then comes after the next start. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true;
    this.#unfollow();
    if (this.#telling !== null) clearTimeout(this.#telling);
    if (this.#restarting !== null) clearTimeout(this.#restarting);
    const thread = this.#thread;
    if (thread === null) return;
    const ended = new Promise((resolve) => thread.once('exit', resolve));
    this.#tell({ kind: 'size', size: this.#options.ledger.size });
    this.#tell({ kind: 'stop', withinMs });
    const timer = setTimeout(() => void thread.terminate(), withinMs + END_MS_MAX);
    await ended;
    clearTimeout(timer);
  }

  #startThread(): void {
    const { sinks, databasePath, ledger, version } = this.#options;
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const start: SinksStart = { sinks, databasePath, logId: ledger.logId, size: ledger.size, version };
    const thread = new Worker(new URL(`./thread.${extension}`, import.meta.url), { workerData: start });
    this.#thread = thread;
    let cause = 'it ended';
    thread.on('message', (message: FromSinks) => this.#heard(message));
    thread.on('error', (error) => {
      cause = error instanceof Error ? error.message : String(error);
    });
    thread.on('exit', () => this.#ended(cause));
  }

  #heard(message: FromSinks): void {
    if (message.kind === 'log') {
      this.#options.log.write(message.level, message.message, message.fields);
    } else if (message.kind === 'status') {
      const sinceSeconds = this.#secondsSinceStatus();
      // A thread that was started again knows nothing at first, which is no reason to forget how far behind a sink is.
      this.#statuses = message.statuses.map((status, n) => {
        const before = this.#statuses[n]!;
        return status.position === null ? { ...before, lagSeconds: before.lagSeconds + sinceSeconds } : status;
      });
      this.#statusAtMs = this.#clock.now();
    } else void this.#keep(message.id, message.name, message.position);
  }

  async #keep(id: number, name: string, position: number): Promise<void> {
    try {
      await this.#options.ledger.keep([{ put: 'cursor', name, position }]);
      this.#tell({ kind: 'kept', id, error: null });
    } catch (error) {
      this.#tell({ kind: 'kept', id, error: (error as Error).message });
    }
  }

  #ended(cause: string): void {
    this.#thread = null;
    if (this.#stopping) return;
    this.#options.log.write('error', 'the thread of the audit sinks died; it is started again', { cause });
    this.#statuses = this.#statuses.map((status) => ({ ...status, lastError: cause, failures: status.failures + 1 }));
    this.#restarting = setTimeout(() => this.#startThread(), RESTART_MS);
  }

  #secondsSinceStatus(): number {
    return Math.max(0, this.#clock.now() - this.#statusAtMs) / 1000;
  }

  #planTell(): void {
    if (this.#telling !== null) return;
    this.#telling = setTimeout(() => {
      this.#telling = null;
      this.#tell({ kind: 'size', size: this.#options.ledger.size });
    }, TELL_EVERY_MS);
  }

  #tell(message: ToSinks): void {
    this.#thread?.postMessage(message);
  }
}

function unknownStatus(name: string): FollowStatus {
  return { name, position: null, lagRecords: 0, lagSeconds: 0, delivered: 0, failures: 0, lastError: null };
}
