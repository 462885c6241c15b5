/**
 * The benchmark runs against the code as it is. What it measures here, for a fraction of a second and beside other tests,
 * says nothing.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { run } from '../../tools/run.ts';

const TIME_MS_MAX = 120_000;
const bench = (...args: readonly string[]) =>
  run(process.execPath, ['bench/main.ts', '--dry', ...args], { timeoutMs: TIME_MS_MAX });

suite('benchmark', () => {
  test('every case is answered rightly and is in the log', async () => {
    const { ok, stdout, output } = await bench('--case', 'all', '--quick', '--seconds', '0.1');
    assert.ok(ok, output);
    assert.doesNotMatch(stdout, /FAILURE/, output);
    assert.match(stdout, /(MET|MISSED) {2}P-256 signatures: /, output);
  });

  test('a scenario says what it measured', async () => {
    const { ok, stdout, output } = await bench('--scenario', 'slow-client', '--quick', '--seconds', '0.2');
    assert.ok(ok, output);
    assert.doesNotMatch(stdout, /FAILURE/, output);
    assert.match(stdout, /(MET|MISSED) {2}p99 of good clients beside slow ones/, output);
  });

  test('what there is not is refused, with what there is', async () => {
    for (const args of [
      ['--case', 'p512-sign'],
      ['--scenario', 'earthquake'],
      ['--compare', 'abacus'],
      ['--rounds', '0'],
    ]) {
      const { code, output } = await bench(...args);
      assert.equal(code, 2, output);
      assert.match(output, /--scenario NAME/);
    }
  });
});
