/**
 * Cases: what goes wrong on the way has the code that decides retry and failover, comes in time, and is over when it is
 * over.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { ClavigerError, type ErrorCode } from '../../../errors.ts';
import { within, type Bench, type Case } from '../bench.ts';
import { everyCall, type ReadyCall } from '../calls.ts';
import { ended, refused, SLACK_MS } from '../expect.ts';

/** Time of a call that has to hang, and of every other one that meets a fault. */
const HANG_MS = 400;
const FAULT_MS = 5000;
/** A connection may wait before it is made anew: gRPC takes seconds between attempts. */
const RECOVERY_MS_MAX = 10_000;

interface FaultRow {
  readonly fault: NonNullable<Case['fault']>;
  readonly code: ErrorCode;
  /** Exactly one call comes to the service; where not, the connection may fail before it. */
  readonly oneCall: boolean;
  readonly claim: string;
}

const FAULTS: readonly FaultRow[] = [
  { fault: 'throttle', code: 'THROTTLED', oneCall: true, claim: 'a service that has too many calls' },
  { fault: 'fail5xx', code: 'PROVIDER_UNAVAILABLE', oneCall: true, claim: 'a service that fails inside' },
  { fault: 'hang', code: 'PROVIDER_TIMEOUT', oneCall: false, claim: 'a service that never answers' },
  { fault: 'reset', code: 'PROVIDER_UNAVAILABLE', oneCall: false, claim: 'a connection that is reset' },
  { fault: 'refuse', code: 'PROVIDER_UNAVAILABLE', oneCall: false, claim: 'a service where nobody listens' },
  { fault: 'cut', code: 'PROVIDER_UNAVAILABLE', oneCall: true, claim: 'an answer that is cut off' },
  { fault: 'nonsense', code: 'PROVIDER_UNAVAILABLE', oneCall: true, claim: 'an answer that makes no sense' },
  { fault: 'deny', code: 'PROVIDER_DENIED', oneCall: false, claim: 'credentials that are refused' },
];

export const faultCases: readonly Case[] = [
  ...FAULTS.map((row): Case => ({
    name: `faults, ${row.fault}: ${row.claim} gives ${row.code} after one call, in time, and is forgotten afterwards`,
    fault: row.fault,
    run: (bench) => requireFault(bench, row),
  })),
  {
    name: 'faults: a probe of a service that is down says so, and does not hang',
    fault: 'hang',
    run: async (bench) => {
      const before = await bench.provider.probe(bench.options);
      assert.ok(before.ok, `a provider that is well says: ${before.detail}`);
      await during(bench, 'hang', async () => {
        const health = await ended('probe', HANG_MS + SLACK_MS, probed(bench, HANG_MS));
        assert.ok(!health.ok, 'a probe that nobody answered is not ok');
        assert.notEqual(health.detail, '');
      });
    },
  },
  {
    name: 'faults: creating a key is not tried twice',
    fault: 'fail5xx',
    run: async (bench) => {
      const spec = bench.specWith('create');
      if (spec === null) return;
      const wanted = { spec, usage: bench.usageOf(spec), name: 'conformance-not-made', tags: {} };
      await during(bench, 'fail5xx', async () => {
        const calls = await bench.callsOf(() =>
          refused('create', 'PROVIDER_UNAVAILABLE', () => bench.lifecycle.create(wanted, bench.options)),
        );
        assert.equal(calls, 1, 'it may have happened although it failed');
      });
    },
  },
];

/** While a fault holds; it is over at the end, whatever happened. */
export async function during(bench: Bench, fault: FaultRow['fault'], work: () => Promise<void>): Promise<void> {
  await bench.faults[fault]!();
  try {
    await work();
  } finally {
    await bench.faults.heal();
  }
}

async function requireFault(bench: Bench, { fault, code, oneCall }: FaultRow): Promise<void> {
  const calls = await everyCall(bench);
  for (const { make } of calls) await make(bench.options);
  await during(bench, fault, async () => {
    if (fault === 'hang') {
      await Promise.all(
        calls.map(({ what, make }) =>
          ended(
            what,
            HANG_MS + SLACK_MS,
            refused(what, code, () => make(within(HANG_MS))),
          ),
        ),
      );
      return;
    }
    for (const { what, make } of calls) {
      const count = await bench.callsOf(() =>
        ended(
          what,
          FAULT_MS + SLACK_MS,
          refused(what, code, () => make(within(FAULT_MS))),
        ),
      );
      assert.ok(count! <= 1, `${what}: the service had ${count} calls; retries are not the adapter's`);
      if (oneCall) assert.equal(count, 1, `${what}: the call never came to the service`);
    }
  });
  for (const { what, make } of calls) await recovered(bench, what, make);
}

/** Works again by itself, sooner or later. */
export async function recovered(bench: Bench, what: string, make: ReadyCall['make']): Promise<void> {
  const untilMs = performance.now() + RECOVERY_MS_MAX;
  for (;;) {
    const failed = await make(bench.options).then(
      () => null,
      (error: Error) => error,
    );
    if (failed === null) return;
    assert.ok(performance.now() < untilMs, `${what}: all is well again, and it still fails: ${failed.message}`);
    await setTimeout(100);
  }
}

/** A probe that is not ok may say so, or end like a call. */
async function probed(bench: Bench, ms: number): Promise<{ readonly ok: boolean; readonly detail: string }> {
  try {
    return await bench.provider.probe(within(ms));
  } catch (error) {
    assert.ok(error instanceof ClavigerError, `it ended with something of its own: ${String(error)}`);
    return { ok: false, detail: error.message };
  }
}
