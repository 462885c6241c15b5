import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { ClavigerError, type ErrorCode } from '../../../src/errors.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import type { CallOptions } from '../../../src/providers/provider.ts';
import { Guard, type GuardEvents, type GuardSettings } from '../../../src/resilience/index.ts';
import { FakeProvider } from '../../../src/providers/fake/index.ts';
import { GUARD, withoutJitter } from '../../support/homes.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

interface Seen {
  readonly called: string[];
  readonly circuit: string[];
  retried: number;
}

/** A guard over an empty fake provider, and what its events said. */
function guarded(settings: Partial<GuardSettings> = {}): { guard: Guard; fake: FakeProvider; seen: Seen } {
  const seen: Seen = { called: [], circuit: [], retried: 0 };
  const events: GuardEvents = {
    called: ({ operation, outcome, attempt }) => seen.called.push(`${operation} ${attempt} ${outcome}`),
    retried: () => (seen.retried += 1),
    circuit: ({ state, reason }) => seen.circuit.push(`${state}: ${reason}`),
  };
  const fake = new FakeProvider({ name: 'bao', clock: systemClock, random: withoutJitter });
  const ports = { clock: systemClock, random: withoutJitter, events };
  return { guard: new Guard(fake, { ...GUARD, ...settings }, ports), fake, seen };
}

function within(ms = 60_000, signal = new AbortController().signal): { signal: AbortSignal; deadlineMs: number } {
  return { signal, deadlineMs: performance.now() + ms };
}

function fails(code: ErrorCode): () => Promise<never> {
  return async () => {
    throw new ClavigerError(code, `told to fail with ${code}`);
  };
}

/** Heeds nothing, not even its signal. */
const hangs = (): Promise<never> => new Promise(() => undefined);

async function opened(time: VirtualTime, guard: Guard): Promise<void> {
  for (let n = 0; guard.status().state === 'closed'; n += 1) {
    assert.ok(n < 100, 'it never opens');
    await assert.rejects(time.until(guard.call('sign', true, fails('PROVIDER_UNAVAILABLE'), within())));
  }
}

test('an answer comes through, and is counted with its latency', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded();
  const work = async (): Promise<string> => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    return 'signature';
  };
  assert.equal(await time.until(guard.call('sign', true, work, within())), 'signature');
  assert.deepEqual(seen.called, ['sign 1 OK']);
  const { latencyMs, calls, failures, retries, inFlight, state } = guard.status();
  assert.deepEqual(
    { latencyMs, calls, failures, retries, inFlight, state },
    {
      latencyMs: { mean: 30, p99: 30 },
      calls: 1,
      failures: 0,
      retries: 0,
      inFlight: 0,
      state: 'closed',
    },
  );
});

test('an unreachable provider is asked as often as configured, and its own error comes out', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded();
  const answer = time.until(guard.call('sign', false, fails('PROVIDER_UNAVAILABLE'), within()));
  await assert.rejects(answer, { code: 'PROVIDER_UNAVAILABLE', message: 'told to fail with PROVIDER_UNAVAILABLE' });
  assert.deepEqual(
    seen.called,
    [1, 2, 3].map((attempt) => `sign ${attempt} PROVIDER_UNAVAILABLE`),
  );
  assert.equal(seen.retried, 2);
  assert.ok(time.nowMs >= 40, 'it waits between the attempts');
});

test('a refusal is given once, and says that the provider is well', async () => {
  using time = new VirtualTime();
  for (const code of [
    'KEY_DISABLED',
    'KEY_STATE',
    'PERMISSION_DENIED',
    'INVALID_CIPHERTEXT',
    'KEY_NOT_FOUND',
  ] as const) {
    const { guard, seen } = guarded();
    for (let n = 0; n < 20; n += 1) {
      await assert.rejects(time.until(guard.call('sign', true, fails(code), within())), { code });
    }
    assert.equal(seen.called.length, 20);
    assert.equal(guard.status().state, 'closed');
    assert.equal(guard.status().failures, 0);
  }
});

