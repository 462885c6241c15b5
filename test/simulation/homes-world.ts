/**
 * A world for the simulation of many homes: a few providers that fall ill, refuse and recover on a schedule, and callers
 * who encrypt and decrypt meanwhile. Everything in it follows from its seed.
 *
 * What must never happen is checked while it happens, at the providers' own door. A lie about the world (`Sabotage`)
 * shows that each check can fail.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { ClavigerError, toClavigerError, type ErrorCode } from '../../src/errors.ts';
import { systemClock } from '../../src/ports/clock.ts';
import type { Random } from '../../src/ports/random.ts';
import { FakeProvider, type FakeFault } from '../../src/providers/fake/index.ts';
import type { CallOptions, HomeKey } from '../../src/providers/provider.ts';
import {
  anyHome,
  Guard,
  wrapEverywhere,
  type GroupSettings,
  type GuardSettings,
  type Home,
} from '../../src/resilience/index.ts';
import { seededDice, type Dice } from '../../tools/disk-shim/power-cut.ts';
import { patient } from '../support/homes.ts';
import { VirtualTime } from '../support/virtual-time.ts';

/** What must never happen. */
export const INVARIANTS = [
  /** An answered encrypt has fewer wraps than the quorum. */
  'quorum',
  /** A home that an answered encrypt names does not give the data key back, once it has recovered by itself. */
  'lost wrap',
  /** A decrypt is answered with another plaintext. */
  'other plaintext',
  /** A call is started after a refusal was seen in the same request. */
  'started after a refusal',
  /** A request is answered though a refusal was seen before. */
  'answered after a refusal',
  /** More calls to a home in one request than configured. */
  'over the budget',
  /** A call is started after its request has ended, or its deadline passed. */
  'started too late',
  /** A request takes longer than its deadline. */
  'too long',
  /** A call that must not happen twice is made again, although nobody knows whether it happened. */
  'repeated blindly',
  /** A provider that refused our credentials is called before an operator has cleared it. */
  'called in quarantine',
  /** A provider whose circuit is open is called before it is due. */
  'called while left alone',
  /** Two calls at a time find out whether a provider answers again. */
  'two trials',
  /** A request fails though enough homes were well all the time, and a little before: whatever their circuits were. */
  'failed without need',
  /** A timer, a listener or a call stays behind. */
  'left behind',
] as const;
export type Invariant = (typeof INVARIANTS)[number];

/** Lies, each of which has one check fail. */
export interface Sabotage {
  /** Guards are told of another error than the provider gave. */
  readonly disguise?: Readonly<Partial<Record<ErrorCode, ErrorCode>>>;
  /** What must not happen twice is said to be idempotent. */
  readonly mayRepeat?: boolean;
  readonly forgetCommitment?: boolean;
  /** A home gives back a wrap that it does not open. */
  readonly spoilWraps?: boolean;
  /** The checks believe in one attempt less, a shorter deadline, one more wrap. */
  readonly strictBy?: number;
  /** Somebody calls the provider beside its guard. */
  readonly backDoor?: boolean;
  readonly leaveTimer?: boolean;
  /** What is counted as well is not. */
  readonly wellMeansDown?: boolean;
}

export interface Play {
  readonly violations: ReadonlyMap<Invariant, string>;
  readonly requests: number;
  readonly calls: number;
  /** Outcomes of requests, for a look at what the worlds are like. */
  readonly outcomes: ReadonlyMap<string, number>;
}

type Mode = 'well' | 'down' | 'cut' | 'stalled' | 'throttled' | 'slow' | 'flaky' | 'corrupt' | Refusal;
type Refusal = 'KEY_DISABLED' | 'KEY_STATE' | 'PERMISSION_DENIED' | 'INVALID_CIPHERTEXT' | 'PROVIDER_DENIED';

