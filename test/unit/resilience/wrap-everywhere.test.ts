import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { ClavigerError } from '../../../src/errors.ts';
import type { EncryptionContext } from '../../../src/model/encryption-context.ts';
import { wrapEverywhere, type GroupSettings, type Home, type Wraps } from '../../../src/resilience/index.ts';
import { failing, fakeHome, GROUP, hanging, patient, type FakeHome } from '../../support/homes.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

const DATA_KEY = Buffer.alloc(32, 7);

function contextOf({ guard }: Home): EncryptionContext {
  return { home: guard.name };
}

function wrap(
  homes: readonly Home[],
  settings: Partial<GroupSettings> = {},
  signal = new AbortController().signal,
): Promise<Wraps> {
  return wrapEverywhere(homes, DATA_KEY, contextOf, { ...GROUP, ...settings }, signal);
}

async function three(latencyMs: readonly [number, number, number] = [10, 20, 30]): Promise<FakeHome[]> {
  const names = ['aws', 'bao', 'hsm'];
  return Promise.all(names.map((name, at) => fakeHome(name, { fake: { latencyMs: latencyMs[at]! } })));
}

function names(homes: readonly { readonly home: Home }[]): string[] {
  return homes.map(({ home }) => home.guard.name);
}

test('every home wraps the data key, at once, and each wrap opens in its home under its own context', async () => {
  using time = new VirtualTime();
  const homes = await three();
  const { wraps, missing } = await time.until(wrap(homes));
  assert.equal(time.nowMs, 30);
  assert.deepEqual(names(wraps), ['aws', 'bao', 'hsm']);
  assert.deepEqual(missing, []);
  for (const { home, wrapped, version } of wraps) {
    const opened = await time.until(home.key.wrap!.unwrap(wrapped, contextOf(home), patient()));
    assert.deepEqual(opened.value, DATA_KEY);
    assert.equal(version, '1');
    await assert.rejects(time.until(home.key.wrap!.unwrap(wrapped, { home: 'another' }, patient())), {
      code: 'INVALID_CIPHERTEXT',
    });
  }
});

test('with the quorum reached, the rest is waited for as long as the grace is, then called off and named', async () => {
  using time = new VirtualTime();
  const homes = await three([10, 40, 5000]);
  const { wraps, missing } = await time.until(wrap(homes, { wrapQuorum: 1, wrapGraceMs: 50 }));
  assert.equal(time.nowMs, 60);
  assert.deepEqual(names(wraps), ['aws', 'bao']);
  assert.deepEqual(
    missing.map(({ home, error }) => [home.guard.name, error.code, error.message]),
    [['hsm', 'PROVIDER_TIMEOUT', '`hsm` had not answered 50 ms after enough other homes had']],
  );
  await time.pass(0);
  assert.equal(time.pending, 0, 'nothing goes on for a home that was left out');
  assert.equal(homes[2]!.guard.status().failures, 0);
});

test('without grace, whoever answers in the same moment is still taken', async () => {
  using time = new VirtualTime();
  const { wraps } = await time.until(wrap(await three([10, 10, 10]), { wrapGraceMs: 0 }));
  assert.ok(wraps.length >= 1);
  assert.equal(time.nowMs, 10);
});

test('a home that fails is missing, with why; the others are enough', async () => {
  using time = new VirtualTime();
  const homes = await three();
  homes[1]!.fake.fault = failing('PROVIDER_UNAVAILABLE');
  const { wraps, missing } = await time.until(wrap(homes, { wrapQuorum: 2, wrapGraceMs: 1000 }));
  assert.deepEqual(names(wraps), ['aws', 'hsm']);
  assert.deepEqual(
    missing.map(({ home, error }) => [home.guard.name, error.code]),
    [['bao', 'PROVIDER_UNAVAILABLE']],
  );
  assert.equal(homes[1]!.fake.calls('wrap'), 3);
});

test('fewer wraps than the quorum are refused, with one cause for each home that failed', async () => {
  using time = new VirtualTime();
  const homes = await three();
  homes[0]!.fake.fault = failing('PROVIDER_UNAVAILABLE');
  homes[2]!.fake.fault = hanging();
  await assert.rejects(time.until(wrap(homes, { wrapQuorum: 2 })), (error: ClavigerError) => {
    assert.equal(error.code, 'ALL_BACKINGS_FAILED');
    assert.deepEqual(
      error.causes?.map((cause) => [cause.provider, cause.error.code]),
      [
        ['aws', 'PROVIDER_UNAVAILABLE'],
        ['hsm', 'PROVIDER_TIMEOUT'],
      ],
    );
    assert.match(error.message, /^a data key has to be wrapped by 2 of 3 homes, and at most 1 can: `aws`.*; `hsm`/);
    return true;
  });
  assert.ok(time.nowMs <= GROUP.deadlineMs);
});

