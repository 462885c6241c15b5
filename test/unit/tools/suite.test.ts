import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Check, runChecks } from '../../../tools/check/suite.ts';

const passing: Check = { name: 'fine', run: async () => ({ ok: true, output: 'not shown' }) };
const failing: Check = { name: 'bad', run: async () => ({ ok: false, output: 'why it failed' }) };
const throwing: Check = { name: 'broken', run: () => Promise.reject(new Error('no such program')) };

async function outcome(checks: readonly Check[]) {
  const lines: string[] = [];
  const code = await runChecks(checks, (line) => lines.push(line));
  return { code, lines };
}

suite('npm run check', () => {
  test('gives 0 where all pass, and shows no output of theirs', async () => {
    const { code, lines } = await outcome([passing, passing]);
    assert.equal(code, 0);
    assert.equal(lines.length, 3);
    assert.equal(lines.at(-1), 'check: all 2 passed');
  });

  test('gives 1 where one fails, shows why, and still runs the rest', async () => {
    const { code, lines } = await outcome([failing, passing]);
    assert.equal(code, 1);
    assert.match(lines[0]!, /^FAILED {2}bad/u);
    assert.equal(lines[1], '    why it failed');
    assert.match(lines[2]!, /^ok {6}fine/u);
    assert.equal(lines.at(-1), 'check: 1 of 2 failed: bad');
  });

  test('a check that throws has failed', async () => {
    const { code, lines } = await outcome([throwing]);
    assert.equal(code, 1);
    assert.match(lines.join('\n'), /no such program/u);
  });

  test('no check at all is a failure', async () => {
    assert.equal((await outcome([])).code, 1);
  });
});
