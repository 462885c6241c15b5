/**
 * The host processes of one token: started, asked, watched, killed and started again.
 *
 * A call goes to the host that has least to do. What can be repeated without effect is asked of another host when one
 * crashes, hangs, or has a trouble of its own; making and ending keys never is, and goes to a host of its own, so that the
 * seconds of an RSA key hold up no signature.
 *
 * A token in quarantine answers nothing, and does not heal by itself: its PIN was refused, or its canary is not the one that
 * was pinned. An operator looks at the token, and starts the server anew.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClavigerError } from '../../errors.ts';
import type { Log } from '../../ports/log.ts';
import { closedError, endedError, lateError } from '../ended.ts';
import type { CallOptions } from '../provider.ts';
import { hostError, retryClass } from './errors.ts';
import type { Answer, HostEvents, HostProcess, HostSettings } from './host-process.ts';
import { HostStarter, isMissing, type QuarantineReason, type Started, type StarterOptions } from './host-starter.ts';
import type { TokenFacts } from './protocol.ts';

/** Native code of a call that was late. */
const LATE = 'TIMEOUT';
/** How exact timeouts, aborts and deadlines are. One clock looks at all calls: a timer for each would cost more. */
const TICK_MS = 10;
/** A tick that is so late says that our own event loop stood still, not a host. */
const LATE_TICK_MS = 100;
/** Requests that a host with one synchronous lane has at a time: enough that it never waits for us. */
const SYNCHRONOUS_WINDOW = 64;
/** Calls that wait for a host; more than these come from callers without any limit of their own. */
const WAITING_MAX = 10_000;
/** Hosts that one call is asked of: a call of which three have died shall not kill a fourth. */
const TRIES_MAX = 3;
/** Failures in a row after which a host is taken for one that will not recover. */
const FAILURES_MAX = 3;
/** RSA-4096 keys take seconds in a small HSM. */
const CHANGE_DEADLINE_MS = 120_000;
/** A host for changes that had nothing to do for so long ends. */
const CHANGER_IDLE_MS = 60_000;
/** A host that lived so long is replaced at once. */
const STABLE_MS = 1000;
/** For so long `close` waits for logins that are under way. */
const LOGIN_WAIT_MS = 3000;
/** What the end of a host that was asked to end is told as. */
const ENDED_WELL = 'exit 0:';
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 30_000;

export interface SupervisorOptions extends StarterOptions {
  readonly settings: HostSettings;
  readonly hosts: number;
  readonly canaryEveryMs: number;
  readonly newKeysVisible: 'live' | 'restart';
  readonly log: Log;
}

export interface Request {
  readonly op: number;
  readonly parts: readonly Uint8Array[];
  /** Return values that may be about the input: they come back, and count nothing against the host. */
  readonly vague?: readonly number[];
}

export interface TokenStatus {
  readonly state: 'starting' | 'ready' | 'down' | 'quarantined' | 'closed';
  readonly ready: number;
  /** What is wrong, in words; null where nothing is. */
  readonly detail: string | null;
  readonly pids: readonly number[];
}