test('it is refused as soon as too few can be left, and not only when the slowest has failed', async () => {
  using time = new VirtualTime();
  const homes = await three([10, 10, 400]);
  homes[0]!.fake.fault = failing('PROVIDER_UNAVAILABLE');
  await assert.rejects(time.until(wrap(homes, { wrapQuorum: 3 })), { code: 'ALL_BACKINGS_FAILED' });
  assert.ok(time.nowMs < 400);
});

for (const code of [
  'KEY_DISABLED',
  'KEY_STATE',
  'PERMISSION_DENIED',
  'INVALID_CIPHERTEXT',
  'PROVIDER_DENIED',
  'PROVIDER_INTEGRITY',
] as const) {
  test(`a refusal by one home, ${code}, refuses it all, though the quorum is reached`, async () => {
    using time = new VirtualTime();
    const homes = await three([10, 20, 5000]);
    homes[1]!.fake.fault = failing(code);
    await assert.rejects(time.until(wrap(homes, { wrapGraceMs: 50 })), { code });
    assert.equal(time.nowMs, 20, 'at once');
    await time.pass(0);
    assert.equal(time.pending, 0, 'calls in flight are called off');
  });
}

test('no call is started after a refusal was seen, not even a second attempt', async () => {
  using time = new VirtualTime();
  const homes = await three([10, 11, 12]);
  homes[0]!.fake.fault = failing('PROVIDER_UNAVAILABLE');
  homes[1]!.fake.fault = failing('KEY_DISABLED');
  await assert.rejects(time.until(wrap(homes)), { code: 'KEY_DISABLED' });
  await time.pass(10_000);
  assert.equal(homes[0]!.fake.calls('wrap'), 1);
});

test('a refusal stops what would begin in the same turn of the event loop', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await three();
  const busy = await fakeHome('busy', { guard: { maxConcurrent: 1 } });
  const occupied = Promise.withResolvers<void>();
  const within = { signal: new AbortController().signal, deadlineMs: 60_000 };
  const occupant = busy.guard.call('wrap', true, () => occupied.promise, within);
  const refusal = Promise.withResolvers<never>();
  const refusing = { ...aws!, key: { ref: 'key', wrap: { ...aws!.key.wrap!, wrap: () => refusal.promise } } };
  const answer = wrap([refusing, bao!, busy]);
  await time.pass(1);
  occupied.resolve();
  refusal.reject(new ClavigerError('KEY_DISABLED', 'disabled'));
  await assert.rejects(time.until(answer), { code: 'KEY_DISABLED' });
  await occupant;
  assert.equal(busy.fake.calls('wrap'), 0);
});

test('a refusal that comes after the answer changes nothing', async () => {
  using time = new VirtualTime();
  const homes = await three([10, 70, 70]);
  homes[1]!.fake.fault = failing('KEY_DISABLED');
  const { wraps } = await time.until(wrap(homes, { wrapGraceMs: 50 }));
  assert.deepEqual(names(wraps), ['aws']);
});

test('a home whose circuit is open, or that is quarantined, is missing and not called', async () => {
  using time = new VirtualTime();
  const homes = await three();
  homes[0]!.guard.quarantine(new ClavigerError('PROVIDER_DENIED', 'the token was refused'));
  const { wraps, missing } = await time.until(wrap(homes, { wrapGraceMs: 1000 }));
  assert.deepEqual(names(wraps), ['bao', 'hsm']);
  assert.match(missing[0]!.error.message, /`aws` was not called: it is in quarantine .*: the token was refused/);
  assert.equal(homes[0]!.fake.calls('wrap'), 0);
  await assert.rejects(time.until(wrap(homes, { wrapQuorum: 3 })), { code: 'ALL_BACKINGS_FAILED' });
  assert.equal(homes[1]!.fake.calls('wrap'), 1, 'no call is made that cannot help');
});

async function leftAlone({ guard }: Home, time: VirtualTime): Promise<void> {
  const within = { signal: new AbortController().signal, deadlineMs: performance.now() + 60_000 };
  const fails = async (): Promise<never> => {
    throw new ClavigerError('PROVIDER_UNAVAILABLE', 'connection refused');
  };
  while (guard.status().state === 'closed') await assert.rejects(time.until(guard.call('wrap', true, fails, within)));
}

test('a home that is down is waited for where the quorum needs it, from the start or once another has failed', async () => {
  using time = new VirtualTime();
  const [aws, bao, hsm] = await three();
  await leftAlone(aws!, time);
  const first = await time.until(wrap([aws!, bao!, hsm!], { wrapQuorum: 3 }));
  assert.deepEqual(names(first.wraps), ['aws', 'bao', 'hsm']);
  await leftAlone(aws!, time);
  bao!.fake.fault = failing('PROVIDER_UNAVAILABLE');
  const second = await time.until(wrap([aws!, bao!, hsm!], { wrapQuorum: 2 }));
  assert.deepEqual(names(second.wraps), ['aws', 'hsm']);
  assert.deepEqual(names(second.missing), ['bao']);
  await leftAlone(aws!, time);
  bao!.fake.fault = hanging();
  const third = await time.until(wrap([aws!, bao!, hsm!], { wrapQuorum: 2 }));
  assert.deepEqual(names(third.wraps), ['aws', 'hsm']);
  for (const { guard } of [aws!, bao!, hsm!]) await guard.close();
  assert.equal(time.pending, 0);
});

