import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Observer } from '../../../src/operations/observer.ts';
import type { Call } from '../../../src/operations/operation.ts';
import { monotonicMs } from '../../../src/ports/clock.ts';
import type { Metrics, Run } from '../../../src/ports/metrics.ts';

/** An observer of which all is kept that it says. */
function observed(): { readonly observer: Observer; readonly runs: Run[]; readonly lines: Record<string, unknown>[] } {
  const runs: Run[] = [];
  const lines: Record<string, unknown>[] = [];
  const metrics: Metrics = {
    begin: () => undefined,
    end: (run) => runs.push(run),
    repeated: () => undefined,
    providerKnown: () => undefined,
    providerCalled: () => undefined,
    providerRetried: () => undefined,
    disagreed: () => undefined,
    committed: () => undefined,
    read: () => undefined,
    render: async () => '',
  };
  const log = {
    write: (level: string, message: string, fields = {}) => void lines.push({ level, message, ...fields }),
  };
  return { observer: new Observer({ metrics, tracer: null, log, slowRequestMs: 1000 }), runs, lines };
}

function callOf(startedMs: number): Call {
  return {
    proof: { kind: 'none' },
    gateway: 'rest',
    source: null,
    requestId: 'r1',
    startedMs,
    dryRun: false,
    idempotency: null,
    trace: null,
  };
}

suite('the log of the operator', () => {
  test('has no line for a request that went well, or that its caller did wrong', () => {
    const { observer, runs, lines } = observed();
    for (const code of ['OK', 'PERMISSION_DENIED', 'INVALID_ARGUMENT', 'UNAUTHENTICATED'] as const) {
      const observation = observer.begin('Sign', callOf(monotonicMs()));
      observation.code = code;
      observation.end();
    }
    assert.equal(runs.length, 4);
    assert.deepEqual(lines, []);
  });

  test('has the request id of a request that took too long', () => {
    const { observer, lines } = observed();
    observer.begin('Sign', callOf(monotonicMs() - 1500)).end();
    const [{ durationMs, ...line }] = lines as [Record<string, unknown>];
    assert.deepEqual(line, { level: 'warn', message: 'slow request', requestId: 'r1', operation: 'Sign', code: 'OK' });
    assert.ok((durationMs as number) >= 1500);
  });

  test('has the request id of a request that failed because of us', () => {
    const { observer, lines } = observed();
    const observation = observer.begin('Sign', callOf(monotonicMs()));
    observation.code = 'AUDIT_UNAVAILABLE';
    observation.end();
    assert.equal(lines.length, 1);
    assert.equal(lines[0]!['message'], 'failed request');
    assert.equal(lines[0]!['requestId'], 'r1');
  });

  test('does not grow by a line for each request of a server in trouble', () => {
    const { observer, runs, lines } = observed();
    for (let request = 0; request < 1000; request++) {
      const observation = observer.begin('Sign', callOf(monotonicMs()));
      observation.code = 'STORE_UNAVAILABLE';
      observation.end();
    }
    assert.equal(runs.length, 1000);
    // A second may begin while they run.
    assert.ok(lines.length >= 10 && lines.length <= 20, String(lines.length));
  });
});
