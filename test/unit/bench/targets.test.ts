import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CASES } from '../../../bench/cases.ts';
import { SCENARIOS } from '../../../bench/scenarios/index.ts';
import { outcomesOf, outcomeText, TARGETS, type Target } from '../../../bench/targets.ts';

const target = (bound: Target['bound']): Target => ({ part: 'p', figure: 'f', what: 'a thing', unit: '/s', bound });
const met = (bound: Target['bound'], value: number): boolean =>
  outcomesOf({ p: { f: value } }, [target(bound)])[0]!.met;

suite('targets', () => {
  test('a bound is met at the bound, unless it is strict', () => {
    assert.deepEqual(
      [met({ atLeast: 10 }, 9.99), met({ atLeast: 10 }, 10), met({ atLeast: 10 }, 11)],
      [false, true, true],
    );
    assert.deepEqual(
      [met({ atMost: 10 }, 9), met({ atMost: 10 }, 10), met({ atMost: 10 }, 10.01)],
      [true, true, false],
    );
    assert.deepEqual([met({ below: 10 }, 9.99), met({ below: 10 }, 10)], [true, false]);
  });

  test('a figure that could not be computed meets nothing', () => {
    for (const bound of [{ atLeast: 0 }, { atMost: 0 }, { below: 0 }]) assert.equal(met(bound, NaN), false);
  });

  test('what was not measured is neither met nor missed', () => {
    assert.deepEqual(outcomesOf({}, [target({ atLeast: 1 })]), []);
    assert.deepEqual(outcomesOf({ p: { other: 1 } }, [target({ atLeast: 1 })]), []);
  });

  test('are told in words', () => {
    const [missed] = outcomesOf({ p: { f: 12_744.6 } }, [target({ atLeast: 17_500 })]);
    assert.equal(outcomeText(missed!), 'MISSED  a thing: 12,745/s, to be ≥ 17,500/s');
    const [reached] = outcomesOf({ p: { f: 0.806 } }, [target({ below: 2 })]);
    assert.equal(outcomeText(reached!), 'MET  a thing: 0.81/s, to be < 2/s');
  });

  test('each names a case, a scenario or the comparison, and no figure twice', () => {
    const parts = new Set([...Object.keys(CASES), ...Object.keys(SCENARIOS), 'vault']);
    for (const { part, figure } of TARGETS) assert.ok(parts.has(part), `${part}.${figure}`);
    assert.equal(new Set(TARGETS.map(({ part, figure }) => `${part}.${figure}`)).size, TARGETS.length);
  });
});