const ILLNESSES = ['down', 'cut', 'stalled', 'throttled', 'slow', 'flaky'] as const;
const REFUSALS: readonly Refusal[] = [
  'KEY_DISABLED',
  'KEY_STATE',
  'PERMISSION_DENIED',
  'INVALID_CIPHERTEXT',
  'PROVIDER_DENIED',
];
const NAMES = ['aws', 'bao', 'hsm', 'gcp'] as const;
const SCHEDULE_MS = 2500;
const KINDS = ['encrypt', 'encrypt', 'decrypt', 'decrypt', 'decrypt', 'once'] as const;
/** What the clock may show beyond a deadline: fractions of its timers. */
const ROUNDING_MS = 0.001;
/** So long after it is well again a provider may still be taken for one that is not: a probe has just failed. */
const RECOVERY_MS = 110;
/** A circuit is open for so long at least, or for its own time. */
const UNPROVED_MS = 1000;

interface Phase {
  readonly untilMs: number;
  readonly mode: Mode;
}

interface Request {
  readonly kind: (typeof KINDS)[number];
  readonly startMs: number;
  readonly attempts: Map<SimulatedHome, number>;
  refusal: ErrorCode | null;
  /** It is not known of a call whether it happened. */
  isUnknown: boolean;
  isOver: boolean;
  isAborted: boolean;
}

interface Envelope {
  readonly dataKey: Buffer;
  readonly commitment: string;
  readonly wraps: ReadonlyMap<SimulatedHome, Buffer>;
}

interface SimulatedHome extends Home {
  readonly fake: FakeProvider;
  readonly native: HomeKey;
  readonly phases: readonly Phase[];
  isDenied: boolean;
  /** Calls under way that find out whether the provider answers again. */
  trials: number;
  /** Probes under way, with two timers each: that of the guard, and that of what it waits for. */
  probes: number;
  /** Until when it is not called, as its circuit said. */
  aloneUntilMs: number;
}

/** Plays the world of a seed to its end. */
export async function playWorld(seed: number, sabotage: Sabotage = {}): Promise<Play> {
  using time = new VirtualTime();
  const world = new World(seed, time, sabotage);
  await world.play();
  return world;
}

class World implements Play {
  readonly violations = new Map<Invariant, string>();
  readonly outcomes = new Map<string, number>();
  requests = 0;
  calls = 0;
  readonly #time: VirtualTime;
  readonly #dice: Dice;
  readonly #random: Random;
  readonly #sabotage: Sabotage;
  readonly #guardSettings: GuardSettings;
  readonly #group: GroupSettings;
  #homes: SimulatedHome[] = [];
  readonly #envelopes: Envelope[] = [];
  readonly #requestOf = new WeakMap<Uint8Array, Request>();
  readonly #callers: AbortController[] = [];
  /** True where a home that is well can answer in time whatever the others do. */
  readonly #isRoomy: boolean;
  /** All requests are. */
  #isOver = false;

  constructor(seed: number, time: VirtualTime, sabotage: Sabotage) {
    this.#time = time;
    this.#dice = seededDice(seed);
    this.#random = {
      bytes: (length) => Buffer.from(Array.from({ length }, () => this.#upTo(255))),
    };
    this.#sabotage = sabotage;
    const timeoutMs = 20 + this.#upTo(this.#chance(0.5) ? 300 : 1200);
    this.#isRoomy = this.#chance(0.7);
    this.#guardSettings = {
      timeoutMs,
      attempts: 1 + this.#upTo(3),
      maxConcurrent: this.#isRoomy ? 1000 : 1 + this.#upTo(5),
      // While it is shorter than a call may take, a trial may be under way when the next is due.
      breaker: { failures: 1 + this.#upTo(5), openMs: timeoutMs + 1 + this.#upTo(1500) },
    };
    const homes = 2 + this.#upTo(2);
    this.#group = {
      wrapQuorum: 1 + this.#upTo(homes - 1),
      wrapGraceMs: this.#upTo(100),
      deadlineMs: this.#isRoomy ? 500 + this.#upTo(1500) : 20 + this.#upTo(500),
      balance: this.#pick(['order', 'least-latency', 'weighted'] as const),
      hedgeMs: this.#chance(0.4) ? 5 + this.#upTo(100) : null,
    };
  }

