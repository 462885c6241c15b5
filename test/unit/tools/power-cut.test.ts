/** What the simulated power cut leaves, and what it takes. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { NOTHING_LOST, seededDice, TracedDisk, UNSYNCED_LOST, type Fate } from '../../../tools/disk-shim/power-cut.ts';
import type { TraceRecord } from '../../../tools/disk-shim/trace.ts';

const FILE = 7;
const dice = seededDice(1);
const SOME: Fate = { kept: 0.5, torn: 0, inOrder: false, names: 'some' };

const created = (path: string, inode = FILE): TraceRecord => ({ kind: 'created', inode, path });
const written = (text: string, offset = 0, inode = FILE): TraceRecord => ({
  kind: 'written',
  inode,
  offset,
  data: Buffer.from(text),
});
const synced = (number: bigint, inode = FILE): TraceRecord[] => [
  { kind: 'syncing', inode, number },
  { kind: 'synced', inode, number },
];
const FOLDER = 0;

function after(...records: readonly TraceRecord[]): TracedDisk {
  const disk = new TracedDisk();
  for (const record of records) disk.apply(record);
  return disk;
}

function texts(disk: TracedDisk, fate: Fate): Record<string, string> {
  return Object.fromEntries([...disk.cut(dice, fate)].map(([path, content]) => [path, content.toString()]));
}

suite('a power cut', () => {
  test('leaves what was synced, once the name was', () => {
    const disk = after(created('a'), written('old'), ...synced(1n), ...synced(2n, FOLDER), written('new'));
    assert.deepEqual(texts(disk, UNSYNCED_LOST), { a: 'old' });
    assert.deepEqual(texts(disk, NOTHING_LOST), { a: 'new' });
  });

  test('takes a file whose folder was not synced, whatever was synced of the file', () => {
    assert.deepEqual(texts(after(created('a'), written('x'), ...synced(1n)), UNSYNCED_LOST), {});
  });

  test('takes what was written while the sync ran', () => {
    const disk = after(created('a'), ...synced(1n, FOLDER), { kind: 'syncing', inode: FILE, number: 2n });
    disk.apply(written('late'));
    disk.apply({ kind: 'synced', inode: FILE, number: 2n });
    assert.deepEqual(texts(disk, UNSYNCED_LOST), { a: '' });
  });

  test('takes what was said to be synced by a sync that did not come back', () => {
    const disk = after(created('a'), ...synced(1n, FOLDER), written('x'), { kind: 'syncing', inode: FILE, number: 2n });
    assert.deepEqual(texts(disk, UNSYNCED_LOST), { a: '' });
  });

  test('leaves any of the writes since the last sync without the others, and holes are zero', () => {
    const disk = after(created('a'), ...synced(1n, FOLDER), written('1', 0), written('2', 1), written('3', 2));
    const seen = new Set<string>();
    for (let n = 0; n < 200; n++) seen.add(texts(disk, SOME)['a']!.replaceAll('\0', '_'));
    assert.deepEqual([...seen].toSorted(), ['', '1', '12', '123', '1_3', '_2', '_23', '__3']);
  });

  test('leaves a beginning of the writes of a disk that writes in order', () => {
    const disk = after(created('a'), ...synced(1n, FOLDER), written('1', 0), written('2', 1), written('3', 2));
    const seen = new Set<string>();
    for (let n = 0; n < 200; n++) seen.add(texts(disk, { ...SOME, inOrder: true })['a']!);
    assert.deepEqual([...seen].toSorted(), ['', '1', '12', '123']);
  });

  test('tears a write at a border of sectors, on either side, and never within one', () => {
    const disk = after(created('a'), ...synced(1n, FOLDER), written('x'.repeat(1000), 300));
    const seen = new Set<string>();
    for (let n = 0; n < 200; n++) {
      const content = disk.cut(dice, { ...SOME, kept: 0, torn: 1 }).get('a')!;
      seen.add(`${content.indexOf('x')}-${content.length}`);
    }
    assert.deepEqual([...seen].toSorted(), ['1024-1300', '300-1024', '300-512', '512-1300']);
    const small = after(created('a'), ...synced(1n, FOLDER), written('x'.repeat(100), 300));
    assert.deepEqual(texts(small, { ...SOME, kept: 0, torn: 1 }), { a: '' });
  });

  test('can leave a truncated file as long as it was, with what was written since', () => {
    const disk = after(created('a'), written('long text'), ...synced(1n), ...synced(2n, FOLDER));
    disk.apply({ kind: 'sized', inode: FILE, size: 0 });
    disk.apply(written('new'));
    const seen = new Set<string>();
    for (let n = 0; n < 100; n++) seen.add(texts(disk, SOME)['a']!);
    assert.deepEqual([...seen].toSorted(), ['', 'long text', 'new', 'newg text']);
  });

  test('leaves names in the order in which they came, so a rename is whole or has not been', () => {
    const disk = after(created('a'), ...synced(1n, FOLDER), created('b', 8), written('x', 0, 8), ...synced(2n, 8));
    disk.apply({ kind: 'renamed', path: 'b', to: 'a' });
    const seen = new Set<string>();
    for (let n = 0; n < 100; n++) seen.add(JSON.stringify(texts(disk, { ...SOME, kept: 0 })));
    assert.deepEqual([...seen].toSorted(), ['{"a":"","b":"x"}', '{"a":""}', '{"a":"x"}']);
  });

  test('can bring back a file that was removed, though its inode has another name since', () => {
    const disk = after(created('a'), written('old'), ...synced(1n), ...synced(2n, FOLDER));
    disk.apply({ kind: 'unlinked', path: 'a' });
    disk.apply(created('b'));
    disk.apply(written('new'));
    assert.deepEqual(texts(disk, NOTHING_LOST), { b: 'new' });
    const seen = new Set<string>();
    for (let n = 0; n < 100; n++) seen.add(JSON.stringify(texts(disk, { ...SOME, kept: 0 })));
    assert.deepEqual([...seen].toSorted(), ['{"a":"old"}', '{"b":""}', '{}']);
  });

  test('on a disk that lies takes what it had said to be synced', () => {
    const disk = after(created('a'), written('1'), ...synced(1n), ...synced(2n, FOLDER));
    disk.lie();
    for (const record of [written('2'), ...synced(3n)]) disk.apply(record);
    assert.deepEqual(texts(disk, UNSYNCED_LOST), { a: '1' });
  });

  test('is the same for the same seed, and another for another', () => {
    const disk = after(created('a'), ...synced(1n, FOLDER));
    for (let n = 0; n < 64; n++) disk.apply(written('x', n));
    const cut = (seed: number): string => disk.cut(seededDice(seed), SOME).get('a')!.toString('hex');
    assert.equal(cut(5), cut(5));
    assert.notEqual(cut(5), cut(6));
  });
});