interface Call {
  readonly request: Request;
  readonly repeatable: boolean;
  readonly options: CallOptions;
  readonly expiresAt: number;
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: unknown) => void;
  tries: number;
  avoid: HostProcess | null;
  settled: boolean;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #starter: HostStarter;
  readonly #window: number;
  readonly #all = new Set<HostProcess>();
  readonly #ready = new Set<HostProcess>();
  /** Hosts that came up once. */
  readonly #served = new WeakSet<HostProcess>();
  readonly #calls = new Set<Call>();
  #waiting: Call[] = [];
  /** Hosts that are being started. */
  #coming = 0;
  readonly #starts = new Set<Promise<Started>>();
  /** Slots whose last host could not be started, or did not live long. */
  readonly #failing = new Set<number>();
  #changer: Promise<HostProcess> | null = null;
  #changerHost: HostProcess | null = null;
  #changes = 0;
  #changerIdle: NodeJS.Timeout | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #tickedAt = 0;
  #canaryTimer: NodeJS.Timeout | undefined;
  #quarantine: ClavigerError | null = null;
  #lastError: ClavigerError | null = null;
  readonly #closing = new AbortController();
  readonly #firstNews = Promise.withResolvers<void>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#starter = new HostStarter(options);
    const { asynchronous, lanes } = options.settings.start;
    this.#window = asynchronous ? lanes : SYNCHRONOUS_WINDOW;
  }

  get facts(): TokenFacts | null {
    return this.#starter.facts;
  }

  get canaryFingerprint(): string | null {
    return this.#options.canary?.fingerprint ?? null;
  }

  status(): TokenStatus {
    const error = this.#quarantine ?? (this.#ready.size === 0 ? this.#lastError : null);
    const pids = [...this.#ready].flatMap(({ pid }) => pid ?? []);
    return { state: this.#state(), ready: this.#ready.size, detail: error?.message ?? null, pids };
  }

  /** Starts the hosts; resolves when one is ready, or something is known to be wrong, or the time is over. */
  async start(waitMs: number): Promise<void> {
    for (let slot = 0; slot < this.#options.hosts; slot += 1) void this.#keepAlive(slot);
    this.#canaryTimer = setInterval(() => void this.#watch(), this.#options.canaryEveryMs);
    this.#canaryTimer.unref();
    await Promise.race([this.#firstNews.promise, sleep(waitMs, undefined, { ref: false })]);
  }

  /** Asks a host, and another one if need be. The answer is the caller's own. */
  call(request: Request, options: CallOptions): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const call = this.#newCall(request, true, options, resolve, reject);
      if (call !== null) this.#dispatch(call);
    });
  }

  /** Asks the host for changes, once: it may have happened although it failed. */
  async change(request: Request, options: CallOptions): Promise<Buffer> {
    this.#changes += 1;
    clearTimeout(this.#changerIdle);
    try {
      this.#requireUsable();
      const host = await (this.#changer ??= this.#startChanger());
      return await new Promise((resolve, reject) => {
        const call = this.#newCall(request, false, options, resolve, reject);
        if (call !== null) this.#send(host, call, CHANGE_DEADLINE_MS);
      });
    } finally {
      this.#changes -= 1;
      if (this.#changes === 0) this.#changerIdle = setTimeout(() => void this.#endChanger(), CHANGER_IDLE_MS).unref();
    }
  }

  /** For modules whose processes see new keys only from their start: hosts start anew, one after the other. */
  async renewHosts(): Promise<void> {
    if (this.#options.newKeysVisible === 'live') return;
    // Those that are there now: the new ones need no renewal.
    const hosts = [...this.#ready];
    for (const host of hosts) {
      this.#ready.delete(host);
      while (host.outstanding > 0 && !host.isGone) await this.#pause(TICK_MS);
      host.end();
      await host.ended();
      // With a single host, until the new one is there.
      while (this.#ready.size === 0 && !this.#isDown() && this.#isUsable()) await this.#pause(TICK_MS);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#failAll(this.#closed());
    // A host that is killed while it logs in would leave the PIN in doubt.
    await Promise.race([Promise.allSettled(this.#starts), sleep(LOGIN_WAIT_MS)]);
    clearInterval(this.#canaryTimer);
    clearTimeout(this.#changerIdle);
    const hosts = [...this.#all];
    for (const host of hosts) host.kill();
    await Promise.all(hosts.map((host) => host.ended()));
  }

  // Hosts.

  /** One slot of the pool: a host, and the next one when it is gone. */
  async #keepAlive(slot: number): Promise<void> {
    let failures = 0;
    while (this.#isUsable()) {
      const host = await this.#startHost(this.#options.settings, false);
      if (host !== null) {
        this.#failing.delete(slot);
        this.#ready.add(host);
        this.#lastError = null;
        this.#firstNews.resolve();
        this.#pump();
        await host.ended();
      }
      failures = host !== null && performance.now() - host.startedAt > STABLE_MS ? 0 : failures + 1;
      if (failures === 0) continue;
      const waitMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (failures - 1));
      if (host === null || waitMs > STABLE_MS) this.#fails(slot);
      await this.#pause(waitMs);
    }
  }

  /** Calls wait for a host that will be there soon, not for one that could not be started. */
  #fails(slot: number): void {
    this.#failing.add(slot);
    this.#firstNews.resolve();
    if (this.#isDown()) for (const call of this.#waiting.splice(0)) this.#fail(call, this.#down());
  }

  /** No host, and none of which it is likely that it comes soon. */
  #isDown(): boolean {
    return this.#ready.size === 0 && this.#failing.size === this.#options.hosts;
  }

  /** Null where there is none; why, is known then. */
  async #startHost(settings: HostSettings, forChanges: boolean): Promise<HostProcess | null> {
    this.#coming += 1;
    const events: HostEvents = { gone: (host, lastWords) => this.#gone(host, lastWords) };
    const spawned = (host: HostProcess): void => this.#spawned(host);
    const start = this.#starter.start(settings, events, { spawned, isWanted: () => this.#isUsable() }, forChanges);
    this.#starts.add(start);
    const started = await start.finally(() => {
      this.#coming -= 1;
      this.#starts.delete(start);
    });
    if (started.kind === 'host' && !this.#isUsable()) started.host.kill();
    if (started.kind !== 'host' || !this.#isUsable()) return this.#notStarted(started);
    this.#served.add(started.host);
    return started.host;
  }

  #spawned(host: HostProcess): void {
    this.#all.add(host);
    this.#startTicking();
  }

  #notStarted(started: Started): null {
    if (started.kind === 'quarantine') this.#enterQuarantine(started.reason);
    if (started.kind === 'failed' && this.#isUsable()) {
      // The same words each half a minute would bury others.
      if (started.error.message !== this.#lastError?.message) this.#tell('error', started.error.message);
      this.#lastError = started.error;
    }
    return null;
  }

  #gone(host: HostProcess, lastWords: string): void {
    this.#ready.delete(host);
    this.#all.delete(host);
    // One that never came up is told of by the reason of that.
    if (!this.#served.has(host) || lastWords.startsWith(ENDED_WELL) || !this.#isUsable()) return;
    // A library could print anything that it was given.
    const words = lastWords.replaceAll(this.#options.pin, '[secret]');
    this.#tell('warn', `a host process ended, and another one starts: ${words}`);
  }

  /** Nothing is signed by a token that may not be ours, and no PIN is shown to it again. */
  #enterQuarantine({ native, words }: QuarantineReason): void {
    if (this.#quarantine !== null || this.#closing.signal.aborted) return;
    const code = native === 'LOGIN_REFUSED' ? 'PROVIDER_DENIED' : 'PROVIDER_UNAVAILABLE';
    const message = `the token is in quarantine until an operator has looked at it and starts the server anew: ${words}`;
    this.#quarantine = hostError(this.#options.provider, code, message, native);
    this.#tell('error', message);
    this.#firstNews.resolve();
    this.#failAll(this.#quarantine);
    for (const host of this.#all) host.kill();
  }

  async #startChanger(): Promise<HostProcess> {
    const { settings } = this.#options;
    const start = { ...settings.start, lanes: 1, asynchronous: false, readWrite: true };
    const host = await this.#startHost({ ...settings, start }, true);
    if (host === null) {
      this.#changer = null;
      throw this.#refusal() ?? this.#down();
    }
    this.#changerHost = host;
    void host.ended().then(() => {
      if (this.#changerHost === host) this.#changer = null;
    });
    return host;
  }

  async #endChanger(): Promise<void> {
    if (this.#changes === 0) (await this.#changer?.catch(() => null))?.end();
  }

  /** The canary of every host, again and again. A canary that is gone is judged by a new host, which sees the token anew. */
  async #watch(): Promise<void> {
    const hosts = [...this.#ready];
    for (const host of hosts) {
      this.#startTicking();
      const started = await this.#starter.checkCanary(host);
      if (host.isGone || !this.#isUsable()) continue;
      if (started.kind === 'quarantine') await this.#judgeCanary(host, started);
      else if (started.kind === 'failed') this.#blame(host);
      else host.failures = 0;
    }
  }

  /** A signature that does not verify is proof; a key that is not found may be a token that was pulled out. */
  async #judgeCanary(host: HostProcess, { reason }: Extract<Started, { kind: 'quarantine' }>): Promise<void> {
    if (reason.native !== 'CANARY_GONE') return this.#enterQuarantine(reason);
    host.kill();
    await host.ended();
  }

  // Calls.

  #newCall(
    request: Request,
    repeatable: boolean,
    options: CallOptions,
    resolve: Call['resolve'],
    reject: Call['reject'],
  ): Call | null {
    const refusal = options.signal.aborted ? this.#ended(options.signal) : this.#refusal();
    if (refusal !== null) {
      reject(refusal);
      return null;
    }
    const expiresAt = performance.now() + options.timeoutMs;
    const call: Call = {
      request,
      repeatable,
      options,
      expiresAt,
      resolve,
      reject,
      tries: 0,
      avoid: null,
      settled: false,
    };
    this.#calls.add(call);
    this.#startTicking();
    return call;
  }

  #dispatch(call: Call): void {
    const host = this.#pick(call.avoid);
    if (host !== null) return this.#send(host, call, this.#options.deadlineMs);
    if (this.#isDown()) return this.#fail(call, this.#down());
    if (this.#waiting.length >= WAITING_MAX) return this.#fail(call, this.#tooMany());
    this.#waiting.push(call);
  }

  /** The one with least to do, and not the one that failed if there is another. */
  #pick(avoid: HostProcess | null): HostProcess | null {
    let best: HostProcess | null = null;
    for (const host of this.#ready) {
      if (host.outstanding >= this.#window || (host === avoid && this.#ready.size > 1)) continue;
      if (best === null || host.outstanding < best.outstanding) best = host;
    }
    return best;
  }

  #send(host: HostProcess, call: Call, deadlineMs: number): void {
    call.tries += 1;
    const { op, parts } = call.request;
    host.send(op, parts, deadlineMs, (answer) => this.#answered(host, call, answer));
  }

  #answered(host: HostProcess, call: Call, answer: Answer): void {
    if (answer.kind === 'ok') {
      host.failures = 0;
      if (!call.settled) {
        call.settled = true;
        this.#calls.delete(call);
        call.resolve(Buffer.from(answer.body));
      }
    } else {
      this.#notAnswered(host, call, answer);
    }
    if (this.#waiting.length > 0) this.#pump();
  }

  #notAnswered(host: HostProcess, call: Call, answer: Exclude<Answer, { kind: 'ok' }>): void {
    const error = this.#starter.errorOf(answer);
    const isOfInput = answer.kind === 'native' && call.request.vague?.includes(answer.value) === true;
    // Of a device that has too much to do, neither another host nor a new one helps.
    if (isOfInput || error.code === 'THROTTLED') return this.#fail(call, error);
    if (isMissing(answer) && call.repeatable) return void this.#believe(host, call, error);
    const elsewhere = answer.kind === 'lost' || (answer.kind === 'native' && retryClass(answer.value) !== 'fatal');
    if (!elsewhere) return this.#fail(call, error);
    if (answer.kind === 'native') this.#blame(host, retryClass(answer.value) === 'restart');
    this.#retry(host, call, error);
  }

  #retry(host: HostProcess, call: Call, error: ClavigerError): void {
    if (!call.repeatable || call.tries >= TRIES_MAX) return this.#fail(call, error);
    call.avoid = host;
    if (!call.settled) this.#dispatch(call);
  }

  /** A token that was pulled out or zeroized has no key either. That a key is gone is believed of a token whose canary lives. */
  async #believe(host: HostProcess, call: Call, error: ClavigerError): Promise<void> {
    const started = await this.#starter.checkCanary(host);
    if (started.kind === 'host') return this.#fail(call, error);
    if (started.kind === 'quarantine') await this.#judgeCanary(host, started);
    this.#retry(
      host,
      call,
      hostError(this.#options.provider, 'PROVIDER_UNAVAILABLE', 'the token has lost its keys', 'CANARY'),
    );
  }

  /** Failures in a row, or the loss of the library, end a host. */
  #blame(host: HostProcess, atOnce = false): void {
    host.failures += 1;
    if (!atOnce && host.failures < FAILURES_MAX) return;
    // Nobody asks it any more while it ends.
    this.#ready.delete(host);
    if (this.#changerHost === host) this.#changer = null;
    host.kill();
  }

  /** What waited, to hosts that have room. */
  #pump(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const call of waiting) if (!call.settled) this.#dispatch(call);
  }

  #fail(call: Call, error: unknown): void {
    if (call.settled) return;
    call.settled = true;
    this.#calls.delete(call);
    call.reject(error);
  }

  #failAll(error: ClavigerError): void {
    for (const call of this.#calls) this.#fail(call, error);
    this.#waiting = [];
  }

  // The clock.

  #startTicking(): void {
    if (this.#ticker !== undefined) return;
    this.#tickedAt = performance.now();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    const now = performance.now();
    const late = now - this.#tickedAt > LATE_TICK_MS;
    this.#tickedAt = now;
    // Answers may have come while we stood still, and are read after the timers.
    if (late) return;
    for (const call of this.#calls) {
      if (call.options.signal.aborted) this.#fail(call, this.#ended(call.options.signal));
      else if (now > call.expiresAt) this.#fail(call, this.#timeout());
    }
    let busy = this.#calls.size > 0 || this.#coming > 0;
    for (const host of this.#all) {
      busy ||= host.outstanding > 0;
      host.killIfHung(now);
    }
    if (busy) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  /** Ends early when the supervisor is closed. */
  #pause(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined);
  }

  // Refusals.

  #state(): TokenStatus['state'] {
    if (this.#closing.signal.aborted) return 'closed';
    if (this.#quarantine !== null) return 'quarantined';
    if (this.#ready.size > 0) return 'ready';
    return this.#isDown() ? 'down' : 'starting';
  }

  #isUsable(): boolean {
    return this.#quarantine === null && !this.#closing.signal.aborted;
  }

  #requireUsable(): void {
    const refusal = this.#refusal();
    if (refusal !== null) throw refusal;
  }

  #refusal(): ClavigerError | null {
    return this.#closing.signal.aborted ? this.#closed() : this.#quarantine;
  }

  #closed(): ClavigerError {
    return closedError(this.#options.provider, 'CLOSED');
  }

  #down(): ClavigerError {
    if (this.#lastError !== null) return this.#lastError;
    return hostError(this.#options.provider, 'PROVIDER_UNAVAILABLE', 'no host process is up', 'HOST_GONE');
  }

  #tooMany(): ClavigerError {
    const message = `${WAITING_MAX} calls wait for the token already; set \`maxConcurrent\` lower, or \`lanes\` higher`;
    return hostError(this.#options.provider, 'THROTTLED', message, 'WAITING_MAX');
  }

  #timeout(): ClavigerError {
    return lateError(this.#options.provider, LATE);
  }

  #ended({ reason }: AbortSignal): ClavigerError {
    return endedError(this.#options.provider, reason, LATE);
  }

  #tell(level: 'warn' | 'error', message: string): void {
    const { log, provider } = this.#options;
    log.write(level, `provider \`${provider}\`: ${message}`, { provider });
  }
}
