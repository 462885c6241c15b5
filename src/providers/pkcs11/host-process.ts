/**
 * The server's side of one host process: it is spawned, spoken to over a socket, watched, and killed when it hangs.
 *
 * @module
 */
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { spawnChild } from './child.ts';
import { OP, jsonBody, STATUS, type HostRefusal, type StartRequest } from './protocol.ts';
import { FrameReader, FrameWriter, type Frame } from './wire.ts';

/** What a library writes to standard error before it dies, for the log. */
const LAST_WORDS_BYTES = 2048;
/** Node uses threads of the pool itself. */
const SPARE_THREADS = 2;

export interface HostSettings {
  readonly start: Omit<StartRequest, 'pin'>;
  readonly env: Readonly<Record<string, string>>;
}

/** How the waiting for an answer ended. */
export type Answer =
  | { readonly kind: 'ok'; readonly body: Buffer }
  | { readonly kind: 'native'; readonly value: number; readonly method: string }
  | { readonly kind: 'refused'; readonly refusal: HostRefusal }
  /** The process is gone, by itself or because it hung. */
  | { readonly kind: 'lost'; readonly hung: boolean };

interface Sent {
  readonly sentAt: number;
  readonly deadlineMs: number;
  readonly answered: (answer: Answer) => void;
}

export interface HostEvents {
  /** Once, before everything that was under way is answered with `lost`. */
  readonly gone: (host: HostProcess, lastWords: string) => void;
}

export class HostProcess {
  readonly #settings: HostSettings;
  readonly #events: HostEvents;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  /** In the order of sending, which is the order in which a lane takes them. */
  readonly #sent = new Map<number, Sent>();
  readonly startedAt: number = performance.now();
  #lastId = 0;
  #answeredAt = 0;
  #flushing = false;
  #hung = false;
  #gone = false;
  readonly #ended = Promise.withResolvers<void>();
  #lastWords = Buffer.alloc(0);
  #onLogin: () => void = () => undefined;
  /** Failures in a row that another host might not have had. */
  failures = 0;

  constructor(settings: HostSettings, events: HostEvents) {
    this.#settings = settings;
    this.#events = events;
    const { env, start } = settings;
    const {
      process: child,
      socket,
      errors,
    } = spawnChild('main', {
      UV_THREADPOOL_SIZE: String(start.lanes + SPARE_THREADS),
      ...env,
    });
    this.#child = child;
    this.#socket = socket;
    this.#writer = new FrameWriter(this.#socket);
    const reader = new FrameReader((frame) => this.#take(frame));
    this.#socket.on('data', (bytes: Buffer) => this.#read(reader, bytes));
    // Its end tells; a write to a process that is gone fails first.
    this.#socket.on('error', () => this.kill());
    errors.on('data', (bytes: Buffer) => {
      this.#lastWords = Buffer.concat([this.#lastWords, bytes]).subarray(-LAST_WORDS_BYTES);
    });
    this.#child.on('error', (error) => this.#end(error.message));
    this.#child.on('exit', (code, signal) => this.#end(`exit ${signal ?? code}: ${this.#lastWords.toString()}`));
    // A host is no reason for the server to stay; the supervisor's clock runs while one is asked something.
    this.#child.unref();
    errors.unref();
    this.#socket.unref();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get outstanding(): number {
    return this.#sent.size;
  }

  get isGone(): boolean {
    return this.#gone;
  }

  /**
   * Loads the library, finds the token and logs in.
   *
   * @param onLogin told just before the PIN is shown to the token
   */
  async start(pin: string, deadlineMs: number, onLogin: () => void): Promise<Answer> {
    this.#onLogin = onLogin;
    const body = jsonBody({ ...this.#settings.start, pin } satisfies StartRequest);
    try {
      return await this.ask(OP.start, [body], deadlineMs);
    } finally {
      body.fill(0);
    }
  }

  /** As `send`; the body of the answer is the caller's own. */
  ask(op: number, parts: readonly Uint8Array[], deadlineMs: number): Promise<Answer> {
    return new Promise((resolve) => {
      this.send(op, parts, deadlineMs, (answer) => {
        resolve(answer.kind === 'ok' ? { kind: 'ok', body: Buffer.from(answer.body) } : answer);
      });
    });
  }

  /** The body of an answer is wiped when `answered` has returned. */
  send(op: number, parts: readonly Uint8Array[], deadlineMs: number, answered: (answer: Answer) => void): void {
    if (this.#gone) return answered({ kind: 'lost', hung: false });
    const id = (this.#lastId = (this.#lastId + 1) >>> 0 || 1);
    this.#sent.set(id, { sentAt: performance.now(), deadlineMs, answered });
    this.#writer.write(id, op, ...parts);
    if (this.#flushing) return;
    this.#flushing = true;
    // After every caller that goes on in this turn: their requests leave in one write.
    process.nextTick(() => {
      this.#flushing = false;
      this.#writer.flush();
    });
  }

  /**
   * Kills the process if its oldest request is over its deadline. In a host with one synchronous lane it is under way since
   * the answer before it; with asynchronous lanes, since it was sent.
   */
  killIfHung(now: number): void {
    const [oldest] = this.#sent.values();
    if (oldest === undefined) return;
    const since = this.#settings.start.asynchronous ? oldest.sentAt : Math.max(oldest.sentAt, this.#answeredAt);
    if (now - since <= oldest.deadlineMs) return;
    this.#hung = true;
    this.kill();
  }

  /** SIGKILL: a library that hangs in a call hears nothing else. */
  kill(): void {
    this.#leave();
    this.#child.kill('SIGKILL');
  }

  /** Lets it end by itself: what is under way is lost, so this is for a host that has nothing to do. */
  end(): void {
    this.#leave();
    this.#socket.end();
  }

  /** Resolves when the process has ended. */
  ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Whoever waits for its end is not to be ended before. */
  #leave(): void {
    if (!this.#gone) this.#child.ref();
  }

  #read(reader: FrameReader, bytes: Buffer): void {
    try {
      reader.push(bytes);
    } catch {
      // What it says makes no sense: the library has written over memory that is not its own.
      this.kill();
    }
  }

  #take({ id, kind, body }: Frame): void {
    if (kind === STATUS.login) return this.#onLogin();
    const sent = this.#sent.get(id);
    if (sent === undefined) return;
    this.#sent.delete(id);
    this.#answeredAt = performance.now();
    sent.answered(answerOf(kind, body));
  }

  #end(lastWords: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#socket.destroy();
    const lost: Answer = { kind: 'lost', hung: this.#hung };
    const sent = [...this.#sent.values()];
    this.#sent.clear();
    // First, so that nobody asks this host again.
    this.#events.gone(this, lastWords.trim());
    for (const { answered } of sent) answered(lost);
    this.#ended.resolve();
  }
}

export function answerOf(kind: number, body: Buffer): Answer {
  if (kind === STATUS.ok) return { kind: 'ok', body };
  if (kind === STATUS.native) {
    return { kind: 'native', value: body.readUInt32BE(0), method: body.subarray(4).toString() };
  }
  return { kind: 'refused', refusal: JSON.parse(body.toString()) as HostRefusal };
}