  async play(): Promise<void> {
    const count = 2 + this.#upTo(2);
    const names = NAMES.slice(0, Math.max(count, this.#group.wrapQuorum));
    for (const name of names) this.#homes.push(await this.#makeHome(name));
    const running: Promise<void>[] = [];
    while (this.#time.nowMs < SCHEDULE_MS) {
      running.push(this.#request(this.#pick(KINDS)));
      if (this.#chance(0.02)) this.#clear(this.#pick(this.#homes));
      if (this.#chance(0.05)) void this.#pick(this.#homes).guard.probe();
      if (this.#sabotage.backDoor) running.push(this.#byTheBackDoor(this.#pick(this.#homes)));
      await this.#time.pass(1 + this.#upTo(100));
    }
    await this.#time.until(Promise.all(running));
    await this.#rest();
    await this.#heal();
    await this.#openAll();
    await this.#tidyUp();
  }

  async #makeHome(name: string): Promise<SimulatedHome> {
    const latencyMs = this.#upTo(9);
    let isMade = false;
    const fake = new FakeProvider({
      name,
      clock: systemClock,
      random: this.#random,
      latencyMs: () => (isMade && !this.#isOver ? latencyMs : 0),
    });
    const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: 'key', tags: {} } as const;
    const { ref } = await fake.lifecycle.create(wanted, patient());
    isMade = true;
    const native = fake.key(ref, 'AES-256-GCM');
    const guard = new Guard(fake, this.#guardSettings, {
      clock: systemClock,
      random: this.#random,
      events: {
        circuit: ({ state, reason }) => {
          if (state === 'quarantined') home.isDenied = true;
          if (state === 'open') home.aloneUntilMs = this.#time.nowMs + Math.min(UNPROVED_MS, this.#openMs);
          if (state === 'closed' || reason.startsWith('a probe was answered')) home.aloneUntilMs = 0;
        },
      },
    });
    const home: SimulatedHome = {
      guard,
      fake,
      native,
      key: { ref, wrap: { ...native.wrap!, wrap: (...given) => this.#wrap(home, ...given) } },
      weight: 1 + this.#upTo(4),
      phases: this.#phases(),
      isDenied: false,
      trials: 0,
      aloneUntilMs: 0,
      probes: 0,
    };
    const probe = fake.probe.bind(fake);
    fake.probe = async (options) => {
      home.probes += 1;
      try {
        return await probe(options);
      } finally {
        home.probes -= 1;
      }
    };
    fake.fault = ({ operation }) => {
      if (home.isDenied) this.#violated('called in quarantine', `${name} ${operation}`);
      return this.#faultOf(modeAt(home, this.#time.nowMs), operation);
    };
    return home;
  }

  #phases(): readonly Phase[] {
    const phases: Phase[] = [];
    const hasRefusals = this.#chance(0.3);
    for (let untilMs = 0; untilMs < SCHEDULE_MS;) {
      untilMs += 50 + this.#upTo(900);
      const isWell = this.#chance(0.5);
      const refuses = hasRefusals && this.#chance(0.3);
      const mode = isWell ? 'well' : refuses ? this.#pick([...REFUSALS, 'corrupt' as const]) : this.#pick(ILLNESSES);
      phases.push({ untilMs: Math.min(untilMs, SCHEDULE_MS), mode });
    }
    return phases;
  }

  /** What becomes of a call; faults come in pairs, done and not done. */
  #faultOf(mode: Mode, operation: string): FakeFault | null {
    const applied = this.#chance(0.5);
    switch (mode) {
      case 'well':
        return null;
      case 'down':
        return { kind: 'fail', code: 'PROVIDER_UNAVAILABLE', applied: false };
      case 'cut':
        return { kind: 'fail', code: 'PROVIDER_UNAVAILABLE', applied: true };
      case 'stalled':
        return { kind: 'hang', applied };
      case 'throttled':
        return { kind: 'fail', code: 'THROTTLED', applied: false };
      case 'slow':
        return { kind: 'slow', ms: this.#upTo(800) };
      case 'flaky':
        return this.#chance(0.5) ? null : this.#faultOf(this.#pick(ILLNESSES), operation);
      case 'corrupt':
        return operation === 'unwrap' ? { kind: 'corrupt' } : null;
      case 'PROVIDER_DENIED':
        return { kind: 'fail', code: mode, applied: false };
      default:
        return operation === 'probe' ? null : { kind: 'fail', code: mode, applied: false };
    }
  }

  async #request(kind: Request['kind']): Promise<void> {
    const request: Request = {
      kind,
      startMs: this.#time.nowMs,
      attempts: new Map(),
      refusal: null,
      isUnknown: false,
      isOver: false,
      isAborted: false,
    };
    this.requests += 1;
    const caller = new AbortController();
    this.#callers.push(caller);
    const impatient = this.#chance(0.05)
      ? setTimeout(() => {
          request.isAborted = true;
          caller.abort();
        }, this.#upTo(200))
      : undefined;
    const envelope = this.#envelopes.length > 0 ? this.#pick(this.#envelopes) : null;
    // A trial that was begun before a provider was well again has to end first.
    const well = new Set(this.#homes.filter(({ isDenied, trials }) => !isDenied && trials === 0));
    let error: ClavigerError | null = null;
    try {
      if (kind === 'encrypt') await this.#encrypt(request, caller.signal);
      else if (kind === 'once') await this.#once(request, caller.signal);
      else if (envelope !== null) await this.#decrypt(request, envelope, caller.signal);
    } catch (thrown) {
      error = toClavigerError(thrown);
    }
    clearTimeout(impatient);
    request.isOver = true;
    this.#count(`${kind} ${error?.code ?? 'OK'}`);

    const tookMs = this.#time.nowMs - request.startMs;
    const limitMs = this.#group.deadlineMs / (this.#strictBy + 1) + ROUNDING_MS;
    if (tookMs > limitMs) this.#violated('too long', `${kind} took ${tookMs} ms of ${limitMs}`);
    if (error === null && request.refusal !== null) this.#violated('answered after a refusal', request.refusal);
    this.#checkNeed(request, error, kind === 'decrypt' ? envelope : null, well);
  }

  async #encrypt(request: Request, signal: AbortSignal): Promise<void> {
    const dataKey = this.#random.bytes(32);
    this.#requestOf.set(dataKey, request);
    const { wraps, missing } = await wrapEverywhere(this.#homes, dataKey, contextOf, this.#group, signal);
    if (wraps.length < this.#group.wrapQuorum + this.#strictBy) this.#violated('quorum', `${wraps.length} wraps`);
    if (wraps.length + missing.length !== this.#homes.length) this.#violated('quorum', 'a home is nowhere named');
    this.#envelopes.push({
      dataKey,
      commitment: commitmentOf(dataKey),
      wraps: new Map(wraps.map(({ home, wrapped }) => [home, wrapped])),
    });
  }

  async #decrypt(request: Request, envelope: Envelope, signal: AbortSignal): Promise<void> {
    const named = this.#homes.filter((home) => envelope.wraps.has(home));
    const work = (home: Home, options: CallOptions): Promise<Buffer> =>
      this.#observed(request, home as SimulatedHome, options, () => this.#unwrap(home, envelope, options));
    const { value } = await anyHome(named, 'unwrap', true, work, this.#group, signal);
    if (!value.equals(envelope.dataKey)) this.#violated('other plaintext', value.toString('hex'));
  }

  /** A call that must not happen twice unless it is known that it has not. */
  async #once(request: Request, signal: AbortSignal): Promise<void> {
    const work = (home: Home, options: CallOptions): Promise<unknown> =>
      this.#observed(request, home as SimulatedHome, options, () =>
        (home as SimulatedHome).native.wrap!.wrap(Buffer.alloc(32), {}, options),
      );
    await anyHome(this.#homes, 'wrap', this.#sabotage.mayRepeat ?? false, work, this.#group, signal);
  }

  async #wrap(home: SimulatedHome, ...given: Parameters<NonNullable<HomeKey['wrap']>['wrap']>) {
    const [dataKey, , options] = given;
    const made = await this.#observed(this.#requestOf.get(dataKey)!, home, options, () =>
      home.native.wrap!.wrap(...given),
    );
    if (this.#sabotage.spoilWraps) made.value.reverse();
    return made;
  }

  /** What an operation does with a home's answer: nothing that does not match the commitment is a plaintext. */
  async #unwrap(home: Home, envelope: Envelope, options: CallOptions): Promise<Buffer> {
    const wrapped = envelope.wraps.get(home as SimulatedHome)!;
    const { value } = await (home as SimulatedHome).native.wrap!.unwrap(wrapped, contextOf(home), options);
    if (this.#sabotage.forgetCommitment || commitmentOf(value) === envelope.commitment) return value;
    throw new ClavigerError('INVALID_CIPHERTEXT', 'the data key is not the one that was committed to');
  }

  /** A call at the provider's door. */
  async #observed<T>(
    request: Request,
    home: SimulatedHome,
    { signal }: CallOptions,
    call: () => Promise<T>,
  ): Promise<T> {
    this.calls += 1;
    const { name } = home.guard;
    const attempts = (request.attempts.get(home) ?? 0) + 1;
    request.attempts.set(home, attempts);
    if (attempts > this.#guardSettings.attempts - this.#strictBy) {
      this.#violated('over the budget', `call ${attempts} to ${name}`);
    }
    if (request.refusal !== null) this.#violated('started after a refusal', `${name} after ${request.refusal}`);
    if (request.isUnknown) this.#violated('repeated blindly', name);
    const deadlineMs = request.startMs + this.#group.deadlineMs / (this.#strictBy * 3 + 1) + ROUNDING_MS;
    if (request.isOver || this.#time.nowMs > deadlineMs) this.#violated('started too late', name);
    const isTrial = home.guard.status().state !== 'closed';
    if (isTrial && home.trials > 0) this.#violated('two trials', name);
    if (isTrial) home.trials += 1;
    if (this.#time.nowMs < home.aloneUntilMs) this.#violated('called while left alone', name);
    try {
      return await call();
    } catch (thrown) {
      const error = toClavigerError(thrown);
      if (signal.aborted) {
        request.isUnknown ||= request.kind === 'once' && !request.isAborted;
        throw error;
      }
      if (REFUSALS.some((code) => code === error.code)) request.refusal ??= error.code;
      if (error.code === 'PROVIDER_TIMEOUT' && request.kind === 'once') request.isUnknown = true;
      if (error.code === 'PROVIDER_DENIED') home.isDenied = true;
      const disguised = this.#sabotage.disguise?.[error.code];
      throw disguised === undefined ? error : new ClavigerError(disguised, 'in disguise');
    } finally {
      if (isTrial) home.trials -= 1;
    }
  }

  /** A request of a roomy world must not fail where enough homes were well from its beginning to its end. */
  #checkNeed(
    request: Request,
    error: ClavigerError | null,
    envelope: Envelope | null,
    atStart: ReadonlySet<SimulatedHome>,
  ): void {
    const { kind, startMs, refusal, isAborted, isUnknown } = request;
    if (error === null || !this.#isRoomy || refusal !== null || isAborted || isUnknown) return;
    const asked = envelope === null ? this.#homes : [...envelope.wraps.keys()];
    const well = asked.filter(
      (home) =>
        atStart.has(home) && (this.#sabotage.wellMeansDown || wasWell(home, startMs - RECOVERY_MS, this.#time.nowMs)),
    );
    const enough = kind === 'encrypt' ? this.#group.wrapQuorum : 1;
    if (well.length < enough) return;
    this.#violated('failed without need', `${kind}: ${error.message}, though ${well[0]!.guard.name} was well`);
  }

  #clear(home: SimulatedHome): void {
    home.isDenied = false;
    home.guard.clear();
  }

  async #byTheBackDoor(home: SimulatedHome): Promise<void> {
    const request: Request = {
      kind: 'encrypt',
      startMs: this.#time.nowMs,
      attempts: new Map(),
      refusal: null,
      isUnknown: false,
      isOver: false,
      isAborted: false,
    };
    const options = patient(1000);
    const call = (): Promise<unknown> => home.native.wrap!.wrap(Buffer.alloc(32), {}, options);
    await this.#observed(request, home, options, call).catch(() => undefined);
  }

  async #heal(): Promise<void> {
    for (const home of this.#homes) {
      home.fake.fault = () => null;
      // Nobody else is needed for the others to recover.
      if (home.isDenied) this.#clear(home);
    }
    await this.#time.pass(10_000);
  }

  /** Every answered encrypt opens in each home that it names, alone. */
  async #openAll(): Promise<void> {
    for (const envelope of this.#envelopes) {
      for (const home of envelope.wraps.keys()) {
        const work = (_home: Home, options: CallOptions): Promise<Buffer> => this.#unwrap(home, envelope, options);
        const settings = { ...this.#group, deadlineMs: 10_000 };
        const signal = new AbortController().signal;
        try {
          const { value } = await this.#time.until(anyHome([home], 'unwrap', true, work, settings, signal));
          if (!value.equals(envelope.dataKey)) this.#violated('other plaintext', home.guard.name);
        } catch (error) {
          this.#violated('lost wrap', `${home.guard.name}: ${(error as Error).message}`);
        }
      }
    }
  }

  /** Nothing goes on for requests that are over, but for probes. */
  async #rest(): Promise<void> {
    this.#isOver = true;
    if (this.#sabotage.leaveTimer) setTimeout(() => undefined, 1000);
    await this.#time.pass(0);
    const pending = this.#time.pending - this.#homes.reduce((sum, { probes }) => sum + 2 * probes, 0);
    if (pending > 0) this.#violated('left behind', `${pending} timers`);
    for (const { guard } of this.#homes) {
      if (guard.status().inFlight !== 0) this.#violated('left behind', `a call of ${guard.name}`);
    }
    for (const { signal } of this.#callers) {
      if (getEventListeners(signal, 'abort').length > 0) this.#violated('left behind', 'a listener');
    }
  }

  async #tidyUp(): Promise<void> {
    for (const { guard } of this.#homes) await guard.close();
    if (this.#time.pending > 0) this.#violated('left behind', `${this.#time.pending} timers of a closed guard`);
  }

  get #openMs(): number {
    return this.#guardSettings.breaker.openMs;
  }

  get #strictBy(): number {
    return this.#sabotage.strictBy ?? 0;
  }

  #violated(invariant: Invariant, what: string): void {
    if (!this.violations.has(invariant)) this.violations.set(invariant, `at ${this.#time.nowMs} ms: ${what}`);
  }

  #count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  #chance(probability: number): boolean {
    return this.#dice() < probability;
  }

  /** A whole number from 0 to this, both included. */
  #upTo(most: number): number {
    return Math.floor(this.#dice() * (most + 1));
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#upTo(list.length - 1)]!;
  }
}

function contextOf({ guard }: Home): Readonly<Record<string, string>> {
  return { home: guard.name };
}

function commitmentOf(dataKey: Uint8Array): string {
  return createHash('sha256').update(dataKey).digest('hex');
}

function modeAt({ phases }: SimulatedHome, nowMs: number): Mode {
  return phases.find(({ untilMs }) => nowMs < untilMs)?.mode ?? 'well';
}

function wasWell({ phases }: SimulatedHome, fromMs: number, toMs: number): boolean {
  let beginMs = 0;
  for (const { untilMs, mode } of phases) {
    if (mode !== 'well' && beginMs <= toMs && untilMs > fromMs) return false;
    beginMs = untilMs;
  }
  return true;
}
