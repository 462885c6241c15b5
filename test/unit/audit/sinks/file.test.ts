import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { FileSink } from '../../../../src/audit/sinks/file.ts';
import type { FileSinkOptions } from '../../../../src/audit/sinks/options.ts';
import type { SinkBatch } from '../../../../src/audit/sinks/sink.ts';
import { FakeClock } from '../../../support/clock.ts';
import { removeFolder, testFolder } from '../../../support/server.ts';
import { from, sinkBatch } from '../../../support/sink-records.ts';
import { smallDisk } from '../../../support/small-disk.ts';

const COUNT = 40;

describe('the file sink', () => {
  let folder: string;
  let batch: SinkBatch;
  let path: string;
  let clock: FakeClock;
  let n = 0;

  before(async () => {
    folder = testFolder();
    batch = await sinkBatch(COUNT, (index) => ({ principal: `p${index}`, context: { text: 'line\nfeed' } }));
  });
  after(() => removeFolder(folder));
  beforeEach(() => {
    const own = join(folder, String(n++));
    mkdirSync(own);
    path = join(own, 'audit.jsonl');
    // A file's day is told by its own time where it was there before.
    clock = new FakeClock(new Date().toISOString());
  });

  function sink(more: Partial<FileSinkOptions> = {}): FileSink {
    return new FileSink(
      { kind: 'file', name: 'test', path, rotateBytes: 1_000_000, rotateDaily: true, keepFiles: 3, ...more },
      clock,
    );
  }

  const lines = (file = path): any[] =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown);
  const indexes = (file = path): number[] => lines(file).map(({ index }) => index as number);
  /** Files of the folder, the oldest first, the present one last. */
  const files = (): string[] =>
    readdirSync(join(path, '..'))
      .toSorted()
      .map((name) => join(path, '..', name))
      .toSorted((a, b) => Number(a === path) - Number(b === path));
  const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);

  test('writes a line a record, opened, with its log and leaf hash, for its owner only', async () => {
    const file = sink();
    await file.deliver(batch);
    await file.close();
    assert.equal(readFileSync(path).at(-1), 0x0a);
    assert.deepEqual(indexes(), range(0, COUNT));
    const [first] = lines();
    assert.equal(first.logId, batch.logId);
    assert.equal(first.principal, 'p0');
    assert.equal(first.leafHash, Buffer.from(batch.records[0]!.leafHash).toString('base64'));
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test('goes on in the file that is there', async () => {
    const first = sink();
    await first.deliver(from(batch, 0, 10));
    await first.close();
    const second = sink();
    await second.deliver(from(batch, 10));
    await second.close();
    assert.deepEqual(indexes(), range(0, COUNT));
  });

  test('cuts off what a crash left of a line, and nothing else', async () => {
    for (const torn of ['{"logId":"8c3f', '', `{"x":"${'y'.repeat(200_000)}`]) {
      writeFileSync(path, '');
      const first = sink();
      await first.deliver(from(batch, 0, 3));
      await first.close();
      appendFileSync(path, torn);
      const second = sink();
      await second.deliver(from(batch, 3, 5));
      await second.close();
      assert.deepEqual(indexes(), [0, 1, 2, 3, 4], `${torn.length} bytes of a line`);
    }
    writeFileSync(path, 'never a line');
    const again = sink();
    await again.deliver(from(batch, 0, 1));
    await again.close();
    assert.deepEqual(indexes(), [0]);
  });

  test('begins a new file when it is full, and keeps so many of the old ones', async () => {
    const file = sink({ rotateBytes: 2000, keepFiles: 3 });
    for (let index = 0; index < 20; index++) {
      await file.deliver(from(batch, index, index + 1));
      clock.advance(1000);
    }
    await file.close();
    assert.equal(files().length, 4);
    const kept = files().flatMap((name) => indexes(name));
    assert.deepEqual(kept, range(20 - kept.length, 20), 'the newest records, in order, none twice');
    for (const name of files()) {
      assert.ok(statSync(name).size <= 2000, name);
      assert.equal(statSync(name).mode & 0o777, 0o600);
    }
  });

  test('begins a new file with the UTC day, and none for nothing', async () => {
    clock = new FakeClock('2026-01-31T12:00:00.000Z');
    const file = sink();
    await file.deliver(from(batch, 0, 1));
    clock.advance(11 * 3_600_000);
    await file.deliver(from(batch, 1, 2));
    assert.equal(files().length, 1);
    clock.advance(3_600_000);
    await file.deliver(from(batch, 2, 3));
    await file.close();
    assert.deepEqual(
      files().map((name) => indexes(name)),
      [[0, 1], [2]],
    );
    assert.match(files()[0]!, /audit\.jsonl\.20260201T000000000Z$/);
  });

  test('puts files aside within the same millisecond under names of their own', async () => {
    const file = sink({ rotateBytes: 65, keepFiles: 100 });
    for (let index = 0; index < 5; index++) await file.deliver(from(batch, index, index + 1));
    await file.close();
    assert.deepEqual(
      files()
        .flatMap((name) => indexes(name))
        .toSorted((a, b) => a - b),
      range(0, 5),
    );
    assert.equal(files().length, 5);
  });

  test('leaves a file that was moved away alone, and begins a new one', async () => {
    const file = sink();
    await file.deliver(from(batch, 0, 2));
    renameSync(path, `${path}.1`);
    await file.deliver(from(batch, 2, 4));
    await file.close();
    assert.deepEqual(indexes(`${path}.1`), [0, 1]);
    assert.deepEqual(indexes(), [2, 3]);
  });

  test('fails in words where its folder is not there', async () => {
    path = join(folder, 'nowhere', 'audit.jsonl');
    await assert.rejects(sink().deliver(batch), /ENOENT.*nowhere/);
  });

  test('leaves no part of a batch behind on a full disk, and all of it when there is room', async (t) => {
    const disk = smallDisk(256);
    if (typeof disk === 'string') return t.skip(disk);
    try {
      path = join(disk.folder, 'audit.jsonl');
      const file = sink();
      await file.deliver(from(batch, 0, 10));
      disk.fill();
      await assert.rejects(file.deliver(from(batch, 10)), /ENOSPC/);
      assert.deepEqual(indexes(), range(0, 10));
      await assert.rejects(file.deliver(from(batch, 10)), /ENOSPC/);
      disk.free();
      await file.deliver(from(batch, 10));
      await file.close();
      assert.deepEqual(indexes(), range(0, COUNT));
    } finally {
      disk.remove();
    }
  });
});
