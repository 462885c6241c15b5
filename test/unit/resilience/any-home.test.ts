import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { systemRandom } from '../../../src/crypto/random.ts';
import { ClavigerError, type ErrorCode } from '../../../src/errors.ts';
import { NO_CONTEXT } from '../../../src/model/encryption-context.ts';
import type { CallOptions } from '../../../src/providers/provider.ts';
import { anyHome, type Answered, type GroupSettings, type Home } from '../../../src/resilience/index.ts';
import { failing, fakeHome, GROUP, hanging, type FakeHome, type FakeHomeOptions } from '../../support/homes.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

const DATA_KEY = Buffer.alloc(32, 7);

interface AskOptions extends Partial<GroupSettings> {
  readonly idempotent?: boolean;
  readonly signal?: AbortSignal;
}

/** Has any home wrap a data key. */
async function ask(homes: readonly Home[], options: AskOptions = {}): Promise<Answered<Buffer>> {
  const { idempotent = true, signal = new AbortController().signal, ...settings } = options;
  const work = async ({ key }: Home, call: CallOptions): Promise<Buffer> =>
    (await key.wrap!.wrap(DATA_KEY, NO_CONTEXT, call)).value;
  return anyHome(homes, 'wrap', idempotent, work, { ...GROUP, ...settings }, signal);
}

async function two(options: FakeHomeOptions = {}): Promise<[FakeHome, FakeHome]> {
  return [
    await fakeHome('aws', { ...options, fake: { latencyMs: 10 } }),
    await fakeHome('bao', { ...options, fake: { latencyMs: 20 } }),
  ];
}

function told({ home, failovers }: Answered<unknown>): string {
  return [home.guard.name, ...failovers.map((other) => `${other.home.guard.name} ${other.error.code}`)].join(', ');
}

async function open({ guard }: FakeHome, time: VirtualTime): Promise<void> {
  const within = { signal: new AbortController().signal, deadlineMs: performance.now() + 60_000 };
  const fails = async (): Promise<never> => {
    throw new ClavigerError('PROVIDER_UNAVAILABLE', 'connection refused');
  };
  while (guard.status().state === 'closed') await assert.rejects(time.until(guard.call('wrap', true, fails, within)));
}

test('the first home answers, and nobody else is asked', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  assert.equal(told(await time.until(ask([aws, bao]))), 'aws');
  assert.equal(bao.fake.calls('wrap'), 0);
});

for (const code of ['PROVIDER_UNAVAILABLE', 'PROVIDER_TIMEOUT', 'THROTTLED'] as const) {
  test(`where a home fails with ${code}, another answers, and that is told`, async () => {
    using time = new VirtualTime();
    const [aws, bao] = await two();
    aws.fake.fault = failing(code);
    assert.equal(told(await time.until(ask([aws, bao]))), `bao, aws ${code}`);
    assert.equal(aws.fake.calls('wrap'), 3);
  });
}

const REFUSALS: readonly ErrorCode[] = [
  'INVALID_CIPHERTEXT',
  'KEY_DISABLED',
  'KEY_STATE',
  'PERMISSION_DENIED',
  'PROVIDER_DENIED',
  'PROVIDER_INTEGRITY',
  'KEY_NOT_FOUND',
  'INTERNAL',
];
for (const code of REFUSALS) {
  test(`${code} is the answer: no other home is asked, hedged or not`, async () => {
    using time = new VirtualTime();
    for (const hedgeMs of [null, 1000]) {
      const [aws, bao] = await two();
      aws.fake.fault = failing(code);
      await assert.rejects(time.until(ask([aws, bao], { hedgeMs })), { code });
      assert.equal(aws.fake.calls('wrap'), 1);
      assert.equal(bao.fake.calls('wrap'), 0);
    }
  });
}

test('a call of which it is not known whether it happened is made elsewhere only where it may happen twice', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  aws.fake.fault = hanging();
  await assert.rejects(time.until(ask([aws, bao], { idempotent: false })), { code: 'PROVIDER_TIMEOUT' });
  assert.equal(aws.fake.calls('wrap'), 1);
  assert.equal(bao.fake.calls('wrap'), 0);
  assert.equal(told(await time.until(ask([aws, bao]))), 'bao, aws PROVIDER_TIMEOUT');
});

test('a home that never answers leaves time for the others', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two({ guard: { timeoutMs: 60_000 } });
  aws.fake.fault = hanging();
  assert.equal(told(await time.until(ask([aws, bao], { deadlineMs: 1000 }))), 'bao, aws PROVIDER_TIMEOUT');
  assert.equal(time.nowMs, 520);
  for (let n = 0; n < 4; n += 1) await time.until(ask([aws, bao], { deadlineMs: 1000 }));
  assert.equal(aws.guard.status().state, 'open', 'timeouts that were fair count, though they were cut short');
  await aws.guard.close();
});

