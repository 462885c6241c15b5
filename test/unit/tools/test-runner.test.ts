import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, suite, test } from 'node:test';
import { ROOT, run } from '../../../tools/run.ts';
import { runBatch, type TimeLimits } from '../../../tools/test/batch.ts';
import type { EndEvent } from '../../../tools/test/events.ts';
import { findTests } from '../../../tools/test/files.ts';
import { Tally } from '../../../tools/test/tally.ts';

const LIMITS = { testMs: 30_000, batchMs: 30_000 };
const PASSING = `test('one', () => {}); describe('group', () => { test('two', () => {}); });`;

async function folderOf(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'claviger-tests-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), `import { test, describe } from 'node:test';\n${text}\n`);
  }
  return folder;
}

/** Runs one file in a process of its own, and counts. */
async function count(t: TestContext, text: string, limits: Partial<TimeLimits> = {}) {
  const folder = await folderOf(t, { 'a.test.ts': text });
  const lines: string[] = [];
  const tally = new Tally((line) => lines.push(line));
  const account = tally.file('a.test.ts');
  const { fault, output } = await runBatch([join(folder, 'a.test.ts')], { ...LIMITS, ...limits }, (event) =>
    account.add(event),
  );
  account.close(fault);
  const code = tally.close();
  return { ...tally.counts, code, fault, output, text: lines.join('\n'), last: lines.join('\n').split('\n').at(-1) };
}

/** A zombie has ended: who inherited it has not asked yet. */
async function hasEnded(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null);
  return status === null || /^State:\s+Z/mu.test(status);
}

