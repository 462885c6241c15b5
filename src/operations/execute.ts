/**
 * The only way to run an operation, and the only place where authentication, policy, operation and audit meet.
 *
 * The answer, or the refusal, leaves after its record is durable. Where something that the decision read has changed
 * before the record was written, nothing is recorded and all of it is decided again.
 *
 * @module
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { Receipt } from '../audit/ledger.ts';
import type { Outcome } from '../audit/protocol.ts';
import type { Phase, RecordDraft } from '../audit/record.ts';
import { ClavigerError, toClavigerError, toldToCallers } from '../errors.ts';
import type { OperationName } from '../model/operation.ts';
import type { Principal } from '../model/principal.ts';
import { monotonicMs } from '../ports/clock.ts';
import type { Change, Intent } from '../store/change.ts';
import type { ServedBy } from './crypto-input.ts';
import type { Observation } from './observer.ts';
import type { Call, Effect, Operation, OutsideWork } from './operation.ts';
import { NO_FACTS, outsideName, Scope, type Facts } from './scope.ts';
import type { Services } from './services.ts';

/** Attempts after which a decision that keeps going stale is refused: its key changes faster than it can be used. */
const ATTEMPTS_MAX = 50;
/** Policies that a record names: an entry of the log has at most 65,535 bytes, and all else in it is short. */
const POLICIES_MAX = 64;
const IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000;

/** Where the record of an answer stands. */
export interface Recorded {
  readonly index: number;
}

export type Answer<O> =
  | (Recorded & { readonly kind: 'output'; readonly output: O; readonly served: ServedBy | null })
  /** A repeat of a change that was answered before, with that answer. */
  | (Recorded & { readonly kind: 'replay'; readonly answer: string });

/** A refusal that stands in the log; null where it was only counted. */
export class RefusedError extends ClavigerError {
  readonly index: number | null;

  constructor(error: ClavigerError, index: number | null) {
    super(error.code, error.message, {
      cause: error.cause,
      ...(error.reason === undefined ? {} : { reason: error.reason }),
      ...(error.resource === undefined ? {} : { resource: error.resource }),
    });
    this.index = index;
  }
}

/**
 * Runs an operation for a call.
 *
 * @throws RefusedError with the operation's refusal; ClavigerError AUDIT_UNAVAILABLE where nothing could be recorded
 */
export async function execute<I, O>(
  services: Services,
  operation: Operation<I, O>,
  call: Call,
  input: I,
): Promise<Answer<O>> {
  const progress: Progress = { memo: new Map(), held: holdIdempotency(call), intent: null, undo: [], failure: null };
  const observation = services.observer.begin(operation.name, call);
  try {
    for (let attempt = 1; ; attempt++) {
      const answer = await attemptOnce(services, operation, observation, input, progress, attempt === ATTEMPTS_MAX);
      if (answer !== 'again') return answer;
      observation.repeat();
    }
  } catch (error) {
    observation.code = toClavigerError(error).code;
    throw error;
  } finally {
    progress.held.leave();
    observation.end();
  }
}

/** What attempts at one call hand on to the next. */
interface Progress {
  /** Work that a later attempt keeps. */
  readonly memo: Map<string, unknown>;
  readonly held: HeldIdempotency;
  /** What stands in the log of a change outside that was begun. */
  intent: RecordDraft | null;
  /** Takes back what was done outside, the last first. */
  readonly undo: (() => Promise<void>)[];
  /** Why the work outside failed, and what was known then: the next attempt records just that. */
  failure: { readonly error: unknown; readonly facts: Facts } | null;
}

/**
 * Refuses a call whose bytes made no sense, with a record. Who cannot authenticate is told just that.
 *
 * @throws RefusedError always
 */
export async function refuse(
  services: Services,
  name: OperationName | null,
  call: Call,
  error: ClavigerError,
): Promise<never> {
  const operation = { name: name as OperationName, run: () => Promise.reject(error) };
  await execute(services, operation, call, undefined);
  throw error;
}