test('a call that took too long is repeated only where it may happen twice', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded();
  const error = {
    code: 'PROVIDER_TIMEOUT',
    message: '`bao` did not answer `create` within 500 ms',
  };
  await assert.rejects(time.until(guard.call('create', false, hangs, within())), error);
  assert.equal(seen.called.length, 1);
  await assert.rejects(time.until(guard.call('sign', true, hangs, within())), { code: 'PROVIDER_TIMEOUT' });
  assert.equal(seen.called.length, 4);
});

test('no call begins, and none lasts, beyond the deadline of the request', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded({ attempts: 10, breaker: { failures: 100, openMs: 10 } });
  await assert.rejects(time.until(guard.call('sign', true, hangs, within(1200))), { code: 'PROVIDER_TIMEOUT' });
  assert.ok(time.nowMs <= 1200, `it took ${time.nowMs} ms`);
  assert.ok(seen.called.length >= 2);
  await assert.rejects(guard.call('sign', true, hangs, within(0)), /the time of the request is over/);
});

test('work is told how long it has, and its signal aborts then', async () => {
  using time = new VirtualTime();
  const { guard } = guarded();
  const given: CallOptions[] = [];
  const work = (options: CallOptions): Promise<never> => {
    given.push(options);
    return hangs();
  };
  await assert.rejects(time.until(guard.call('create', false, work, within(300))));
  assert.equal(given[0]!.timeoutMs, 300);
  assert.equal((given[0]!.signal.reason as ClavigerError).code, 'PROVIDER_TIMEOUT');
});

test('a caller who gives up gets CANCELED, or the reason of the signal, and the provider is not blamed', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded();
  for (const reason of [undefined, new ClavigerError('KEY_DISABLED', 'another home refused')]) {
    const caller = new AbortController();
    const answer = guard.call('sign', true, hangs, within(60_000, caller.signal));
    await time.pass(100);
    caller.abort(reason);
    await assert.rejects(time.until(answer), { code: reason?.code ?? 'CANCELED' });
  }
  assert.deepEqual(seen.called, ['sign 1 CANCELED', 'sign 1 CANCELED']);
  assert.equal(guard.status().failures, 0);
  assert.equal(guard.status().lastError, null);
});

test('a caller who gives up between two attempts gets CANCELED at once', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded();
  const caller = new AbortController();
  const answer = guard.call('sign', true, fails('PROVIDER_UNAVAILABLE'), within(60_000, caller.signal));
  await time.pass(1);
  caller.abort();
  await assert.rejects(time.until(answer), { code: 'CANCELED' });
  assert.equal(seen.called.length, 1);
  assert.equal(time.nowMs, 1);
});

test('after so many failures in a row the provider is left alone, and callers are told since when and why', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded();
  await opened(time, guard);
  assert.equal(seen.called.length, 5);
  assert.deepEqual(seen.circuit, ['open: told to fail with PROVIDER_UNAVAILABLE']);
  const openedAt = new Date(guard.status().sinceMs).toISOString();
  await assert.rejects(
    guard.call('sign', true, async () => 1, within()),
    {
      code: 'PROVIDER_UNAVAILABLE',
      message: `\`bao\` was not called: it is left alone since ${openedAt}, for 10 s more: told to fail with PROVIDER_UNAVAILABLE`,
    },
  );
  assert.equal(seen.called.length, 5);
  assert.equal(guard.usable(), false);
  await guard.close();
});

test('a success between failures starts the count again; a throttle or a canceled call does not', async () => {
  using time = new VirtualTime();
  const { guard } = guarded({ attempts: 1 });
  const four = async (): Promise<void> => {
    for (let n = 0; n < 4; n += 1) {
      await assert.rejects(guard.call('sign', true, fails('PROVIDER_UNAVAILABLE'), within()));
    }
  };
  await four();
  await guard.call('sign', true, async () => 'signature', within());
  await four();
  assert.equal(guard.status().state, 'closed');
  await assert.rejects(guard.call('sign', true, fails('THROTTLED'), within()));
  const caller = new AbortController();
  const canceled = guard.call('sign', true, hangs, within(60_000, caller.signal));
  await time.pass(1);
  caller.abort();
  await assert.rejects(canceled);
  await assert.rejects(guard.call('sign', true, fails('PROVIDER_UNAVAILABLE'), within()));
  assert.equal(guard.status().state, 'open');
  await guard.close();
});