test('half of the time is kept for a home that is down, where one that is up does not answer', async () => {
  using time = new VirtualTime();
  const [aws, bao] = [await fakeHome('aws'), await fakeHome('bao', { guard: { timeoutMs: 60_000 } })];
  await leftAlone(aws, time);
  bao.fake.fault = hanging();
  const startMs = time.nowMs;
  const { wraps } = await time.until(wrap([aws, bao], { wrapQuorum: 1 }));
  assert.deepEqual(names(wraps), ['aws']);
  assert.ok(time.nowMs - startMs < GROUP.deadlineMs);
});

test('where too few are left even with those that may come back, nobody is called', async () => {
  using time = new VirtualTime();
  const [aws, bao, hsm] = await three();
  await leftAlone(aws!, time);
  bao!.guard.quarantine(new ClavigerError('PROVIDER_DENIED', 'the token was refused'));
  await assert.rejects(time.until(wrap([aws!, bao!, hsm!], { wrapQuorum: 3 })), { code: 'ALL_BACKINGS_FAILED' });
  assert.equal(hsm!.fake.calls('wrap'), 0);
  const { wraps } = await time.until(wrap([aws!, bao!, hsm!], { wrapQuorum: 2 }));
  assert.deepEqual(names(wraps), ['aws', 'hsm']);
});

test('a home that is down is not waited for where the others are enough', async () => {
  using time = new VirtualTime();
  const [aws, bao, hsm] = await three();
  await leftAlone(aws!, time);
  const startMs = time.nowMs;
  const { missing } = await time.until(wrap([aws!, bao!, hsm!], { wrapQuorum: 2, wrapGraceMs: 1000 }));
  assert.deepEqual(names(missing), ['aws']);
  assert.equal(time.nowMs - startMs, 30);
  assert.equal(aws!.fake.calls('probe'), 0);
  await aws!.guard.close();
});

test('a home that does not wrap is refused before any call', async () => {
  const signer = await fakeHome('signer', { spec: 'P-256' });
  const homes = [...(await three()), signer];
  await assert.rejects(wrap(homes), { code: 'UNSUPPORTED', message: '`signer` does not wrap data keys with this key' });
  assert.equal(homes[0]!.guard.status().calls, 0);
});

test('a caller who gives up ends all calls, with CANCELED or the reason of the signal', async () => {
  using time = new VirtualTime();
  const homes = await three([100, 100, 100]);
  const caller = new AbortController();
  const answer = wrap(homes, {}, caller.signal);
  await time.pass(50);
  caller.abort();
  await assert.rejects(time.until(answer), { code: 'CANCELED' });
  assert.equal(time.nowMs, 50);
  assert.equal(time.pending, 0);
  const why = new ClavigerError('SEALED', 'the service was sealed');
  await assert.rejects(wrap(homes, {}, AbortSignal.abort(why)), { code: 'SEALED' });
  assert.equal(homes[0]!.fake.calls('wrap'), 1);
});

test('it ends with its deadline, and leaves no listener on the caller’s signal', async () => {
  using time = new VirtualTime();
  const homes = await three();
  for (const { fake } of homes) fake.fault = hanging();
  const caller = new AbortController();
  await assert.rejects(time.until(wrap(homes, { deadlineMs: 300 }, caller.signal)), (error: ClavigerError) => {
    assert.equal(error.code, 'ALL_BACKINGS_FAILED');
    assert.ok(error.causes?.every((cause) => cause.error.code === 'PROVIDER_TIMEOUT'));
    return true;
  });
  assert.equal(time.nowMs, 300);
  assert.equal(time.pending, 0);
  assert.equal(getEventListeners(caller.signal, 'abort').length, 0);
});

test('a home that stalls is found out, although its calls are given up each time, and is left alone', async () => {
  using time = new VirtualTime();
  const homes = await three([5, 6, 7]);
  homes[2]!.fake.fault = () => ({ kind: 'hang', applied: false });
  let rounds = 0;
  for (; homes[2]!.guard.status().state === 'closed'; rounds += 1) {
    assert.ok(rounds < 1000, 'it is never found out');
    await time.until(wrap(homes, { wrapQuorum: 2 }));
  }
  const startMs = time.nowMs;
  await time.until(wrap(homes, { wrapQuorum: 2 }));
  assert.equal(time.nowMs - startMs, 6, 'from now on nobody waits for it');
  for (const { guard } of homes) await guard.close();
});