/**
 * Counts a stranger whose refusal gets no record of its own, and has it answered when its turn comes. A flood of strangers
 * is to cost as little as it can.
 *
 * @param error why the caller's credential does not hold
 * @param tell tells the caller so: no record has a place that the answer could name. It is given what went wrong in here, of
 *   which nobody else hears, or null; it must not throw
 */
export function countStranger(
  { refusals, observer }: Services,
  call: Call,
  error: ClavigerError,
  tell: (mistake: unknown) => void,
): void {
  refusals.recordAlone(call.source);
  refusals.answerInTurn(() => {
    let mistake: unknown = null;
    try {
      const observation = observer.begin(null, call);
      observation.code = error.code;
      observation.end();
    } catch (thrown) {
      mistake = thrown;
    }
    tell(mistake);
  });
}

async function attemptOnce<I, O>(
  services: Services,
  operation: Operation<I, O>,
  observation: Observation,
  input: I,
  progress: Progress,
  last: boolean,
): Promise<Answer<O> | 'again'> {
  const { ledger } = services;
  const { call } = observation;
  const { held } = progress;
  const decidedAt = ledger.seen;
  let scope: Scope | null = null;
  let effect: Effect<O> | null = null as Effect<O> | null;
  let refusal: ClavigerError | null = null;
  try {
    const proved = services.authenticator.authenticate(call.proof);
    const principal = proved instanceof Promise ? await proved : proved;
    scope = new Scope(services, operation.name, call, principal, progress.memo);
    observation.scope = scope;
    if (progress.failure !== null) {
      scope.note(progress.failure.facts);
      throw progress.failure.error;
    }
    const entered = held.enter(services, principal);
    const kept = entered === null ? null : await entered;
    if (kept !== null) {
      // What this very principal was answered before, and no secret: there is nothing new to permit.
      scope.authorized = true;
      effect = { output: kept as O };
    } else {
      const ran = operation.run(scope, input);
      effect = ran instanceof Promise ? await ran : ran;
      effect = held.keep(effect, operation, services.clock.now());
    }
    // INVARIANT: no operation releases anything that no policy has permitted.
    if (!scope.authorized) throw new ClavigerError('INTERNAL', 'the operation was not authorised');
    if (last) throw new ClavigerError('CONFLICT', 'the key changes faster than it can be used; try again');
    // Last, so that a dry run tells whatever else would have been told. Nothing of the effect leaves or commits.
    if (call.dryRun && outcomeOf(effect) === 'OK') {
      throw new ClavigerError('DRY_RUN', 'the request would have succeeded, but dry run was asked for');
    }
  } catch (thrown) {
    refusal = toldToCallers(toClavigerError(thrown));
    if (refusal.code === 'INTERNAL') {
      services.log.write('error', 'internal error', {
        requestId: call.requestId,
        cause: describe(thrown),
      });
      // Its words were for the operator; the caller learns nothing of the inside.
      refusal = toClavigerError(null);
    }
  }
  if (effect !== null && 'outside' in effect) {
    if (refusal === null) return doOutside(services, operation.name, scope!, effect.outside, progress, decidedAt);
    effect = null;
  }
  const { intent } = progress;
  if (refusal !== null && progress.undo.length > 0) {
    // What is taken back stays so: should this have to be decided again, the work must not be found done.
    progress.failure = { error: refusal, facts: { ...(scope?.facts ?? NO_FACTS) } };
    await undoAll(services, progress);
  }
  // An intent is given its outcome, whoever its caller has become meanwhile.
  if (scope === null && intent === null && !services.refusals.recordAlone(call.source)) {
    throw new RefusedError(refusal!, null);
  }

  const changes = refusal === null && 'changes' in effect! ? (effect.changes ?? []) : [];
  let receipt: Receipt;
  const commit = observation.child('commit');
  try {
    receipt = await ledger.submit({
      decidedAt: last ? Number.MAX_SAFE_INTEGER : decidedAt,
      read: scope?.read ?? [],
      draft:
        intent !== null && refusal !== null
          ? refusedOutcome(intent, scope, services.clock.now())
          : draftOf(operation.name, call, scope, services.clock.now(), intent === null ? 'single' : 'outcome'),
      outcome: refusal?.code ?? outcomeOf(effect!),
      changes: intent !== null ? [...changes, { drop: 'intent', requestId: call.requestId }] : changes,
      signs: refusal === null && 'signs' in effect! ? effect.signs : [],
    });
  } finally {
    commit?.end();
  }
  if (receipt.verdict === 'stale') return 'again';
  const { index } = receipt;
  if (receipt.verdict !== 'done') {
    if (intent !== null) {
      await undoAll(services, progress);
      await ledger.keep([{ drop: 'intent', requestId: call.requestId }]);
    }
    throw new RefusedError(receipt.verdict === 'conflict' ? conflict() : toClavigerError(null), index);
  }
  if (refusal !== null) throw new RefusedError(refusal, index);
  observation.code = outcomeOf(effect!);
  if ('signs' in effect!) return { kind: 'output', output: effect.finish(receipt.signatures), served: null, index };
  const { output } = effect!;
  if (output instanceof Kept) return { kind: 'replay', answer: output.answer, index };
  return { kind: 'output', output, served: scope!.served ? servedBy(scope!) : null, index };
}