test('throttling alone opens no circuit; it is waited for longer each time, and the provider is asked after others', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded();
  for (let n = 0; n < 10; n += 1) {
    await assert.rejects(time.until(guard.call('sign', true, fails('THROTTLED'), within())), { code: 'THROTTLED' });
  }
  assert.equal(seen.called.length, 30);
  assert.deepEqual(seen.circuit, []);
  assert.equal(guard.usable(), true);
  assert.equal(guard.readiness, 'throttled');
  assert.ok(time.nowMs >= 10 * 2 * 100);
  await guard.call('sign', true, async () => 'signature', within());
  assert.equal(guard.readiness, 'ready');
});

test('when it is due, one call at a time finds out, and others are refused meanwhile', async () => {
  using time = new VirtualTime();
  const { guard, fake, seen } = guarded();
  fake.fault = () => ({ kind: 'fail', code: 'PROVIDER_UNAVAILABLE', applied: false });
  await opened(time, guard);
  await time.pass(20_001);
  assert.equal(guard.usable(), false, 'a probe that fails puts it off');
  fake.fault = () => null;
  await time.pass(1000);
  assert.equal(guard.status().state, 'half-open', 'a probe was answered');
  let answer: (value: string) => void = () => undefined;
  const trial = guard.call('sign', true, () => new Promise<string>((resolve) => (answer = resolve)), within());
  await time.pass(1);
  assert.equal(guard.usable(), false);
  await assert.rejects(
    guard.call('sign', true, async () => 'signature', within()),
    {
      code: 'PROVIDER_UNAVAILABLE',
      message: /one call is finding out whether it answers again/,
    },
  );
  answer('signature');
  assert.equal(await time.until(trial), 'signature');
  assert.equal(guard.status().state, 'closed');
  assert.deepEqual(seen.circuit, [
    'open: told to fail with PROVIDER_UNAVAILABLE',
    'half-open: a probe was answered; the next call decides',
    'closed: it answers again',
  ]);
});

test('many calls that come in the moment it is due make one call', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded();
  await opened(time, guard);
  await time.pass(10_000);
  const before = seen.called.length;
  const all = await Promise.all(
    Array.from({ length: 50 }, () =>
      guard.call('sign', true, async () => 'signature', within()).catch((error: ClavigerError) => error.code),
    ),
  );
  assert.equal(all.filter((outcome) => outcome === 'signature').length, 1);
  assert.equal(seen.called.length, before + 1);
});

test('a trial that fails opens it for as long again, and it is told since when it is down', async () => {
  using time = new VirtualTime();
  const { guard } = guarded();
  await opened(time, guard);
  const { sinceMs } = guard.status();
  await time.pass(10_000);
  assert.equal(guard.status().state, 'half-open');
  await assert.rejects(guard.call('sign', true, fails('PROVIDER_UNAVAILABLE'), within()));
  assert.equal(guard.status().state, 'open');
  assert.equal(guard.status().sinceMs, sinceMs);
  await time.pass(9_999);
  assert.equal(guard.usable(), false);
  await guard.close();
});

test('a trial that is given up proves nothing: it stays open, for a second', async () => {
  using time = new VirtualTime();
  const { guard } = guarded();
  await opened(time, guard);
  await time.pass(10_000);
  const caller = new AbortController();
  const trial = guard.call('sign', true, hangs, within(60_000, caller.signal));
  await time.pass(1);
  caller.abort();
  await assert.rejects(time.until(trial), { code: 'CANCELED' });
  assert.equal(guard.usable(), false);
  await time.pass(1000);
  assert.equal(guard.usable(), true);
  await guard.close();
});

test('failures from before do not end a trial, and a second one does not begin beside it', async () => {
  using time = new VirtualTime();
  const { guard } = guarded();
  const old = guard.call('create', false, hangs, within(60_000)).catch(() => undefined);
  await time.pass(1);
  for (let n = 0; n < 5; n += 1) {
    await assert.rejects(guard.call('create', false, fails('PROVIDER_UNAVAILABLE'), within(1)));
  }
  assert.equal(guard.status().state, 'open');
  await guard.probe();
  let answer: () => void = () => undefined;
  const trial = guard.call('sign', true, () => new Promise<void>((resolve) => (answer = resolve)), within());
  await time.until(old);
  assert.equal(guard.status().state, 'half-open');
  await guard.probe();
  assert.equal(guard.usable(), false);
  answer();
  await time.until(trial);
  assert.equal(guard.status().state, 'closed');
});

