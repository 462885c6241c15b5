/**
 * What is seen of a request from outside it: numbers, spans, and a line in the server log where it was slow or failed
 * for a reason of ours. `execute` begins and ends an observation and says nothing else.
 *
 * @module
 */
import { ERRORS, type ErrorCode } from '../errors.ts';
import type { OperationName } from '../model/operation.ts';
import { monotonicMs } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Metrics, Run } from '../ports/metrics.ts';
import type { Carrier, Span, Tracer } from '../ports/tracing.ts';
import type { Call } from './operation.ts';
import { FROM_CACHE, type Scope } from './scope.ts';

/** A request that takes longer than anything of ours should. */
export const SLOW_REQUEST_MS = 1000;
/** Lines a second about slow and failed requests: a server in trouble must not spend itself on saying so. */
const LINES_PER_SECOND = 10;
/** Policies that a span names; the record has them all. */
const POLICIES_MAX = 8;

export interface ObserverOptions {
  readonly metrics: Metrics;
  /** null where nothing is traced. */
  readonly tracer: Tracer | null;
  readonly log: Log;
  /** A request that takes longer is told in the log. */
  readonly slowRequestMs: number;
}

export class Observer {
  readonly metrics: Metrics;
  readonly #tracer: Tracer | null;
  readonly #log: Log;
  readonly #slowRequestMs: number;
  #second = 0;
  #lines = 0;

  constructor({ metrics, tracer, log, slowRequestMs }: ObserverOptions) {
    this.metrics = metrics;
    this.#tracer = tracer;
    this.#log = log;
    this.#slowRequestMs = slowRequestMs;
  }

  /** The span of a request that has just come; null where it is not traced. */
  trace(name: string, carrier: Carrier | null): Span | null {
    return this.#tracer === null ? null : this.#tracer.begin(name, carrier);
  }

  /** Begins to observe one run of an operation. Whoever begins must end. */
  begin(operation: OperationName | null, call: Call): Observation {
    this.metrics.begin();
    return new Observation(this, operation, call);
  }

  /** Counts a run that has ended, and tells of it where somebody should look. */
  ended(run: Run, requestId: string): void {
    this.metrics.end(run);
    const slow = run.durationMs > this.#slowRequestMs;
    // A mistake of ours is told where it is caught, with its cause.
    const failed = run.code !== 'OK' && run.code !== 'INTERNAL' && ERRORS[run.code].http >= 500;
    if ((slow || failed) && this.#mayTell()) {
      const { operation, code, durationMs } = run;
      this.#log.write('warn', slow ? 'slow request' : 'failed request', {
        requestId,
        operation: operation ?? 'none',
        code,
        durationMs: Math.round(durationMs),
      });
    }
  }

  #mayTell(): boolean {
    const second = Math.floor(monotonicMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
    }
    this.#lines += 1;
    return this.#lines <= LINES_PER_SECOND;
  }
}

export class Observation {
  /** The call, whose span is now that of this run. */
  readonly call: Call;
  /** Of the attempt that counts; null before anybody was authenticated. */
  scope: Scope | null = null;
  /** What the answer is called in the log. */
  code: 'OK' | ErrorCode = 'OK';
  readonly #observer: Observer;
  readonly #operation: OperationName | null;

  constructor(observer: Observer, operation: OperationName | null, call: Call) {
    this.#observer = observer;
    this.#operation = operation;
    const { trace } = call;
    this.call = trace === null ? call : { ...call, trace: trace.child(operation ?? 'refuse') };
  }

  /** The decision is made again. */
  repeat(): void {
    this.#observer.metrics.repeated();
  }

  /** The span of what happens within this run; null where it is not traced. */
  child(name: string): Span | null {
    const { trace } = this.call;
    return trace === null ? null : trace.child(name);
  }

  end(): void {
    const { scope, code, call } = this;
    const items = scope?.facts.items ?? null;
    this.#observer.ended(
      {
        operation: this.#operation,
        tenantId: scope === null ? null : scope.principal.tenantId,
        provider: scope === null ? null : providerLabel(scope.facts.provider),
        code,
        durationMs: monotonicMs() - call.startedMs,
        items: items === null ? 0 : items.length,
        itemsFailed: items === null ? 0 : failedOf(items),
        failovers: scope === null ? [] : scope.facts.failovers,
        missingHomes: scope === null ? [] : scope.facts.missingHomes,
      },
      call.requestId,
    );
    if (call.trace !== null) this.#endSpan(call.trace);
  }

  #endSpan(span: Span): void {
    const { scope, code, call } = this;
    span.set({ 'claviger.code': code, 'claviger.request_id': call.requestId, 'claviger.gateway': call.gateway });
    if (scope !== null) {
      const { keyId, keyVersion, provider, algorithm } = scope.facts;
      span.set({ 'claviger.tenant': scope.principal.tenantId, 'claviger.permitted': scope.authorized });
      if (scope.policies.length > 0) span.set({ 'claviger.policies': scope.policies.slice(0, POLICIES_MAX).join(' ') });
      if (keyId !== null) span.set({ 'claviger.key': keyId });
      if (keyVersion !== null) span.set({ 'claviger.key_version': keyVersion });
      if (provider !== null) span.set({ 'claviger.provider': provider });
      if (algorithm !== null) span.set({ 'claviger.algorithm': algorithm });
    }
    span.end(code === 'OK' ? undefined : code);
  }
}

function failedOf(items: readonly { readonly outcome: string }[]): number {
  let failed = 0;
  for (const { outcome } of items) if (outcome !== 'OK') failed += 1;
  return failed;
}

/** Several homes did the work together: their combinations would be too many for a label. */
function providerLabel(provider: string | null): string | null {
  if (provider?.startsWith(FROM_CACHE) === true) return 'cache';
  return provider?.includes(',') === true ? 'several' : provider;
}
