import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  ANSWERS_A_TURN,
  ANSWERS_WAITING_MAX,
  RefusalThrottle,
  type AggregatedRefusals,
} from '../../../src/operations/refusals.ts';

interface TestThrottle {
  readonly throttle: RefusalThrottle;
  readonly clock: { ms: number };
  readonly flushed: AggregatedRefusals[];
}

function throttle(singleMax?: number): TestThrottle {
  const clock = { ms: 1000 };
  const flushed: AggregatedRefusals[] = [];
  return {
    throttle: new RefusalThrottle(
      () => clock.ms,
      (one) => flushed.push(one),
      singleMax,
    ),
    clock,
    flushed,
  };
}

test('the first ten refusals of a source are recorded one by one, the rest as one with their count and times', () => {
  const { throttle: refusals, clock, flushed } = throttle();
  const alone = Array.from({ length: 25 }, () => {
    clock.ms += 10;
    return refusals.recordAlone('192.0.2.1');
  });
  assert.deepEqual(alone, [...Array.from({ length: 10 }, () => true), ...Array.from({ length: 15 }, () => false)]);
  refusals.flush();
  assert.deepEqual(flushed, [{ source: '192.0.2.1', count: 15, fromMs: 1010, toMs: 1250 }]);
});

test('sources are told apart', () => {
  const { throttle: refusals, flushed } = throttle(1);
  assert.deepEqual(
    ['a', 'b', 'a', 'b', 'b'].map((source) => refusals.recordAlone(source)),
    [true, true, false, false, false],
  );
  refusals.flush();
  assert.deepEqual(
    flushed.map(({ source, count }) => [source, count]),
    [
      ['a', 1],
      ['b', 2],
    ],
  );
});

test('a window that is over is forgotten: the next refusals are recorded one by one again', () => {
  const { throttle: refusals, flushed } = throttle(2);
  for (let n = 0; n < 5; n++) refusals.recordAlone('a');
  refusals.flush();
  assert.equal(refusals.recordAlone('a'), true);
  refusals.flush();
  assert.equal(flushed.length, 1);
});

test('beyond a thousand sources all others share one count, so that many addresses cost no more', () => {
  const { throttle: refusals, flushed } = throttle();
  const alone = Array.from({ length: 5000 }, (_, n) => refusals.recordAlone(`source ${n}`)).filter(Boolean).length;
  assert.equal(alone, 1000);
  refusals.flush();
  assert.deepEqual(
    flushed.map(({ source, count }) => [source, count]),
    [[null, 4000]],
  );
});

test('with none to be recorded alone, all are counted', () => {
  const { throttle: refusals, flushed } = throttle(0);
  assert.equal(refusals.counting('a'), true);
  assert.equal(refusals.recordAlone('a'), false);
  refusals.flush();
  assert.deepEqual(
    flushed.map(({ count }) => count),
    [1],
  );
});

test('nothing is handed on where nothing was only counted', () => {
  const { throttle: refusals, flushed } = throttle();
  refusals.flush();
  refusals.recordAlone('a');
  refusals.flush();
  assert.deepEqual(flushed, []);
});

test('a source that has had its records of this second is known beforehand, until the second is over', () => {
  const { throttle: refusals } = throttle(2);
  assert.equal(refusals.counting('a'), false);
  refusals.recordAlone('a');
  assert.equal(refusals.counting('a'), false);
  refusals.recordAlone('a');
  assert.equal(refusals.counting('a'), true);
  assert.equal(refusals.counting('b'), false);
  refusals.flush();
  assert.equal(refusals.counting('a'), false);
});

test('where more sources come than are told apart, those beyond are known to be only counted', () => {
  const { throttle: refusals, flushed } = throttle();
  for (let n = 0; n < 1000; n++) refusals.recordAlone(`source ${n}`);
  assert.equal(refusals.counting('source 5'), false, 'it has had one record');
  assert.equal(refusals.counting('another'), true);
  assert.equal(refusals.recordAlone('another'), false);
  refusals.flush();
  assert.deepEqual(
    flushed.map(({ source, count }) => [source, count]),
    [[null, 1]],
  );
  assert.equal(refusals.counting('another'), false);
});

test('a turn of the event loop answers a few refusals, in their order, and what others do comes between', async () => {
  const { throttle: refusals } = throttle();
  const many = 5 * ANSWERS_A_TURN + 3;
  const answered = waitAll(refusals, many);
  const afterTurns: number[] = [];
  while (answered.length < many) {
    await nextTurn();
    afterTurns.push(answered.length);
  }
  assert.deepEqual(afterTurns, [1, 2, 3, 4, 5].map((turns) => turns * ANSWERS_A_TURN).concat(many));
  assert.deepEqual(answered, [...answered.keys()]);
});

test('refusals that come while others are answered wait behind them, and none is forgotten', async () => {
  const { throttle: refusals } = throttle();
  const answered: number[] = [];
  let asked = 0;
  // Each stranger asks again as soon as it is answered, ten times over.
  const stranger = async (): Promise<void> => {
    for (let n = 0; n < 10; n++) {
      const at = asked++;
      await new Promise<void>((resolve) => refusals.answerInTurn(resolve));
      answered.push(at);
    }
  };
  await Promise.all(Array.from({ length: 3 * ANSWERS_A_TURN + 1 }, stranger));
  assert.deepEqual(
    answered,
    Array.from({ length: asked }, (_, at) => at),
  );
});

test('more refusals than may wait are answered at once, those in front', async () => {
  const { throttle: refusals } = throttle();
  const answered = waitAll(refusals, ANSWERS_WAITING_MAX + 100);
  await nextTurn();
  assert.equal(answered.length, 100);
  await nextTurn();
  assert.equal(answered.length, 100 + ANSWERS_A_TURN);
});

/** Numbers of those who were answered, as they are. */
function waitAll(refusals: RefusalThrottle, many: number): readonly number[] {
  const answered: number[] = [];
  for (let at = 0; at < many; at++) refusals.answerInTurn(() => answered.push(at));
  return answered;
}