test('where none answers, callers learn how each home fails, and the operator since when and why', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  aws.fake.fault = () => ({ kind: 'fail', code: 'PROVIDER_UNAVAILABLE', applied: false });
  await open(aws, time);
  bao.guard.quarantine(new ClavigerError('PROVIDER_DENIED', 'the token was refused'));
  const startMs = time.nowMs;
  await assert.rejects(time.until(ask([aws, bao])), (error: ClavigerError) => {
    assert.equal(error.code, 'ALL_BACKINGS_FAILED');
    assert.equal(
      error.message,
      'no home of the key could `wrap`: `aws`: provider unavailable; `bao`: provider unavailable',
    );
    assert.match(
      (error.causes ?? []).map((cause) => cause.error.message).join('; '),
      /^`aws` was not called: it is left alone since 2026-01-31T12:00:00\.\d+Z, for 10 s more: connection refused; `bao` was not called: it is in quarantine since 2026-.*: the token was refused$/,
    );
    assert.deepEqual(
      error.causes?.map(({ provider }) => provider),
      ['aws', 'bao'],
    );
    return true;
  });
  assert.equal(time.nowMs, startMs + 10, 'as soon as a probe has failed');
  await assert.rejects(time.until(ask([aws, bao])), { code: 'ALL_BACKINGS_FAILED' });
  assert.equal(time.nowMs, startMs + 10, 'and at once while that is fresh');
  assert.equal(aws.fake.calls('wrap'), 0);
  await aws.guard.close();
});

test('a home that is passed over because its circuit is open is told as a failover, as long as that lasts', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  await open(aws, time);
  assert.equal(told(await time.until(ask([aws, bao]))), 'bao, aws PROVIDER_UNAVAILABLE');
  assert.equal(told(await time.until(ask([bao, aws]))), 'bao', 'it was not wanted first');
  assert.equal(aws.fake.calls('wrap'), 0);
  await time.pass(10_000);
  assert.equal(told(await time.until(ask([aws, bao]))), 'aws', 'a probe was answered, so it is asked again');
  assert.equal(aws.guard.status().state, 'closed');
});

test('a home that is due, without a probe that answered, is asked after those that are well', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  // A probe that fails for reasons of its own.
  aws.fake.fault = () => ({ kind: 'fail', code: 'INTERNAL', applied: false });
  await open(aws, time);
  await time.pass(10_000);
  assert.equal(aws.guard.usable(), true);
  assert.equal(told(await time.until(ask([aws, bao]))), 'bao, aws PROVIDER_UNAVAILABLE');
  assert.equal(aws.fake.calls('wrap'), 0);
  aws.fake.fault = () => null;
  bao.guard.quarantine(new ClavigerError('PROVIDER_DENIED', 'the token was refused'));
  assert.equal(told(await time.until(ask([aws, bao]))), 'aws', 'but it is asked where nobody else is left');
});

test('a home that is well again is not missed for what is left of its time alone, where no other is there', async () => {
  using time = new VirtualTime();
  for (const hedgeMs of [null, 5]) {
    const [aws, bao] = await two();
    await open(aws, time);
    bao.fake.fault = failing('PROVIDER_UNAVAILABLE');
    assert.equal(aws.guard.usable(), false);
    assert.equal(told(await time.until(ask([aws, bao], { hedgeMs }))), 'aws, bao PROVIDER_UNAVAILABLE');
    assert.equal(aws.guard.status().state, 'closed');
    await bao.guard.close();
  }
});

test('many requests that wait for the last home make one probe and one trial, and all are answered', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  await open(aws, time);
  bao.guard.quarantine(new ClavigerError('PROVIDER_DENIED', 'the token was refused'));
  const startMs = time.nowMs;
  await time.until(Promise.all(Array.from({ length: 50 }, () => ask([aws, bao]))));
  assert.equal(aws.fake.calls('probe'), 1);
  assert.equal(time.nowMs - startMs, 30, 'a probe, a trial, and the others');
});

test('the last home is waited for a quarter of a second, and no longer', async () => {
  using time = new VirtualTime();
  const [aws] = await two();
  await open(aws, time);
  aws.fake.fault = () => ({ kind: 'hang', applied: false });
  const startMs = time.nowMs;
  await assert.rejects(time.until(ask([aws])), { code: 'ALL_BACKINGS_FAILED' });
  assert.equal(time.nowMs - startMs, 250);
  await aws.guard.close();
});