test('where the circuit opens between two attempts, the error of the first is told', async () => {
  using time = new VirtualTime();
  const { guard } = guarded();
  const answer = guard.call('sign', true, fails('PROVIDER_UNAVAILABLE'), within());
  await time.pass(1);
  for (let n = 0; n < 4; n += 1) {
    await assert.rejects(guard.call('create', false, fails('PROVIDER_UNAVAILABLE'), within(1)));
  }
  assert.equal(guard.status().state, 'open');
  await assert.rejects(time.until(answer), { message: 'told to fail with PROVIDER_UNAVAILABLE' });
  assert.equal(guard.status().calls, 5);
  await guard.close();
});

test('a refusal during a trial closes the circuit: who refuses is well', async () => {
  using time = new VirtualTime();
  const { guard } = guarded();
  await opened(time, guard);
  await time.pass(10_000);
  await assert.rejects(guard.call('sign', true, fails('KEY_DISABLED'), within()), { code: 'KEY_DISABLED' });
  assert.equal(guard.status().state, 'closed');
});

test('answers that fail their check open no circuit and are not asked for again; each is told and counted', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded();
  for (let n = 0; n < 10; n += 1) {
    const answer = guard.call('sign', true, fails('PROVIDER_INTEGRITY'), within());
    await assert.rejects(time.until(answer), { code: 'PROVIDER_INTEGRITY' });
  }
  assert.deepEqual(
    seen.called,
    Array.from({ length: 10 }, () => 'sign 1 PROVIDER_INTEGRITY'),
  );
  assert.deepEqual(seen.circuit, []);
  const { state, failures, lastError } = guard.status();
  assert.deepEqual([state, failures, lastError?.code], ['closed', 10, 'PROVIDER_INTEGRITY']);
  assert.equal(guard.readiness, 'ready');
});

test('nor does one keep a circuit open: its requests would go elsewhere without a word', async () => {
  using time = new VirtualTime();
  const { guard } = guarded();
  await opened(time, guard);
  await time.pass(10_000);
  const trial = guard.call('sign', true, fails('PROVIDER_INTEGRITY'), within());
  await assert.rejects(trial, { code: 'PROVIDER_INTEGRITY' });
  assert.equal(guard.status().state, 'closed');
});

test('a wall clock that is set back does not keep a circuit open', async () => {
  using time = new VirtualTime();
  const { guard } = guarded();
  await opened(time, guard);
  const { now } = Date;
  Date.now = () => now() - 3_600_000;
  await time.pass(10_000);
  assert.equal(await guard.call('sign', true, async () => 'signature', within()), 'signature');
});

test('refused credentials quarantine the provider until an operator clears it', async () => {
  using time = new VirtualTime();
  const { guard, fake, seen } = guarded();
  await assert.rejects(guard.call('sign', true, fails('PROVIDER_DENIED'), within()), { code: 'PROVIDER_DENIED' });
  assert.equal(guard.status().state, 'quarantined');
  assert.deepEqual(seen.called, ['sign 1 PROVIDER_DENIED']);
  await time.pass(3_600_000);
  const refused = { code: 'PROVIDER_UNAVAILABLE', message: /in quarantine since 2026-.* until an operator clears it/ };
  await assert.rejects(
    guard.call('sign', true, async () => 'signature', within()),
    refused,
  );
  const health = await guard.probe();
  assert.equal(health.ok, false);
  assert.match(health.detail, /in quarantine/);
  assert.equal(fake.calls('probe'), 0, 'credentials that were refused are not tried by a probe');
  guard.clear();
  assert.equal(await guard.call('sign', true, async () => 'signature', within()), 'signature');
  assert.deepEqual(seen.circuit, ['quarantined: told to fail with PROVIDER_DENIED', 'closed: an operator cleared it']);
});

