/**
 * Notices on their way: a queue for each channel, in the order of what happened, kept in the store until the receiver has
 * taken each. At least once: what was sent in the last moment before a crash is sent again.
 *
 * A channel that fails waits longer and longer, and holds up no other.
 *
 * @module
 */
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Sleep } from '../../ports/sleep.ts';
import type { HousekeepingChange } from '../../store/change.ts';
import type { AlertStateRow } from '../../store/contract.ts';
import { alertId, type Notice } from './alert.ts';
import { ChannelError, type Channel, type Envelope } from './channels/index.ts';
import { KeptMap } from './state.ts';
import type { Severity } from './rules.ts';

/** Notices that wait for one channel; beyond, the oldest is given up, for the newest say what is. */
export const QUEUE_MAX = 500;
/** A notice that is older is given up: nobody acts on it any more. */
export const AGE_MS_MAX = 3 * 24 * 60 * 60 * 1000;
/** Attempts for a notice that the receiver refuses as it is; it would hold up those behind it. */
const REFUSED_ATTEMPTS_MAX = 3;
const ATTEMPT_MS_MAX = 30_000;
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 5 * 60 * 1000;
/** An error's text comes from outside, and stands in answers and logs. */
const ERROR_CHARS_MAX = 300;

interface Delivery {
  readonly channel: string;
  readonly sequence: number;
  readonly notice: Notice;
}

export interface ChannelStatus {
  readonly name: string;
  readonly kind: string;
  readonly severities: readonly Severity[];
  readonly queued: number;
  /** Taken since the start. */
  readonly delivered: number;
  /** Given up since the start. */
  readonly dropped: number;
  /** Attempts that failed since the last that did not. */
  readonly failures: number;
  readonly lastError: string | null;
  /** Since when it has failed; null where it has not. */
  readonly failingSinceMs: number | null;
}

export interface OutboxOptions {
  readonly channels: readonly Channel[];
  readonly rows: readonly AlertStateRow[];
  readonly logId: string;
  /** Which Claviger speaks. */
  readonly origin: string;
  readonly clock: Clock;
  readonly sleep: Sleep;
  /** In [0, 1). */
  readonly jitter: () => number;
  readonly log: Log;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #deliveries: KeptMap<Delivery>;
  readonly #queues: readonly Queue[];
  #sequence: number;

  constructor(options: OutboxOptions) {
    this.#options = options;
    const { channels, rows } = options;
    this.#deliveries = new KeptMap('delivery', QUEUE_MAX * (channels.length + 1), rows);
    const kept = [...this.#deliveries.values()].toSorted((a, b) => a.sequence - b.sequence);
    this.#sequence = (kept.at(-1)?.sequence ?? -1) + 1;
    const forget = (delivery: Delivery): void => this.#deliveries.delete(nameOf(delivery));
    this.#queues = channels.map(
      (channel) =>
        new Queue(
          channel,
          options,
          kept.filter((delivery) => delivery.channel === channel.name),
          forget,
        ),
    );
    // A channel that is no longer configured has nobody to tell.
    const names = new Set(channels.map(({ name }) => name));
    for (const delivery of kept) if (!names.has(delivery.channel)) forget(delivery);
  }

  /** Begins to send. */
  start(): void {
    for (const queue of this.#queues) queue.start();
  }

  /** Puts a notice into the queue of every channel that wants it. */
  add(notice: Notice): void {
    for (const queue of this.#queues) {
      if (!queue.channel.severities.includes(notice.alert.severity)) continue;
      const delivery: Delivery = { channel: queue.channel.name, sequence: this.#sequence++, notice };
      this.#deliveries.set(nameOf(delivery), delivery);
      queue.push(delivery);
    }
  }

  /** What has changed since the last call, for the store. */
  changes(): HousekeepingChange[] {
    return this.#deliveries.changes();
  }

  status(): readonly ChannelStatus[] {
    return this.#queues.map((queue) => queue.status());
  }

  /** Sends a notice at once, past the queue, and says what became of it; null is success. */
  async send(name: string, notice: Notice): Promise<string | null> {
    const queue = this.#queues.find(({ channel }) => channel.name === name);
    if (queue === undefined) return 'there is no such channel';
    try {
      await queue.channel.send(envelopeOf(this.#options, notice), AbortSignal.timeout(ATTEMPT_MS_MAX));
      queue.worked();
      return null;
    } catch (error) {
      return wordsOfError(error);
    }
  }

  /** Sends what goes within the time; what is left is sent after the next start. */
  async stop(withinMs: number): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.stop(withinMs)));
  }
}

class Queue {
  readonly channel: Channel;
  readonly #options: OutboxOptions;
  readonly #waiting: Delivery[];
  readonly #forget: (delivery: Delivery) => void;
  readonly #stopping = new AbortController();
  readonly #overdue = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;
  #delivered = 0;
  #dropped = 0;
  #failures = 0;
  #lastError: string | null = null;
  #failingSinceMs: number | null = null;