test('refused credentials fail their request and take the home out of the later ones', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  aws.fake.fault = failing('PROVIDER_DENIED', 1);
  await assert.rejects(time.until(ask([aws, bao])), { code: 'PROVIDER_DENIED' });
  assert.equal(told(await time.until(ask([aws, bao]))), 'bao, aws PROVIDER_UNAVAILABLE');
  aws.guard.clear();
  assert.equal(told(await time.until(ask([aws, bao]))), 'aws');
});

test('a home that throttles is asked after the others until its time is over', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two({ guard: { attempts: 1 } });
  aws.fake.fault = failing('THROTTLED', 1);
  assert.equal(told(await time.until(ask([aws, bao]))), 'bao, aws THROTTLED');
  assert.equal(told(await time.until(ask([aws, bao]))), 'bao, aws THROTTLED');
  assert.equal(aws.fake.calls('wrap'), 1);
  await time.pass(5000);
  assert.equal(told(await time.until(ask([aws, bao]))), 'aws');
});

test('a home that is busy sends its calls elsewhere', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two({ guard: { maxConcurrent: 1 } });
  aws.fake.fault = hanging();
  const first = ask([aws, bao]).then(told);
  await time.pass(1);
  const second = await time.until(ask([aws, bao]));
  assert.equal(told(second), 'bao, aws PROVIDER_UNAVAILABLE');
  assert.match(second.failovers[0]!.error.message, /busy with 1 calls/);
  assert.equal(await time.until(first), 'bao, aws PROVIDER_TIMEOUT');
});

test('least latency goes to whoever is expected to answer first, calls under way included', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  const balance = 'least-latency';
  await time.until(ask([bao, aws], { balance }));
  await time.until(ask([bao, aws], { balance }));
  assert.equal(told(await time.until(ask([bao, aws], { balance }))), 'aws');
  const many = await time.until(Promise.all(Array.from({ length: 30 }, () => ask([bao, aws], { balance }))));
  const ofAws = many.filter(({ home }) => home === aws).length;
  assert.ok(ofAws >= 18 && ofAws <= 22, `of 30 calls at once, ${ofAws} went to the one that is twice as fast`);
});

test('a home that became slow is avoided, and tried again later', async () => {
  using time = new VirtualTime();
  let latencyMs = 5;
  const aws = await fakeHome('aws', { fake: { latencyMs: () => latencyMs } });
  const bao = await fakeHome('bao', { fake: { latencyMs: 20 } });
  const next = async (): Promise<string> =>
    (await time.until(ask([aws, bao], { balance: 'least-latency' }))).home.guard.name;
  for (let n = 0; n < 4; n += 1) await next();
  latencyMs = 400;
  const names: string[] = [];
  for (let n = 0; n < 10; n += 1) names.push(await next());
  assert.equal(names.at(-1), 'bao');
  latencyMs = 5;
  await time.pass(60_000);
  const later = [await next(), await next(), await next()];
  assert.ok(later.includes('aws'));
});

test('weights share the calls', async () => {
  using time = new VirtualTime();
  const aws = await fakeHome('aws', { weight: 3, random: systemRandom });
  const bao = await fakeHome('bao', { weight: 1, random: systemRandom });
  for (let n = 0; n < 1000; n += 1) await time.until(ask([aws, bao], { balance: 'weighted' }));
  const share = aws.fake.calls('wrap') / 1000;
  assert.ok(share > 0.68 && share < 0.82, `share ${share} of 0.75`);
});

test('a home without weight is asked only where the others fail', async () => {
  using time = new VirtualTime();
  const homes = [
    await fakeHome('aws', { weight: 0 }),
    await fakeHome('bao', { weight: 0 }),
    await fakeHome('hsm', { weight: 0.5 }),
  ];
  for (let n = 0; n < 50; n += 1) assert.equal(told(await time.until(ask(homes, { balance: 'weighted' }))), 'hsm');
  homes[2]!.fake.fault = failing('PROVIDER_UNAVAILABLE');
  const { home } = await time.until(ask(homes, { balance: 'weighted' }));
  assert.notEqual(home, homes[2]);
});

test('a hedge asks a second home where the first takes long, and the first answer counts', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  aws.fake.fault = hanging();
  const answer = await time.until(ask([aws, bao], { hedgeMs: 15 }));
  assert.equal(told(answer), 'bao, aws PROVIDER_TIMEOUT');
  assert.equal(answer.failovers[0]!.error.message, '`aws` had not answered within 15 ms');
  assert.equal(time.nowMs, 35);
  await time.pass(0);
  assert.equal(time.pending, 0, 'the slower one is called off');
  aws.fake.fault = () => null;
  assert.equal(told(await time.until(ask([aws, bao], { hedgeMs: 15 }))), 'aws');
  assert.equal(bao.fake.calls('wrap'), 1, 'who answers in time is not hedged');
});