test('credentials that are refused when nobody waits any more quarantine as well, and another home’s do not', async () => {
  using time = new VirtualTime();
  const late = (): Promise<never> =>
    new Promise((_resolve, reject) => {
      setTimeout(() => reject(new ClavigerError('PROVIDER_DENIED', 'the token was refused')), 600);
    });
  const { guard } = guarded();
  await assert.rejects(time.until(guard.call('create', false, late, within())), { code: 'PROVIDER_TIMEOUT' });
  await time.pass(200);
  assert.equal(guard.status().state, 'quarantined');

  const other = guarded().guard;
  const caller = new AbortController();
  const heeding = ({ signal }: CallOptions): Promise<never> =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as ClavigerError));
    });
  const answer = other.call('sign', true, heeding, within(60_000, caller.signal));
  caller.abort(new ClavigerError('PROVIDER_DENIED', 'another home refused our credentials'));
  await assert.rejects(time.until(answer), { code: 'PROVIDER_DENIED' });
  assert.equal(other.status().state, 'closed');
});

test('an operator may quarantine, twice, and clear an open circuit as well', async () => {
  using time = new VirtualTime();
  const { guard } = guarded();
  guard.quarantine(new ClavigerError('PROVIDER_MISCONFIGURED', 'maintenance'));
  guard.quarantine(new ClavigerError('PROVIDER_MISCONFIGURED', 'maintenance again'));
  assert.equal(guard.status().state, 'quarantined');
  guard.clear();
  guard.clear();
  assert.equal(guard.status().state, 'closed');
  await opened(time, guard);
  guard.clear();
  assert.equal(guard.status().state, 'closed');
  await assert.rejects(guard.call('sign', true, fails('PROVIDER_UNAVAILABLE'), within(1)));
  assert.equal(guard.status().state, 'closed', 'the count begins again');
  assert.equal(time.pending, 0);
});

test('a probe that finds refused credentials quarantines', async () => {
  const { guard, fake } = guarded();
  fake.fault = () => ({ kind: 'fail', code: 'PROVIDER_DENIED', applied: false });
  assert.equal((await guard.probe()).ok, false);
  assert.equal(guard.status().state, 'quarantined');
});

test('probes that fail open a circuit as calls do; probes that work do not hide calls that fail', async () => {
  using time = new VirtualTime();
  const { guard, fake } = guarded({ attempts: 1 });
  for (let n = 0; n < 4; n += 1) {
    await assert.rejects(guard.call('sign', true, fails('PROVIDER_UNAVAILABLE'), within()));
    assert.equal((await guard.probe()).ok, true);
  }
  fake.fault = () => ({ kind: 'fail', code: 'PROVIDER_UNAVAILABLE', applied: false });
  assert.equal((await guard.probe()).ok, false);
  assert.equal(guard.status().state, 'open');
  await guard.close();
  assert.equal(time.pending, 0);
});

test('calls that are given up are asked about where nothing was answered for the time of a call', async () => {
  using time = new VirtualTime();
  const { guard, fake } = guarded();
  const giveUp = async (): Promise<void> => {
    const caller = new AbortController();
    const answer = guard.call('wrap', true, hangs, within(60_000, caller.signal));
    await time.pass(50);
    caller.abort();
    await assert.rejects(answer, { code: 'CANCELED' });
  };
  for (let n = 0; n < 9; n += 1) await giveUp();
  assert.equal(fake.calls('probe'), 0);
  fake.fault = () => ({ kind: 'hang', applied: false });
  for (let n = 0; n < 100 && guard.status().state === 'closed'; n += 1) await giveUp();
  assert.equal(guard.status().state, 'open');
  assert.equal(fake.calls('probe'), 5);
  await guard.close();
});

test('more calls than there are slots wait for a while, and are refused as busy', async () => {
  using time = new VirtualTime();
  const { guard, seen } = guarded({ maxConcurrent: 2 });
  const answers = Array.from({ length: 5 }, () =>
    guard.call('sign', false, hangs, within()).catch((error: ClavigerError) => `${error.code} at ${time.nowMs}`),
  );
  await time.pass(0);
  assert.equal(guard.status().inFlight, 2);
  assert.deepEqual((await time.until(Promise.all(answers))).toSorted(), [
    'PROVIDER_TIMEOUT at 500',
    'PROVIDER_TIMEOUT at 500',
    'PROVIDER_UNAVAILABLE at 0',
    'PROVIDER_UNAVAILABLE at 125',
    'PROVIDER_UNAVAILABLE at 125',
  ]);
  assert.equal(seen.called.length, 2);
  await assert.rejects(Promise.all(Array.from({ length: 5 }, () => guard.call('sign', true, hangs, within()))), {
    message: '`bao` was not called: it is busy with 2 calls',
  });
});