/**
 * Records the intent of a change outside the store, and makes the change. A crash from here on leaves an intent without
 * outcome, which the next start concludes (see jobs/homes.ts).
 */
async function doOutside(
  services: Services,
  name: OperationName,
  scope: Scope,
  { name: what, first = [], work, undo }: OutsideWork,
  progress: Progress,
  decidedAt: number,
): Promise<'again'> {
  const { call, principal, facts } = scope;
  if (progress.intent === null) {
    const startedAt = services.clock.now();
    const { keyId, provider, backing } = facts;
    const { requestId } = call;
    const { id, tenantId } = principal;
    const intent = { requestId, tenantId, principal: id, operation: name, keyId, provider, backing, startedAt };
    const draft = draftOf(name, call, scope, startedAt, 'intent');
    const receipt = await services.ledger.submit({
      decidedAt,
      read: scope.read,
      draft,
      outcome: 'OK',
      changes: [{ put: 'intent', intent }, ...first],
      signs: [],
    });
    if (receipt.verdict === 'stale') return 'again';
    if (receipt.verdict !== 'done') {
      throw new RefusedError(receipt.verdict === 'conflict' ? conflict() : toClavigerError(null), receipt.index);
    }
    progress.intent = draft;
  }
  try {
    const done = await work();
    progress.memo.set(outsideName(what), done);
    if (undo !== undefined) progress.undo.push(() => undo(done));
  } catch (error) {
    progress.failure = { error, facts: { ...facts } };
  }
  return 'again';
}

/** What cannot be taken back is told to the operator: it is a key that nobody uses. */
async function undoAll(services: Services, { undo }: Progress): Promise<void> {
  for (const step of undo.splice(0).reverse()) {
    try {
      await step();
    } catch (error) {
      services.log.write('error', 'what was made outside could not be taken back', { cause: describe(error) });
    }
  }
}

/** The record of refusals that were only counted, once their window is over. */
export function aggregateDraft(
  refusals: { readonly source: string | null; readonly count: number; readonly fromMs: number; readonly toMs: number },
  requestId: string,
  atMs: number,
): RecordDraft {
  const { source, count, fromMs, toMs } = refusals;
  return {
    ...NO_FACTS,
    phase: 'single',
    tenantId: null,
    principal: null,
    source,
    operation: null,
    policies: [],
    requestId,
    atMs,
    startedMs: 0,
    aggregate: { count, fromMs, toMs },
  };
}

/** The outcome of a change outside the store that a crash cut short. */
export function interruptedDraft(intent: Intent, atMs: number): RecordDraft {
  const { requestId, tenantId, principal, operation, keyId, provider, backing } = intent;
  return {
    ...NO_FACTS,
    phase: 'outcome',
    tenantId,
    principal,
    source: null,
    operation,
    keyId,
    provider,
    backing,
    policies: [],
    requestId,
    atMs,
    startedMs: monotonicMs(),
    aggregate: null,
  };
}

/** An answer that was given before; it stands in for the output on its way through `attemptOnce`. */
class Kept {
  readonly answer: string;