test('nothing is hedged that must not happen twice', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  await time.until(ask([aws, bao], { hedgeMs: 1, idempotent: false }));
  assert.equal(bao.fake.calls('wrap'), 0);
});

test('of a hedge either may fail: the other is waited for, and only then a third is asked', async () => {
  using time = new VirtualTime();
  const homes = [
    await fakeHome('aws', { fake: { latencyMs: 100 } }),
    await fakeHome('bao', { fake: { latencyMs: 1 } }),
    await fakeHome('hsm', { fake: { latencyMs: 1 } }),
  ];
  homes[1]!.fake.fault = failing('PROVIDER_UNAVAILABLE');
  assert.equal((await time.until(ask(homes, { hedgeMs: 10, deadlineMs: 10_000 }))).home.guard.name, 'aws');
  assert.equal(homes[2]!.fake.calls('wrap'), 0);
  homes[0]!.fake.fault = failing('PROVIDER_UNAVAILABLE');
  const answer = await time.until(ask(homes, { hedgeMs: 10, deadlineMs: 10_000 }));
  assert.equal(told(answer), 'hsm, aws PROVIDER_UNAVAILABLE, bao PROVIDER_UNAVAILABLE');
  homes[2]!.fake.fault = failing('PROVIDER_UNAVAILABLE');
  await assert.rejects(time.until(ask(homes, { hedgeMs: 10 })), { code: 'ALL_BACKINGS_FAILED' });
  for (const { guard } of homes) await guard.close();
  assert.equal(time.pending, 0);
});

test('a refusal by the hedge ends the request, though the first home is still at it', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  aws.fake.fault = () => ({ kind: 'slow', ms: 100 });
  bao.fake.fault = failing('KEY_DISABLED');
  await assert.rejects(time.until(ask([aws, bao], { hedgeMs: 15 })), { code: 'KEY_DISABLED' });
  assert.equal(time.nowMs, 35);
  await time.pass(0);
  assert.equal(time.pending, 0);
});

test('an answer that fails its check ends a hedge, and the other call is called off', async () => {
  using time = new VirtualTime();
  const [aws, bao] = await two();
  aws.fake.fault = () => ({ kind: 'slow', ms: 100 });
  bao.fake.fault = failing('PROVIDER_INTEGRITY');
  await assert.rejects(time.until(ask([aws, bao], { hedgeMs: 15 })), { code: 'PROVIDER_INTEGRITY' });
  assert.equal(time.nowMs, 35);
  await time.pass(0);
  assert.equal(time.pending, 0);
});

test('a caller who gives up ends the request, hedged or not, and no other home is asked', async () => {
  using time = new VirtualTime();
  for (const hedgeMs of [null, 5, 1000]) {
    const [aws, bao] = await two();
    aws.fake.fault = hanging();
    bao.fake.fault = hanging();
    const caller = new AbortController();
    const answer = ask([aws, bao], { hedgeMs, signal: caller.signal });
    await time.pass(50);
    caller.abort();
    await assert.rejects(time.until(answer), { code: 'CANCELED' });
    assert.equal(bao.fake.calls('wrap'), hedgeMs === 5 ? 1 : 0);
    assert.equal(getEventListeners(caller.signal, 'abort').length, 0);
    assert.equal(time.pending, 0);
  }
  const [aws, bao] = await two();
  await assert.rejects(ask([aws, bao], { signal: AbortSignal.abort() }), { code: 'CANCELED' });
  assert.equal(aws.fake.calls('wrap'), 0);
});

test('no attempts are made beyond what is configured for each home', async () => {
  using time = new VirtualTime();
  for (const hedgeMs of [null, 5]) {
    const [aws, bao] = await two({ guard: { attempts: 2 } });
    aws.fake.fault = failing('PROVIDER_UNAVAILABLE');
    bao.fake.fault = failing('THROTTLED');
    await assert.rejects(time.until(ask([aws, bao], { hedgeMs })), { code: 'ALL_BACKINGS_FAILED' });
    assert.equal(aws.fake.calls('wrap'), 2);
    assert.equal(bao.fake.calls('wrap'), 2);
  }
});

test('a key without homes is told so', async () => {
  await assert.rejects(ask([]), { code: 'ALL_BACKINGS_FAILED', message: 'no home of the key could `wrap`' });
});
