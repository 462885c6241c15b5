/** The disk under the tests' control does what its header says; without that, what other tests show means nothing. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test, type TestContext } from 'node:test';
import { onDisk, type Disk } from '../../tools/disk-shim/environment.ts';
import { readTrace } from '../../tools/disk-shim/trace.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { run } from '../../tools/run.ts';
import { checkRecords, type Done } from '../support/lasting-work.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import type { StoredEntry } from '../support/stored-log.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder();
});
afterEach(() => removeFolder(folder));

/** Writes `old`, syncs, then does what the test wants, and prints the code of what failed. */
const PROGRAM = `
  import { fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
  const fd = openSync(process.argv[1] + '/file-wal', 'w+');
  writeSync(fd, 'old text', 0);
  fsyncSync(fd);
  try {
    STEPS
  } catch (error) {
    console.log(error.code);
  }`;

async function runOnDisk(t: TestContext, disk: Omit<Disk, 'folder'>, steps: string): Promise<string | null> {
  const shim = await requirePeer(t, 'disk-shim');
  if (shim === null) return null;
  const program = PROGRAM.replace('STEPS', steps);
  const env = onDisk(shim.library, { folder, ...disk });
  const ran = await run(process.execPath, ['--input-type=module', '--eval', program, folder], { env });
  assert.ok(ran.ok, ran.output);
  return ran.stdout.trim();
}

const content = (): string => readFileSync(join(folder, 'file-wal'), 'utf8');

describe('a fault', () => {
  const steps = `writeSync(fd, 'new', 0); ftruncateSync(fd, 5); writeSync(fd, 'longer than before', 4); fsyncSync(fd);`;
  for (const [call, effect, nth, expected] of [
    ['sync', 'lost', 2, 'old text'],
    ['sync', 'kept', 2, 'new longer than before'],
    ['write', 'lost', 2, 'old text'],
    ['write', 'kept', 2, 'new text'],
  ] as const) {
    test(`of a ${call} that is ${effect} leaves \`${expected}\`, and the program is told EIO`, async (t) => {
      const told = await runOnDisk(t, { fault: { call, suffix: '-wal', nth, effect } }, steps);
      if (told === null) return;
      assert.deepEqual([told, content()], ['EIO', expected]);
    });
  }

  test('comes once, is told as ENOSPC where that is asked for, and strikes no other file', async (t) => {
    const fault = { call: 'sync', suffix: '-wal', nth: 2, effect: 'lost', error: 'ENOSPC' } as const;
    const told = await runOnDisk(
      t,
      { fault },
      `const other = openSync(process.argv[1] + '/other', 'w'); fsyncSync(other); fsyncSync(other);
       writeSync(fd, 'new', 0);
       try { fsyncSync(fd); } catch (error) { console.log(error.code); }
       writeSync(fd, 'NEW', 0); fsyncSync(fd);`,
    );
    if (told === null) return;
    assert.deepEqual([told, content()], ['ENOSPC', 'NEW text']);
  });
});

test('a failed sync is told to every descriptor that was open, once, and to none that is opened later', async (t) => {
  const told = await runOnDisk(
    t,
    { fault: { call: 'sync', suffix: '-wal', nth: 2, effect: 'lost' } },
    `const sync = (fd) => { try { fsyncSync(fd); return 'ok'; } catch (error) { return error.code; } };
     const other = openSync(process.argv[1] + '/file-wal', 'r+');
     const first = [sync(fd), sync(other)];
     const later = openSync(process.argv[1] + '/file-wal', 'r+');
     console.log(...first, sync(fd), sync(other), sync(later));`,
  );
  if (told !== null) assert.equal(told, 'EIO EIO ok ok ok');
});

test('a delayed sync takes so much longer', async (t) => {
  const told = await runOnDisk(
    t,
    { syncDelayUs: 30_000 },
    `const at = performance.now(); fsyncSync(fd); console.log(performance.now() - at >= 30);`,
  );
  if (told !== null) assert.equal(told, 'true');
});

test('a trace has the changes in order, with their bytes', async (t) => {
  const trace = `${folder}.trace`;
  try {
    const told = await runOnDisk(t, { trace }, `ftruncateSync(fd, 3); writeSync(fd, 'x', 9);`);
    if (told === null) return;
    const records = readTrace(trace).map((record) => ({ ...record, inode: undefined, number: undefined }));
    const none = { inode: undefined, number: undefined };
    assert.deepEqual(records, [
      { kind: 'created', path: 'file-wal', ...none },
      { kind: 'written', offset: 0, data: Buffer.from('old text'), ...none },
      { kind: 'syncing', ...none },
      { kind: 'synced', ...none },
      { kind: 'sized', size: 3, ...none },
      { kind: 'written', offset: 9, data: Buffer.from('x'), ...none },
    ]);
  } finally {
    rmSync(trace, { force: true });
  }
});

describe('the check of records', () => {
  const done: Done = { requestId: 'r1', index: 1, operation: 'Sign', fact: null };
  const entry = (index: number, requestId: string, more: object = {}): StoredEntry => ({
    index,
    record: { requestId, operation: 'Sign', outcome: 'OK', ...more },
    values: {},
  });
  for (const [what, log, message] of [
    ['missing', [entry(0, 'r0')], /r1 \(Sign\) is not in the log/],
    ['there twice', [entry(0, 'r0'), entry(1, 'r1'), entry(2, 'r1')], /r1 is in the log twice/],
    ['at another place', [entry(0, 'r1')], /the record of r1/],
    ['another operation', [entry(0, 'r0'), entry(1, 'r1', { operation: 'Encrypt' })], /the record of r1/],
    ['a refusal', [entry(0, 'r0'), entry(1, 'r1', { outcome: 'INTERNAL' })], /the record of r1/],
  ] as const) {
    test(`finds an answer whose record is ${what}`, () => {
      assert.throws(() => checkRecords(log, [done]), message);
    });
  }

  test('finds a request that was in the log before', () => {
    assert.throws(() => checkRecords([entry(1, 'r1')], [], new Set(['r1'])), /r1 is in the log twice/);
  });

  test('takes a log that is right', () => {
    checkRecords([entry(0, 'r0'), entry(1, 'r1')], [done]);
  });
});