  constructor(answer: string) {
    this.answer = answer;
  }
}

/** Scopes of idempotent changes that are under way in this process. */
const underWay = new Set<string>();

interface HeldIdempotency {
  /** The kept answer, or null where the change has to be made. */
  enter(services: Services, principal: Principal): Promise<Kept | null> | null;
  /** Adds the answer to the change's own transaction. */
  keep<O, I>(effect: Effect<O>, operation: Operation<I, O>, nowMs: number): Effect<O>;
  leave(): void;
}

const NO_IDEMPOTENCY: HeldIdempotency = {
  enter: () => null,
  keep: (effect) => effect,
  leave: () => undefined,
};

function holdIdempotency({ idempotency }: Call): HeldIdempotency {
  if (idempotency === null) return NO_IDEMPOTENCY;
  const { key, route, requestHash, encode } = idempotency;
  let scope: string | null = null;
  return {
    enter: async ({ cache, clock }, principal) => {
      const wanted = hash('sha256', JSON.stringify([principal.tenantId, principal.id, route, key]));
      if (scope !== wanted && underWay.has(wanted))
        throw idempotencyConflict('the first request with this `Idempotency-Key` is still under way');
      underWay.add(wanted);
      scope = wanted;
      const kept = await cache.store.idempotent(wanted);
      if (kept === null || kept.createdAt < clock.now() - IDEMPOTENCY_KEPT_MS) return null;
      if (kept.requestHash.length !== requestHash.length || !timingSafeEqual(kept.requestHash, requestHash)) {
        throw idempotencyConflict('this `Idempotency-Key` was used for another request; use a new one');
      }
      if (kept.answer === null) {
        throw idempotencyConflict(
          `this request created \`${kept.createdId}\`; its secret was shown once and is not kept`,
        );
      }
      return new Kept(kept.answer);
    },
    keep: (effect, operation, nowMs) => {
      if (scope === null || !('output' in effect)) return effect;
      const createdId = operation.createdId?.(effect.output) ?? null;
      const answer = createdId === null ? encode(effect.output as never) : null;
      const change: Change = { put: 'idempotency', kept: { scope, requestHash, answer, createdId, createdAt: nowMs } };
      return { ...effect, changes: [...(effect.changes ?? []), change] };
    },
    leave: () => {
      if (scope !== null) underWay.delete(scope);
      scope = null;
    },
  };
}

function idempotencyConflict(message: string): ClavigerError {
  return new ClavigerError('CONFLICT', message);
}

function draftOf(name: OperationName, call: Call, scope: Scope | null, atMs: number, phase: Phase): RecordDraft {
  return {
    ...(scope?.facts ?? NO_FACTS),
    phase,
    tenantId: scope?.principal.tenantId ?? null,
    principal: scope?.principal.id ?? null,
    source: call.source,
    operation: name,
    policies: scope?.policies.slice(0, POLICIES_MAX) ?? [],
    requestId: call.requestId,
    atMs,
    startedMs: call.startedMs,
    aggregate: null,
  };
}

/** The refusal of what was begun: it says all that the intent says, however little of it is known again by now. */
function refusedOutcome(intent: RecordDraft, scope: Scope | null, atMs: number): RecordDraft {
  return { ...intent, phase: 'outcome', policies: scope?.policies.slice(0, POLICIES_MAX) ?? [], atMs };
}

function servedBy({ facts: { provider, failovers, missingHomes }, thumbprint }: Scope): ServedBy {
  return { provider, failovers, missingHomes, ...(thumbprint === null ? {} : { thumbprint }) };
}

/** An operation may answer with a finding that the log calls by its code, such as a signature that does not verify. */
function outcomeOf(effect: Effect<unknown>): Outcome {
  return ('outcome' in effect ? effect.outcome : undefined) ?? 'OK';
}

function conflict(): ClavigerError {
  return new ClavigerError('CONFLICT', 'the change collides with another; read again and try once more');
}

/** An error with what caused it, for the operator. */
function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { stack, message, cause } = thrown;
  return cause === undefined ? (stack ?? message) : `${stack ?? message}\ncaused by: ${describe(cause)}`;
}