  constructor(channel: Channel, options: OutboxOptions, kept: Delivery[], forget: (delivery: Delivery) => void) {
    this.channel = channel;
    this.#options = options;
    this.#waiting = kept;
    this.#forget = forget;
  }

  start(): void {
    this.#running = this.#run();
  }

  push(delivery: Delivery): void {
    this.#waiting.push(delivery);
    // The first is under way perhaps, so the second has to go.
    if (this.#waiting.length > QUEUE_MAX) this.#drop(this.#waiting.splice(1, 1)[0]!, 'too many wait');
    this.#wake();
  }

  status(): ChannelStatus {
    const { name, kind, severities } = this.channel;
    return {
      name,
      kind,
      severities,
      queued: this.#waiting.length,
      delivered: this.#delivered,
      dropped: this.#dropped,
      failures: this.#failures,
      lastError: this.#lastError,
      failingSinceMs: this.#failingSinceMs,
    };
  }

  async stop(withinMs: number): Promise<void> {
    const ended = new AbortController();
    this.#stopping.abort();
    this.#wake();
    const over = this.#options.sleep(withinMs, ended.signal).then(() => this.#overdue.abort());
    // A channel that heeds no signal is left behind.
    await Promise.race([this.#running, over]);
    ended.abort();
    this.channel.close?.();
  }

  async #run(): Promise<void> {
    const { sleep } = this.#options;
    let attempts = 0;
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined) {
        if (this.#stopping.signal.aborted) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      attempts += 1;
      const error = await this.#attempt(next);
      if (error === null || this.#isLost(next, error, attempts)) {
        this.#done(next);
        attempts = 0;
      } else if (this.#stopping.signal.aborted) return;
      else await sleep(this.#retryMs(), this.#stopping.signal);
    }
  }

  /** It has taken something. */
  worked(): void {
    if (this.#failures > 0) this.#options.log.write('info', `the alert channel \`${this.channel.name}\` works again`);
    this.#delivered += 1;
    this.#failures = 0;
    this.#lastError = null;
    this.#failingSinceMs = null;
  }

  async #attempt(delivery: Delivery): Promise<unknown> {
    const { clock, log } = this.#options;
    const signal = AbortSignal.any([AbortSignal.timeout(ATTEMPT_MS_MAX), this.#overdue.signal]);
    try {
      await this.channel.send(envelopeOf(this.#options, delivery.notice), signal);
      this.worked();
      return null;
    } catch (error) {
      this.#failures += 1;
      this.#lastError = wordsOfError(error);
      this.#failingSinceMs ??= clock.now();
      if (this.#failures === 1) {
        log.write('error', `the alert channel \`${this.channel.name}\` does not take an alert; it is tried again`, {
          channel: this.channel.name,
          cause: this.#lastError,
        });
      }
      return error;
    }
  }

  /** True where a notice is given up. */
  #isLost(delivery: Delivery, error: unknown, attempts: number): boolean {
    const refused = error instanceof ChannelError && error.refused && attempts >= REFUSED_ATTEMPTS_MAX;
    const old = this.#options.clock.now() - delivery.notice.atMs > AGE_MS_MAX;
    if (refused || old) this.#tellDropped(delivery, refused ? 'its receiver refuses it' : 'it is too old');
    return refused || old;
  }

  #done(delivery: Delivery): void {
    this.#waiting.splice(this.#waiting.indexOf(delivery), 1);
    this.#forget(delivery);
  }

  #drop(delivery: Delivery, why: string): void {
    this.#forget(delivery);
    this.#tellDropped(delivery, why);
  }

  #tellDropped({ notice }: Delivery, why: string): void {
    this.#dropped += 1;
    this.#options.log.write('error', `an alert was given up for the channel \`${this.channel.name}\`: ${why}`, {
      channel: this.channel.name,
      rule: notice.alert.rule,
      subject: notice.alert.subject,
    });
  }

  /** Exponential, with jitter down to the half. */
  #retryMs(): number {
    const exponential = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(this.#failures - 1, 30));
    return exponential * (0.5 + this.#options.jitter() / 2);
  }
}

function nameOf({ channel, sequence }: Delivery): string {
  return `${channel}-${sequence}`;
}

/** The id is the same on every attempt, after a restart as well, and of no other notice. */
function envelopeOf({ logId, origin }: OutboxOptions, notice: Notice): Envelope {
  const id = alertId(logId, notice.alert);
  return { notice, id: `${id}-${notice.kind}-${notice.atMs}`, alertId: id, origin };
}

function wordsOfError(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, ERROR_CHARS_MAX);
}