suite('npm test', () => {
  test('counts tests, not suites', async (t) => {
    const { code, last, fault } = await count(t, PASSING);
    assert.deepEqual({ code, last, fault }, { code: 0, last: '2 passed, 0 failed, 0 skipped', fault: null });
  });

  test('a failed test fails the run and is shown in full', async (t) => {
    const { code, last, text } = await count(t, `${PASSING} test('bad', () => { throw new Error('the reason'); });`);
    assert.deepEqual({ code, last }, { code: 1, last: '2 passed, 1 failed, 0 skipped' });
    assert.match(text, /failure 1 of 1: a\.test\.ts › bad\n {2}Error: the reason/u);
  });

  test('skipped tests are counted, and told with their reason', async (t) => {
    const { code, last, text } = await count(t, `${PASSING} test('later', (t) => t.skip('the peer is not there'));`);
    assert.deepEqual({ code, last }, { code: 0, last: '2 passed, 0 failed, 1 skipped' });
    assert.match(text, /skipped 1: the peer is not there\n {2}a\.test\.ts › later/u);
  });

  test('a run in which every test is skipped has tested nothing, and fails', async (t) => {
    const { code, last } = await count(t, `test('later', { skip: true }, () => {});`);
    assert.deepEqual({ code, last }, { code: 1, last: '0 passed, 0 failed, 1 skipped' });
  });

  test('a file without a test fails', async (t) => {
    const { code, last, text } = await count(t, `void test; void describe;`);
    assert.deepEqual({ code, last }, { code: 1, last: '0 passed, 1 failed, 0 skipped' });
    assert.match(text, /the file registers no test/u);
  });

  test('a file that cannot be loaded fails', async (t) => {
    assert.equal((await count(t, `import './missing.ts';`)).code, 1);
  });

  test('a failing hook of a suite fails', async (t) => {
    const { code, text } = await count(
      t,
      `describe('s', { }, () => { test.before(() => { throw new Error('hook'); }); test('x', () => {}); });`,
    );
    assert.equal(code, 1);
    assert.match(text, /Error: hook/u);
  });

  test('a process that ends early fails, also where its tests passed', async (t) => {
    const { code, fault } = await count(t, `test('one', () => {}); test('exits', () => process.exit(0));`);
    assert.equal(code, 1);
    assert.match(fault ?? '', /ended early, with exit code 0/u);
  });

  test('a file that does not end is ended, with what it started', async (t) => {
    const { code, fault, output } = await count(
      t,
      `import { spawn } from 'node:child_process';
       const child = spawn('sleep', ['600'], { stdio: 'inherit' });
       console.log('child', child.pid);
       test('loops', () => { for (;;); });`,
      { batchMs: 2000 },
    );
    assert.equal(code, 1);
    assert.match(fault ?? '', /it was ended after 2\.0 s/u);
    assert.match(output, /^the main thread: is in JavaScript, at\n.*a\.test\.ts:5$/mu);
    const pid = Number(/child (?<pid>\d+)/u.exec(output)?.groups?.['pid']);
    assert.ok(await hasEnded(pid), `process ${pid} is still running`);
  });

  test('what a file that does not end has open, and what its threads do, is told', async (t) => {
    const { output } = await count(
      t,
      `import { Worker } from 'node:worker_threads';
       test('waits', () => new Promise(() => {
         new Worker('const end = Date.now() + 60_000; while (Date.now() < end);', { eval: true, name: 'busy' });
       }));`,
      { batchMs: 2000 },
    );
    assert.match(output, /^\d+ busy R \d+/mu);
    assert.match(output, /^the main thread: is in no JavaScript, and has open: .*$/mu);
    assert.match(output, /^\[worker 1\] busy, .*: is in JavaScript, at$/mu);
  });

  test('a test that waits for ever fails by itself, and the others run', async (t) => {
    const { last, fault, text } = await count(
      t,
      `test('waits', () => new Promise(() => setInterval(() => {}, 1000))); test('goes on', () => {});`,
      { testMs: 500 },
    );
    assert.deepEqual({ last, fault }, { last: '1 passed, 1 failed, 0 skipped', fault: null });
    assert.match(text, /a\.test\.ts › waits\n.*timed out after 500ms/u);
  });

  test('an open server does not keep a finished file from ending', async (t) => {
    const { code, fault } = await count(
      t,
      `import { createServer } from 'node:http'; test('x', (_, done) => { createServer().listen(0, () => done()); });`,
    );
    assert.deepEqual({ code, fault }, { code: 0, fault: null });
  });

  test('names say where a failure lies', async (t) => {
    const folder = await folderOf(t, { 'a.test.ts': PASSING });
    const events: EndEvent[] = [];
    await runBatch([join(folder, 'a.test.ts')], LIMITS, (event) => events.push(event));
    assert.deepEqual(
      events.map(({ of, path }) => [of, ...path]),
      [
        ['test', 'one'],
        ['test', 'group', 'two'],
        ['suite', 'group'],
      ],
    );
  });

  test('the command prints the counts as its last line, and ends with 1 where a path holds no test', async (t) => {
    const folder = await folderOf(t, { 'a.test.ts': PASSING });
    const main = join(ROOT, 'tools', 'test', 'main.ts');
    const good = await run(process.execPath, [main, '--no-install', folder]);
    assert.equal(good.stdout.trimEnd().split('\n').at(-1), '2 passed, 0 failed, 0 skipped');
    assert.equal(good.code, 0, good.output);
    const bad = await run(process.execPath, [main, '--no-install', join(folder, 'missing')]);
    assert.equal(bad.stdout.trimEnd().split('\n').at(-1), '0 passed, 1 failed, 0 skipped');
    assert.equal(bad.code, 1);
  });
});

suite('test files', () => {
  test('those under test/unit share a process, all others do not; fixtures are none', async (t) => {
    const root = await folderOf(t, {});
    for (const path of [
      'test/unit/a.test.ts',
      'test/e2e/b.test.ts',
      'test/e2e/helper.ts',
      'test/unit/fixtures/c.test.ts',
    ]) {
      await mkdir(join(root, path, '..'), { recursive: true });
      await writeFile(join(root, path), '');
    }
    const inRoot = (path: string): string => join(root, path);
    assert.deepEqual(await findTests(root, []), {
      unit: [inRoot('test/unit/a.test.ts')],
      isolated: [inRoot('test/e2e/b.test.ts')],
    });
    assert.deepEqual(await findTests(root, ['test/e2e']), { unit: [], isolated: [inRoot('test/e2e/b.test.ts')] });
    await assert.rejects(findTests(root, ['test/none']), /there is no test file under `test\/none`/u);
  });

  test('what runs around each unit test stands in a suite, or it would run around those of all files', async () => {
    const { unit } = await findTests(ROOT, []);
    for (const file of unit) assert.doesNotMatch(await readFile(file, 'utf8'), /^(?:before|after)Each\(/mu, file);
  });
});