test('nobody waits for a slot beyond the deadline of the request', async () => {
  using time = new VirtualTime();
  const { guard } = guarded({ maxConcurrent: 1 });
  const first = guard.call('sign', false, hangs, within()).catch(() => undefined);
  await assert.rejects(time.until(guard.call('sign', true, hangs, within(30))), { message: /it is busy with 1 calls/ });
  assert.equal(time.nowMs, 30);
  await time.until(first);
});

test('who waits for a slot gets the next that is free, in turn, and leaves with the caller', async () => {
  using time = new VirtualTime();
  const { guard } = guarded({ maxConcurrent: 1 });
  const order: string[] = [];
  const take = (name: string, signal?: AbortSignal): Promise<void> =>
    guard
      .call('sign', true, () => new Promise<void>((resolve) => setTimeout(resolve, 10)), within(60_000, signal))
      .then(
        () => void order.push(`${name} at ${time.nowMs}`),
        (error: ClavigerError) => void order.push(`${name} ${error.code} at ${time.nowMs}`),
      );
  const caller = new AbortController();
  const first = take('first');
  const leaver = take('leaver', caller.signal);
  await time.pass(5);
  caller.abort();
  const second = take('second');
  await time.until(Promise.all([first, leaver, second]));
  assert.deepEqual(order, ['leaver CANCELED at 5', 'first at 10', 'second at 20']);
  assert.equal(time.pending, 0);
});

test('whatever a call ends with, no timer and no listener stays behind', async () => {
  using time = new VirtualTime();
  const { guard } = guarded({ breaker: { failures: 1000, openMs: 10 } });
  const caller = new AbortController();
  for (const code of ['PROVIDER_UNAVAILABLE', 'KEY_DISABLED', 'THROTTLED'] as const) {
    await assert.rejects(time.until(guard.call('sign', true, fails(code), within(60_000, caller.signal))));
  }
  await assert.rejects(time.until(guard.call('sign', true, hangs, within(60_000, caller.signal))));
  await guard.call('sign', true, async () => 1, within(60_000, caller.signal));
  const throwsNow = (): never => {
    throw new ClavigerError('INVALID_ARGUMENT', 'thrown before a promise was made');
  };
  await assert.rejects(guard.call('sign', true, throwsNow, within(60_000, caller.signal)), {
    code: 'INVALID_ARGUMENT',
  });
  assert.equal(getEventListeners(caller.signal, 'abort').length, 0);
  assert.equal(time.pending, 0);
});

test('what fails after it was given up is nobody’s unhandled rejection', async () => {
  using time = new VirtualTime();
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  const { guard } = guarded();
  const late = (): Promise<never> =>
    new Promise((_resolve, reject) => setTimeout(() => reject(new Error('too late for anybody')), 5000));
  await assert.rejects(time.until(guard.call('create', false, late, within())), { code: 'PROVIDER_TIMEOUT' });
  await time.pass(10_000);
  process.off('unhandledRejection', note);
  assert.deepEqual(unhandled, []);
});

test('an error that is not of the table becomes INTERNAL, and says nothing of the inside', async () => {
  const { guard } = guarded();
  const breaks = async (): Promise<never> => {
    throw new TypeError('password is hunter2');
  };
  await assert.rejects(guard.call('sign', true, breaks, within()), (error: ClavigerError) => {
    assert.equal(error.code, 'INTERNAL');
    assert.doesNotMatch(error.message, /hunter2/);
    return true;
  });
});

test('a closed guard makes no calls and leaves no timer; closing twice is fine', async () => {
  using time = new VirtualTime();
  const { guard } = guarded();
  await opened(time, guard);
  await guard.close();
  await guard.close();
  assert.equal(guard.usable(), false);
  await assert.rejects(
    guard.call('sign', true, async () => 1, within()),
    /`bao` was not called: it is closed/,
  );
  assert.equal((await guard.probe()).ok, false);
});
